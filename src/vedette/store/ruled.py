"""Which rulings apply to an indicator: a snapshot that answers about a million keys a second.

Pure. What a ruling means is :func:`applies`; :class:`Ruled` is the same, fast.
"""

from __future__ import annotations

import ipaddress
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from socket import AF_INET, inet_pton
from typing import NamedTuple

from vedette.errors import UnusableValueError
from vedette.model import IndicatorType, Key, Ruling
from vedette.normalize import canonical_name, split_url

_DOMAIN, _HOSTNAME, _URL = IndicatorType.DOMAIN, IndicatorType.HOSTNAME, IndicatorType.URL
_ADDRESSES = frozenset(
    {
        IndicatorType.IP_DST,
        IndicatorType.IP_SRC,
        IndicatorType.IP_DST_PORT,
        IndicatorType.IP_SRC_PORT,
    }
)
_MAILBOXES = frozenset({IndicatorType.EMAIL_SRC, IndicatorType.EMAIL_DST})
_NOBODY: tuple[Ruling, ...] = ()

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def host_of(key: Key) -> str:
    """The name, address or network of an indicator, of a mailbox its domain; ``""``: none."""
    if key.type is _URL:
        return split_url(key.value).host.strip("[]")
    if key.type is _DOMAIN or key.type is _HOSTNAME:
        return key.value
    if key.type in _ADDRESSES:
        return key.value.partition(",")[0]
    return key.value.rpartition("@")[2] if key.type in _MAILBOXES else ""


def network_of(text: str) -> Network | None:
    """A canonical address (as a network of one) or network; None if it is none."""
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        return None


def is_name(text: str) -> bool:
    """Whether names can be below it."""
    try:
        return canonical_name(text) == text
    except UnusableValueError:
        return False


def applies(ruling: Ruling, key: Key) -> bool:
    """Whether a ruling is about an indicator: the definition."""
    if ruling.type not in ("", key.type.value):
        return False
    if ruling.value == key.value:
        return True
    host = host_of(key)
    if not ruling.below or not host:
        return False
    outer, inner = network_of(ruling.value), network_of(host)
    if outer is None or inner is None:
        return outer is inner and f".{host}".endswith(f".{ruling.value}")
    return outer.version == inner.version and (
        outer.prefixlen <= inner.prefixlen and inner.network_address in outer
    )


class _Spans(NamedTuple):
    """Disjoint stretches of addresses, to tell quickly that one is in none."""

    starts: list[int]
    ends: list[int]

    def has(self, number: int) -> bool:
        at = bisect_right(self.starts, number) - 1
        return at >= 0 and number <= self.ends[at]


class Ruled:
    """The rulings of one moment, asked by indicator."""

    def __init__(self, rulings: Iterable[Ruling]) -> None:
        """Index them; they are not looked at again."""
        self._itself: dict[str, list[Ruling]] = {}
        self._names: dict[str, list[Ruling]] = {}
        self._ends: set[str] = set()
        """The last two labels of ``_names``: most names end otherwise."""
        self._networks: dict[tuple[int, int, int], list[Ruling]] = {}
        """By version, prefix length and first address."""
        for ruling in rulings:
            self._itself.setdefault(ruling.value, []).append(ruling)
            if not ruling.below:
                continue
            if (network := network_of(ruling.value)) is not None:
                self._networks.setdefault(_identity(network), []).append(ruling)
            elif is_name(ruling.value):
                self._names.setdefault(ruling.value, []).append(ruling)
                self._ends.add(_end(ruling.value))
        self._lengths = {
            version: sorted({n for v, n, _ in self._networks if v == version}, reverse=True)
            for version in (4, 6)
        }
        self._spans = {version: self._merged(version) for version in (4, 6)}

    def of(self, key: Key) -> tuple[Ruling, ...]:
        """Those that apply, the most specific first; of equals, one of the type, the newest."""
        kind, value = key
        itself = self._itself.get(value)
        if itself is None:
            if kind is _DOMAIN or kind is _HOSTNAME:
                if value[value.rfind(".", 0, value.rfind(".")) + 1 :] not in self._ends:
                    return _NOBODY
            elif not self._may_be_around(kind, value):
                return _NOBODY
        found = list(_of_type(itself, kind)) if itself else []
        for rulings in self._around(key):
            found += _of_type(rulings, kind)
        return tuple(found)

    def _may_be_around(self, kind: IndicatorType, value: str) -> bool:
        """Whether to look closer: quick where the answer is no, as it nearly always is."""
        if kind in _ADDRESSES:
            try:
                number = int.from_bytes(inet_pton(AF_INET, value.partition(",")[0]))
            except OSError:
                return bool(self._networks)  # a network, or IPv6
            return self._spans[4].has(number)
        if kind is _URL:
            host = value.partition("/")[0]
            return _end(host) in self._ends or ":" in host or host[-1:].isdigit()
        return kind in _MAILBOXES and _end(value.rpartition("@")[2]) in self._ends

    def _around(self, key: Key) -> Iterator[list[Ruling]]:
        """Yield the rulings on what an indicator is below or within, the nearest first."""
        host = host_of(key)
        if key.type not in _ADDRESSES and _end(host) in self._ends:
            position = 0 if host != key.value else host.find(".") + 1
            while position or host != key.value:
                if rulings := self._names.get(host[position:]):
                    yield rulings
                if not (position := host.find(".", position) + 1):
                    return
        elif self._networks and (key.type in _ADDRESSES or key.type is _URL):
            yield from self._networks_around(host, host == key.value)

    def _networks_around(self, host: str, is_value: bool) -> Iterator[list[Ruling]]:
        if (network := network_of(host)) is None:
            return
        version, number = network.version, int(network.network_address)
        if not self._spans[version].has(number):
            return
        for length in self._lengths[version]:
            if length > network.prefixlen or (is_value and length == network.prefixlen):
                continue
            free = network.max_prefixlen - length
            if rulings := self._networks.get((version, length, number >> free << free)):
                yield rulings

    def _merged(self, version: int) -> _Spans:
        spans = _Spans([], [])
        for start, end in sorted(
            (first, first + (1 << ((32 if version == 4 else 128) - length)) - 1)  # noqa: PLR2004
            for v, length, first in self._networks
            if v == version
        ):
            if spans.ends and start <= spans.ends[-1]:
                spans.ends[-1] = max(spans.ends[-1], end)
            else:
                spans.starts.append(start)
                spans.ends.append(end)
        return spans


def _of_type(rulings: list[Ruling], kind: IndicatorType) -> tuple[Ruling, ...]:
    if len(rulings) == 1:
        return (rulings[0],) if rulings[0].type in ("", kind.value) else _NOBODY
    some = (ruling for ruling in rulings if ruling.type in ("", kind.value))
    return tuple(sorted(some, key=lambda one: (not one.type, -one.id)))


def _identity(network: Network) -> tuple[int, int, int]:
    return network.version, network.prefixlen, int(network.network_address)


def _end(name: str) -> str:
    return name[name.rfind(".", 0, name.rfind(".")) + 1 :]
