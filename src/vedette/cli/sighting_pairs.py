"""Who met a value, one line for two hosts: what a person wants before fields and sensors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct

from vedette.fields import BY_NAME
from vedette.pool.records import Who


class Pair(Struct, frozen=True, kw_only=True):
    """Two hosts between which a value was seen."""

    client: str
    server: str
    first_seen: datetime
    last_seen: datetime
    count: int
    """Events, about: an event that shows the value in two fields counts once."""
    days: int
    """At least: the most of any field."""
    protocols: str
    sensors: str
    flow_id: int


def pairs(who: Iterable[Who]) -> list[Pair]:
    """Join the rows of a value to one for two hosts, the last seen first."""
    grouped: dict[tuple[str, str], list[Who]] = defaultdict(list)
    for one in who:
        grouped[one.client, one.server].append(one)
    found = [_joined(client, server, rows) for (client, server), rows in grouped.items()]
    return sorted(found, key=lambda pair: (pair.last_seen, pair.client), reverse=True)


def _joined(client: str, server: str, rows: list[Who]) -> Pair:
    events: dict[tuple[str, str, str], int] = defaultdict(int)
    for one in rows:
        event = one.sensor, _protocol(one.field), one.value
        events[event] = max(events[event], one.count)
    latest = max(rows, key=lambda one: (one.last_seen, one.flow_id))
    return Pair(
        client=client,
        server=server,
        first_seen=min(one.first_seen for one in rows),
        last_seen=latest.last_seen,
        count=sum(events.values()),
        days=max(one.days for one in rows),
        protocols=" ".join(sorted({_protocol(one.field) for one in rows})),
        sensors=" ".join(sorted({one.sensor for one in rows})),
        flow_id=latest.flow_id,
    )


def _protocol(field: str) -> str:
    known = BY_NAME.get(field)
    return known.event.partition("|")[0] if known is not None else field
