"""What a pool must answer, in plain Python: lists and loops, nothing of the engine's.

Slow and obvious, to hold the real one against it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Any, NamedTuple, TypeVar

import pyarrow as pa
import xxhash

from vedette.fields import BY_NAME, Asset
from vedette.observe.folded import OBSERVATIONS, SIGHTINGS, Folded, Hour

Answer = dict[str, Any]
_T = TypeVar("_T")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)
_HOUR_US = 3_600_000_000


class Seen(NamedTuple):
    """One value in one event."""

    field: str
    value: str
    at: datetime
    client: str = "10.0.0.1"
    server: str = "192.0.2.1"
    flow_id: int = 1

    @property
    def day(self) -> date:
        """Its day in UTC."""
        return self.at.astimezone(UTC).date()

    @property
    def host(self) -> str:
        """Our end of it."""
        is_server = BY_NAME[self.field].asset is Asset.SERVER
        return self.server if is_server else self.client


class Recorded(NamedTuple):
    """One value in one event, and the sensor that wrote the event."""

    seen: Seen
    sensor: str


def fold(seen: Iterable[Seen]) -> Folded:
    """Return what a fold makes of some events."""
    events = sorted(seen, key=_key)
    observations = [
        {
            **dict(zip(("field", "value", "client", "server", "day"), key, strict=True)),
            "first_seen": min(one.at for one in group),
            "last_seen": max(one.at for one in group),
            "count": len(group),
            "flow_id": max(one.flow_id for one in group),
        }
        for key, group in _groups(events, lambda e: (e.field, e.value, e.client, e.server, e.day))
    ]
    sightings = []
    for (field, value), group in _groups(events, lambda e: (e.field, e.value)):
        first = min(group, key=lambda e: (e.at, e.client.encode(), e.server.encode()))
        sightings.append(
            {
                "field": field,
                "value": value,
                "first_seen": first.at,
                "client": first.client,
                "server": first.server,
                "last_seen": max(one.at for one in group),
                "count": len(group),
                "key": xxhash.xxh64_intdigest(f"{field}\0{value}".encode()),
            }
        )
    return Folded(
        pa.Table.from_pylist(observations, schema=OBSERVATIONS),
        pa.Table.from_pylist(sightings, schema=SIGHTINGS),
        tuple(_hours(events)),
        {"lines": len(events), "events": len(events)},
    )


class PlainPool:
    """Answers from a list of all that was recorded: the records of the pool, as dictionaries."""

    def __init__(self, recorded: Sequence[Recorded]) -> None:
        """Take everything that was ever recorded."""
        self.recorded = recorded

    def sightings(self) -> list[Answer]:
        """All sightings, sorted by field and value."""
        found: list[Answer] = []
        for (field, value), group in _groups(self.recorded, lambda r: (r.seen.field, r.seen.value)):
            first = min(group, key=_first)
            found.append(
                {
                    "field": field,
                    "value": value,
                    "first_seen": first.seen.at,
                    "last_seen": max(one.seen.at for one in group),
                    "count": len(group),
                    "patient_zero": first.seen.host,
                    "client": first.seen.client,
                    "server": first.seen.server,
                    "sensor": first.sensor,
                    "hosts": len({one.seen.host for one in group}),
                }
            )
        return found

    def who(self, field: str, value: str) -> list[Answer]:
        """Between whom a value was seen, the last seen first."""
        these = [r for r in self.recorded if (r.seen.field, r.seen.value) == (field, value)]
        found = [
            {
                "field": field,
                "value": value,
                "client": client,
                "server": server,
                "sensor": sensor,
                "first_seen": min(one.seen.at for one in group),
                "last_seen": max(one.seen.at for one in group),
                "count": len(group),
                "days": len({one.seen.day for one in group}),
                "flow_id": max(one.seen.flow_id for one in group),
            }
            for (client, server, sensor), group in _groups(
                these, lambda r: (r.seen.client, r.seen.server, r.sensor)
            )
        ]
        return sorted(found, key=lambda one: (-_us(one["last_seen"]), one["client"]))

    def days(self, field: str, value: str) -> list[Answer]:
        """On which days a value was seen."""
        these = [r for r in self.recorded if (r.seen.field, r.seen.value) == (field, value)]
        return [
            {"day": day, "count": len(group), "hosts": len({one.seen.host for one in group})}
            for (day,), group in _groups(these, lambda r: (r.seen.day,))
        ]


def _groups(
    items: Iterable[_T], key: Callable[[_T], tuple[Any, ...]]
) -> Iterator[tuple[tuple[Any, ...], list[_T]]]:
    groups: dict[tuple[Any, ...], list[_T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    yield from sorted(groups.items(), key=lambda pair: pair[0])


def _key(seen: Seen) -> tuple[bytes, ...]:
    day = seen.day.isoformat()
    return tuple(part.encode() for part in (seen.field, seen.value, seen.client, seen.server, day))


def _first(one: Recorded) -> tuple[datetime, bytes, bytes, bytes]:
    seen = one.seen
    return seen.at, seen.client.encode(), seen.server.encode(), one.sensor.encode()


def _hours(events: Iterable[Seen]) -> Iterator[Hour]:
    times = sorted(_us(event.at) for event in events)
    for hour, group in groupby(times, lambda time: time // _HOUR_US):
        found = list(group)
        yield Hour(hour * 3_600, found[0], found[-1], len(found))


def _us(at: datetime) -> int:
    return (at - _EPOCH) // _US
