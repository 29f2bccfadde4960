"""Sightings by conditions, the last seen first, without reading all of ten million."""

# ruff: noqa: S608 - all names are ours; what people give is a parameter

from __future__ import annotations

from collections.abc import Iterator

from vedette.fields import BY_NAME
from vedette.pool.backend import Backend
from vedette.pool.records import Place, Sighting, Wanted
from vedette.pool.selecting import SIGHTING, Where, answers, at

_MORE = 8
_ORDER = "ORDER BY last_seen DESC, field, value"
_FRUGAL = (
    # In the order of the primary key, groups are finished one after the other; sorting may use
    # the disk.
    "SETTINGS optimize_aggregation_in_order = 1, max_bytes_before_external_sort = 500000000,"
    " max_bytes_before_external_group_by = 500000000"
)


def sightings(backend: Backend, wanted: Wanted) -> Iterator[Sighting]:
    """Yield sightings, the last seen first.

    Raises:
        PoolError: The engine failed.
    """
    where = Where(wanted)
    if wanted.host or wanted.sensor:
        _add_ends(where, backend, wanted)
    if wanted.limit and not wanted.until:
        yield from _latest(backend, wanted, where)
        return
    having = ["1"]
    if wanted.since:
        having.append("last_seen >= {since:DateTime64(6, 'UTC')}")
        where.parameters["since"] = wanted.since
    if wanted.until:
        having.append("first_seen < {until:DateTime64(6, 'UTC')}")
        where.parameters["until"] = wanted.until
    limit = f" LIMIT {int(wanted.limit)}" if wanted.limit else ""
    sql = (
        f"SELECT {SIGHTING} FROM {backend.database}.sightings AS s WHERE {where}"
        f" GROUP BY field, value HAVING {' AND '.join(having)} {_ORDER}{limit} {_FRUGAL}"
    )
    yield from answers(backend, sql, where.parameters)


def _latest(backend: Backend, wanted: Wanted, where: Where) -> Iterator[Sighting]:
    """Find which values were seen last, and then all about them.

    A value may have several rows that are not merged yet; the one that was seen last decides. So
    it is enough to group the rows that were seen last, if they are of enough values.
    """
    table = f"{backend.database}.sightings AS s"
    if wanted.since:
        where.add("s.last_seen >= {since:DateTime64(6, 'UTC')}", since=wanted.since)
    limit, more = int(wanted.limit), _MORE
    while True:
        edge = backend.query(
            f"SELECT s.last_seen AS edge FROM {table} WHERE {where} ORDER BY edge DESC"
            f" LIMIT 1 OFFSET {limit * more}",
            where.parameters,
        ).column("edge")
        recent, parameters = str(where), dict(where.parameters)
        if len(edge):
            recent += " AND s.last_seen >= {edge:DateTime64(6, 'UTC')}"
            parameters["edge"] = edge[0].as_py()
        keys = backend.query(
            f"SELECT field, value, max(s.last_seen) AS last_seen FROM {table} WHERE {recent}"
            f" GROUP BY field, value {_ORDER} LIMIT {limit} {_FRUGAL}",
            parameters,
        )
        if keys.num_rows == limit or not len(edge):
            break
        more *= _MORE
    places = [Place(row["field"], row["value"]) for row in keys.to_pylist()]
    with at(backend, places, "sightings") as (source, parameters):
        sql = f"SELECT {SIGHTING} FROM ({source}) AS s GROUP BY field, value {_ORDER}"
        yield from answers(backend, sql, parameters)


def _add_ends(where: Where, backend: Backend, wanted: Wanted) -> None:
    """Add what is asked of hosts and sensors: field by field, for the sake of the primary key."""
    ends = ["1"]
    if wanted.host:
        ends.append("(client = {host:String} OR server = {host:String})")
        where.parameters["host"] = wanted.host
    if wanted.sensor:
        ends.append("sensor = {sensor:String}")
        where.parameters["sensor"] = wanted.sensor
    both = " AND ".join(ends)
    parts: list[str] = []
    for number, field in enumerate(wanted.fields or BY_NAME):
        where.parameters[f"of{number}"] = field
        is_it = f"field = {{of{number}:String}}"
        parts.append(
            f"({is_it} AND value GLOBAL IN (SELECT value FROM {backend.database}.observations"
            f" WHERE {is_it} AND {both}))"
        )
    where.add(f"({' OR '.join(parts)})")
