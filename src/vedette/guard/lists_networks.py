"""Addresses and networks: which member of the lists an address is in, by one binary search.

Networks are nested or apart, never crossing: each stretch of addresses belongs to its innermost
network, and each network knows the next one around it.
"""

from __future__ import annotations

import ipaddress
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from vedette.guard.lists_texts import Sections, Sets

_NOBODY = -1
_WIDTH = {4: 32, 6: 128}
VERSIONS = (4, 6)


class Network(NamedTuple):
    """A member that is around an address, or is it."""

    text: str
    """``1.2.3.4``, ``1.2.3.0/24``."""
    prefix: int
    lists: int
    """The number of the combination of lists that have it."""


class Span(NamedTuple):
    """An address or network that is asked for."""

    version: int
    first: int
    prefix: int


def span_of(text: str) -> Span | None:
    """Read an address or a network; None: it is neither."""
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    return Span(network.version, int(network.network_address), network.prefixlen)


class NetworkRows:
    """Gathers networks, list by list."""

    def __init__(self) -> None:
        self._networks: dict[int, dict[tuple[int, int], list[int]]] = {n: {} for n in VERSIONS}

    def add(self, number: int, members: Iterable[str]) -> int:
        """Take a list's members; returns how many are unusable."""
        unusable = 0
        for member in members:
            span = span_of(member.strip())
            if span is None:
                unusable += 1
                continue
            lists = self._networks[span.version].setdefault((span.first, span.prefix), [])
            lists.append(number)
        return unusable

    def freeze(self, sets: Sets) -> dict[str, bytes]:
        """The sections of both tables."""
        sections: dict[str, bytes] = {}
        for version in VERSIONS:
            sections |= _freeze(version, self._networks[version], sets)
        return sections


def _freeze(
    version: int, networks: Mapping[tuple[int, int], list[int]], sets: Sets
) -> dict[str, bytes]:
    width, size = _WIDTH[version], _WIDTH[version] // 8
    ordered = sorted(networks)
    stretches: dict[int, int] = {}
    parents, open_ones = array("i"), list[tuple[int, int]]()
    for number, (first, prefix) in enumerate(ordered):
        _close(open_ones, stretches, first)
        parents.append(open_ones[-1][1] if open_ones else _NOBODY)
        open_ones.append((first + (1 << width - prefix), number))
        stretches[first] = number
    _close(open_ones, stretches, 1 << width)
    stretches.pop(1 << width, None)
    starts = sorted(stretches)
    return {
        f"v{version}.starts": b"".join(start.to_bytes(size, "big") for start in starts),
        f"v{version}.owners": array("i", (stretches[start] for start in starts)).tobytes(),
        f"v{version}.firsts": b"".join(first.to_bytes(size, "big") for first, _ in ordered),
        f"v{version}.prefixes": bytes(prefix for _, prefix in ordered),
        f"v{version}.parents": parents.tobytes(),
        f"v{version}.sets": array("I", (sets.number(networks[key]) for key in ordered)).tobytes(),
    }


def _close(open_ones: list[tuple[int, int]], stretches: dict[int, int], until: int) -> None:
    """End the networks that end before an address; what is behind belongs to the one around."""
    while open_ones and open_ones[-1][0] <= until:
        end, _ = open_ones.pop()
        stretches[end] = open_ones[-1][1] if open_ones else _NOBODY


class Networks:
    """The table of one version, for questions."""

    def __init__(self, version: int, sections: Sections) -> None:
        self.width = _WIDTH[version]
        """Bits of an address."""
        self._size = size = self.width // 8
        self._address = ipaddress.IPv4Address if version == VERSIONS[0] else ipaddress.IPv6Address
        self._starts = [*_integers(sections[f"v{version}.starts"], size)]
        self._owners = sections[f"v{version}.owners"].cast("i").tolist()
        self._firsts = sections[f"v{version}.firsts"]
        self._prefixes = sections[f"v{version}.prefixes"]
        self._parents = sections[f"v{version}.parents"].cast("i")
        self._sets = sections[f"v{version}.sets"].cast("I")

    def owners(self, addresses: Iterable[int]) -> list[int]:
        """The innermost network around each address; negative: none."""
        starts, owners = self._starts, [*self._owners, _NOBODY]
        return [owners[bisect_right(starts, address) - 1] for address in addresses]

    def owner(self, span: Span) -> int:
        """The innermost network around a network or address; negative: none."""
        number: int = self.owners([span.first])[0]
        while number >= 0 and self._prefixes[number] > span.prefix:
            number = self._parents[number]
        return number

    def around(self, number: int) -> Iterator[Network]:
        """A network and those around it, the innermost first."""
        while number >= 0:
            first = int.from_bytes(self._firsts[number * self._size :][: self._size], "big")
            prefix = self._prefixes[number]
            yield Network(self._text(first, prefix), prefix, self._sets[number])
            number = self._parents[number]

    def _text(self, first: int, prefix: int) -> str:
        address = self._address(first)
        return str(address) if prefix == self.width else f"{address}/{prefix}"


def _integers(data: memoryview, size: int) -> Iterator[int]:
    return (int.from_bytes(data[at : at + size], "big") for at in range(0, len(data), size))
