"""What is looked for, ready to say of any observed value which indicators it is."""

from __future__ import annotations

import ipaddress
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from vedette.fields import NOT_REMEMBERED, Field, Match
from vedette.model import IndicatorType, Key
from vedette.normalize import ancestors, split_url

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Matched(NamedTuple):
    """An indicator that an observed value is, and how."""

    key: Key
    match: Match


class Sought:
    """The indicators of a list. Not changed once it is made.

    Attributes:
        skipped: Indicators that no hunt can answer, by reason.
    """

    def __init__(self, keys: Iterable[Key]) -> None:
        self.skipped: Counter[str] = Counter()
        self.values: defaultdict[IndicatorType, set[str]] = defaultdict(set)
        for key in keys:
            if key.type in NOT_REMEMBERED:
                self.skipped[NOT_REMEMBERED[key.type]] += 1
            else:
                self.values[key.type].add(key.value)
        self._wide = {
            kind: [value for value in self.values[kind] if "/" in value] for kind in _NETWORKED
        }
        self._networks = {kind: _networks(wide) for kind, wide in self._wide.items()}

    def wanted(self, field: Field) -> list[tuple[IndicatorType, Match]]:
        """Return what of this is looked for in a field; empty if nothing."""
        return [(kind, match) for kind, match in field.hunted if self.values.get(kind)]

    def networks(self, kind: IndicatorType) -> list[str]:
        """Return the indicators of a type that are networks, not single addresses."""
        return self._wide[kind]

    def matches(self, field: Field, observed: str) -> Iterator[Matched]:
        """Yield every indicator that an observed value of a field is."""
        for kind, match in self.wanted(field):
            values = self.values[kind]
            for value in self._candidates(kind, match, observed):
                if value in values:
                    yield Matched(Key(kind, value), match)

    def _candidates(self, kind: IndicatorType, match: Match, observed: str) -> Iterator[str]:
        if match is Match.PATH:
            yield split_url(observed).path
            return
        yield observed
        if match is Match.SUBDOMAIN:
            yield from ancestors(observed)
        elif match is Match.NETWORK and self._networks[kind]:
            yield from _around(observed, self._networks[kind])


_NETWORKED = (IndicatorType.IP_DST, IndicatorType.IP_SRC)


def _networks(values: Iterable[str]) -> Mapping[int, set[int]]:
    """Return by IP version the lengths of the prefixes of networks."""
    lengths: defaultdict[int, set[int]] = defaultdict(set)
    for value in values:
        network = ipaddress.ip_network(value)
        lengths[network.version].add(network.prefixlen)
    return lengths


def _around(observed: str, lengths: Mapping[int, set[int]]) -> Iterator[str]:
    """Yield the networks that an address is in, of the lengths that matter."""
    try:
        address: _Address = ipaddress.ip_address(observed)
    except ValueError:
        return
    for length in lengths.get(address.version, ()):
        network: _Network = ipaddress.ip_network((address, length), strict=False)
        yield str(network)
