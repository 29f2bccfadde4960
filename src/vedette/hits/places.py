"""From a sid to the row and buffer of the table whose rule it is."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from vedette.buffers import ROWS, Buffer, Profile, Row
from vedette.model import IndicatorType
from vedette.ruleset.sets import LEVEL_SIDS, NETWORK_RULES_MAX, SetSpec, network_sid

_PORTS = 65_536
_VARIANTS = 100
_OF_A_LEVEL = 10_000
"""So many sids each threat level has: one hundred for each buffer."""
_ADDRESSES = (
    IndicatorType.IP_DST,
    IndicatorType.IP_SRC,
    IndicatorType.IP_DST_PORT,
    IndicatorType.IP_SRC_PORT,
)


class Place(NamedTuple):
    """Where a value was seen."""

    row: Row
    buffer: Buffer
    confirm: bool = False
    """Whether the rule compared less than the whole value: an alert may be none of ours."""
    network: bool = False
    """Whether the rule has networks in its header: an address alone is another rule's alert."""


_PLACES: Mapping[int, Place] = MappingProxyType(
    {
        buffer.sid: Place(row, buffer, bool(row.confirm) and buffer.protocol != "smtp")
        for row in ROWS.values()
        for dataset in row.datasets
        for buffer in dataset.buffers
    }
)


def _ranges() -> tuple[tuple[range, Place], ...]:
    found: list[tuple[range, Place]] = []
    for kind in _ADDRESSES:
        row = ROWS[kind]
        dataset = row.datasets[0]
        buffer = dataset.buffers[0]
        first = network_sid(0, buffer, 0)
        numbers = range(first, first + NETWORK_RULES_MAX)
        found.append((numbers, Place(row, buffer, bool(row.confirm), network=True)))
        if row.confirm == "port":
            port_0 = SetSpec(dataset.name, "p1").sid(0, buffer) - 1
            found.append((range(port_0, port_0 + _PORTS), Place(row, buffer)))
    return tuple(found)


_RANGES = _ranges()
_END = max(numbers.stop for numbers, _ in _RANGES)


def is_ours(offset: int) -> bool:
    """Whether a sid, less the sid base, lies where our rules are."""
    return 0 <= offset < _END


def is_canary(offset: int) -> bool:
    """Whether it is the rule of the generation's own set."""
    return 0 <= offset < _VARIANTS


def place_of(offset: int) -> Place | None:
    """Return the place of a sid, less the sid base; None if no row has it (any more)."""
    for numbers, place in _RANGES:
        if offset in numbers:
            return place
    for first in LEVEL_SIDS.values():
        if 0 <= offset - first < _OF_A_LEVEL:
            return _PLACES.get((offset - first) // _VARIANTS)
    return None


def unseen_by(profile: Profile) -> tuple[Place, ...]:
    """Return the places in mail that an engine cannot compare, but writes to EVE."""
    return tuple(
        place
        for place in _PLACES.values()
        if place.buffer.protocol == "smtp" and place.buffer.since > profile.version
    )
