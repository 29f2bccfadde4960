"""Values that nobody had seen before: a stream that a reader can go on with where it stopped."""

# ruff: noqa: S608 - all names are ours; what people give is a parameter

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from vedette.pool.backend import Backend
from vedette.pool.records import Cursor, NewSighting, Wanted
from vedette.pool.selecting import Where

_AT_ONCE = 50_000


def new(
    backend: Backend,
    wanted: Wanted,
    after: Cursor | None = None,
    *,
    learning_until: datetime | None = None,
    committed_at: datetime | None = None,
) -> Iterator[NewSighting]:
    """Yield values that nobody had seen before, in the order in which they came in, or backwards.

    Args:
        backend: The engine.
        wanted: Which of them.
        after: What was read last; what comes behind it is yielded.
        learning_until: Values that were first seen before are no news.
        committed_at: Up to here everything is there. On a cluster, a batch that is just being
            written may be on one shard and not yet on another; a reader who saw half of it would
            never see the rest.

    Raises:
        PoolError: The engine failed.
    """
    where = Where(wanted)
    if committed_at:
        where.add("found_at <= {committed:DateTime64(6, 'UTC')}", committed=committed_at)
    if wanted.since:
        where.add("found_at >= {since:DateTime64(6, 'UTC')}", since=wanted.since)
    if wanted.until:
        where.add("found_at < {until:DateTime64(6, 'UTC')}", until=wanted.until)
    if wanted.host:
        where.add("(client = {host:String} OR server = {host:String})", host=wanted.host)
    if wanted.sensor:
        where.add("sensor = {sensor:String}", sensor=wanted.sensor)
    if not wanted.learning and learning_until:
        where.add("first_seen >= {learnt:DateTime64(6, 'UTC')}", learnt=learning_until)
    left = wanted.limit
    while True:
        at_once = min(left or _AT_ONCE, _AT_ONCE)
        rows = _new_after(backend, where, after, at_once, latest=wanted.latest)
        for row in rows:
            learning = learning_until is not None and row["first_seen"] < learning_until
            yield NewSighting(**row, learning=learning)
        if len(rows) < _AT_ONCE or (left and (left := left - len(rows)) <= 0):
            return
        last = rows[-1]
        after = Cursor(found_at=last["found_at"], field=last["field"], value=last["value"])


def _new_after(
    backend: Backend, where: Where, after: Cursor | None, limit: int, *, latest: bool
) -> list[dict[str, Any]]:
    conditions, parameters = str(where), dict(where.parameters)
    order, beyond = ("DESC", "<") if latest else ("ASC", ">")
    if after:
        # The first condition is for the primary key, the second one says it exactly.
        conditions += (
            f" AND found_at {beyond}= {{after:DateTime64(6, 'UTC')}}"
            f" AND (found_at, field, value) {beyond}"
            " ({after:DateTime64(6, 'UTC')}, {field:String}, {value:String})"
        )
        parameters |= {"after": after.found_at, "field": after.field, "value": after.value}
    table = backend.query(
        "SELECT found_at, field, value, first_seen, client, server, sensor"
        f" FROM {backend.database}.new_sightings WHERE {conditions}"
        f" ORDER BY found_at {order}, field {order}, value {order} LIMIT {limit}",
        parameters,
    )
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows
