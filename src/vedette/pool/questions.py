"""What analysts ask: values, who showed them, when, and what is new."""

# ruff: noqa: S608 - all names are ours; what people give is a parameter

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pyarrow as pa

from vedette.pool.backend import Backend, Parameter
from vedette.pool.hunting import hosts_of
from vedette.pool.joins import ASSET
from vedette.pool.records import Cursor, Day, NewSighting, Place, Sighting, Wanted, Who

_AT_ONCE = 50_000
_FEW = 20
"""Values that are asked for one by one; more are a scratch table."""
_SIGHTING = (
    "field, value, min(s.earliest) AS first,"
    " tupleElement(first, 'first_seen') AS first_seen, tupleElement(first, 'client') AS client,"
    " tupleElement(first, 'server') AS server, tupleElement(first, 'sensor') AS sensor,"
    f" {ASSET} AS patient_zero, max(s.last_seen) AS last_seen, sum(s.count) AS count"
)


class _Where:
    """Conditions and the parameters in them."""

    def __init__(self) -> None:
        self.conditions: list[str] = ["1"]
        self.parameters: dict[str, Parameter] = {}

    def add(self, condition: str, **parameters: Parameter) -> None:
        self.conditions.append(condition)
        self.parameters.update(parameters)

    def values(self, wanted: Wanted) -> None:
        """Add what is asked of fields and values."""
        if wanted.fields:
            self.add("field IN {fields:Array(String)}", fields=list(wanted.fields))
        if wanted.contains:
            self.add("positionCaseInsensitiveUTF8(value, {part:String}) > 0", part=wanted.contains)
        if wanted.below:
            self.add(
                "(value = {name:String} OR endsWith(value, {dotted:String}))",
                name=wanted.below,
                dotted=f".{wanted.below}",
            )

    def __str__(self) -> str:
        return " AND ".join(self.conditions)


def sightings(backend: Backend, wanted: Wanted) -> Iterator[Sighting]:
    """Yield sightings, the last seen first.

    Raises:
        PoolError: The engine failed.
    """
    where = _Where()
    where.values(wanted)
    having = ["1"]
    if wanted.host or wanted.sensor:
        ends = _Where()
        if wanted.host:
            ends.add("(client = {host:String} OR server = {host:String})", host=wanted.host)
        if wanted.sensor:
            ends.add("sensor = {sensor:String}", sensor=wanted.sensor)
        where.add(
            f"(field, value) GLOBAL IN (SELECT field, value FROM {backend.database}.observations"
            f" WHERE {ends})",
            **ends.parameters,
        )
    if wanted.since:
        having.append("last_seen >= {since:DateTime64(6, 'UTC')}")
        where.parameters["since"] = wanted.since
    if wanted.until:
        having.append("first_seen < {until:DateTime64(6, 'UTC')}")
        where.parameters["until"] = wanted.until
    limit = f" LIMIT {int(wanted.limit)}" if wanted.limit else ""
    sql = (
        f"SELECT {_SIGHTING} FROM {backend.database}.sightings AS s WHERE {where}"
        f" GROUP BY field, value HAVING {' AND '.join(having)}"
        f" ORDER BY last_seen DESC, field, value{limit}"
    )
    yield from _sightings(backend, sql, where.parameters)


def seen(backend: Backend, places: Sequence[Place]) -> list[Sighting]:
    """Return the sightings of these values, the earliest first.

    Raises:
        PoolError: The engine failed.
    """
    with _at(backend, places, "sightings") as (source, parameters):
        sql = (
            f"SELECT {_SIGHTING} FROM ({source}) AS s"
            " GROUP BY field, value ORDER BY first_seen, field, value"
        )
        return list(_sightings(backend, sql, parameters))


def who(backend: Backend, places: Sequence[Place], *, limit: int = 0) -> list[Who]:
    """Return between whom these values were seen, the last seen first.

    Raises:
        PoolError: The engine failed.
    """
    at_most = f" LIMIT {int(limit)}" if limit else ""
    with _at(backend, places, "observations") as (source, parameters):
        table = backend.query(
            "SELECT field, value, client, server, sensor, min(o.first_seen) AS first_seen,"
            " max(o.last_seen) AS last_seen, sum(o.count) AS count, uniqExact(o.day) AS days,"
            f" max(o.flow_id) AS flow_id FROM ({source}) AS o"
            " GROUP BY field, value, client, server, sensor"
            f" ORDER BY last_seen DESC, field, value, client, server, sensor{at_most}",
            parameters,
        )
    return [Who(**row) for row in table.to_pylist()]


def days(backend: Backend, places: Sequence[Place]) -> list[Day]:
    """Return the days on which any of these values was seen, in order.

    Raises:
        PoolError: The engine failed.
    """
    with _at(backend, places, "observations") as (source, parameters):
        table = backend.query(
            f"SELECT day, sum(o.count) AS count, uniqExact({ASSET}) AS hosts"
            f" FROM ({source}) AS o GROUP BY day ORDER BY day",
            parameters,
        )
    return [Day(**row) for row in table.to_pylist()]


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
    where = _Where()
    where.values(wanted)
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
    backend: Backend, where: _Where, after: Cursor | None, limit: int, *, latest: bool
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


@contextmanager
def _at(
    backend: Backend, places: Sequence[Place], table: str
) -> Iterator[tuple[str, dict[str, Parameter]]]:
    """Give a SELECT of the rows of any of some places, and its parameters."""
    source = f"SELECT * FROM {backend.database}.{table} WHERE "
    few = list(dict.fromkeys(place for place in places if place.below))
    exact = list(dict.fromkeys(place for place in places if not place.below))
    if len(exact) <= _FEW:
        conditions, parameters = _conditions(exact + few)
        yield source + conditions, parameters
        return
    rows = pa.table({"field": [p.field for p in exact], "value": [p.value for p in exact]})
    with backend.scratch(rows) as scratch:
        conditions, parameters = _conditions(few)
        for field in sorted({place.field for place in exact}):
            name = f"x{len(parameters)}"
            parameters[name] = field
            is_it = f"field = {{{name}:String}}"
            conditions += (
                f" OR ({is_it} AND value GLOBAL IN (SELECT value FROM {scratch} WHERE {is_it}))"
            )
        yield source + f"({conditions})", parameters


def _conditions(places: Sequence[Place]) -> tuple[str, dict[str, Parameter]]:
    """Return the condition for any of some places, by the primary key where that is possible."""
    grouped: dict[tuple[str, bool], list[str]] = {}
    for place in places:
        grouped.setdefault((place.value, place.below), []).append(place.field)
    conditions = ["0"]
    parameters: dict[str, Parameter] = {}
    for number, ((value, below), fields) in enumerate(grouped.items()):
        parameters |= {f"f{number}": fields, f"v{number}": value}
        is_it = f"value = {{v{number}:String}}"
        if below:
            parameters[f"d{number}"] = f".{value}"
            is_it = f"({is_it} OR endsWith(value, {{d{number}:String}}))"
        conditions.append(f"(field IN {{f{number}:Array(String)}} AND {is_it})")
    return f"({' OR '.join(conditions)})", parameters


def _sightings(backend: Backend, sql: str, parameters: dict[str, Parameter]) -> Iterator[Sighting]:
    for batch in backend.stream(sql, parameters):
        rows = pa.Table.from_batches([batch])
        hosts = hosts_of(backend, rows)
        for row in rows.drop_columns(["first"]).to_pylist():
            yield Sighting(**row, hosts=hosts.get((row["field"], row["value"]), 0))
