"""Sightings by conditions, the last seen first, without reading all of ten million."""

# ruff: noqa: S608 - all names are ours; what people give is a parameter

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import pyarrow as pa

from vedette.pool.backend import Backend
from vedette.pool.records import Sighting, Wanted
from vedette.pool.selecting import SIGHTING, Where, answers, at_rows

_MORE = 8
_FEW = 50_000
"""Values of a host or a sensor that are looked up, instead of all being asked whether they are."""
_KEY = "xxHash64(concat(field, '\\0', value))"
"""A set of these is a tenth of a set of fields and values; two are equal once in 10**11 times."""
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
    table = f"{backend.database}.sightings"
    if wanted.until:
        where.add(
            f"{_KEY} GLOBAL IN (SELECT {_KEY} FROM {table} WHERE {where}"
            " AND tupleElement(earliest, 'first_seen') < {until:DateTime64(6, 'UTC')})",
            until=wanted.until,
        )
    if not (wanted.host or wanted.sensor):
        yield from _chosen(backend, wanted, where, table)
        return
    ends = _ends(wanted)
    shown = f"{backend.database}.observations WHERE {ends}"
    few = f"SELECT DISTINCT field, value FROM {shown} LIMIT {_FEW + 1}"
    keys = backend.query(few, ends.parameters)
    if keys.num_rows <= _FEW:
        with at_rows(backend, keys, "sightings") as source:
            yield from _chosen(backend, wanted, where, f"({source})", is_small=True)
    else:
        where.add(f"{_KEY} GLOBAL IN (SELECT {_KEY} FROM {shown})", **ends.parameters)
        yield from _chosen(backend, wanted, where, table)


def _chosen(
    backend: Backend, wanted: Wanted, where: Where, source: str, *, is_small: bool = False
) -> Iterator[Sighting]:
    """Yield what is wanted of the rows of a table or a SELECT."""
    if not wanted.limit:
        yield from _grouped(backend, wanted, source, where)
        return
    if wanted.since:
        where.add("s.last_seen >= {since:DateTime64(6, 'UTC')}", since=wanted.since)
    limit = int(wanted.limit)
    if is_small:
        keys = _last(backend, where, source, limit)
    else:
        keys = _latest(backend, where, source, limit)
    with at_rows(backend, keys.select(["field", "value"]), "sightings") as latest:
        yield from _grouped(backend, wanted, f"({latest})")


def _ends(wanted: Wanted) -> Where:
    """Return what is asked of the observations of a value."""
    ends = Where(wanted)
    if wanted.host:
        ends.add("(client = {host:String} OR server = {host:String})", host=wanted.host)
    if wanted.sensor:
        ends.add("sensor = {sensor:String}", sensor=wanted.sensor)
    return ends


def _grouped(
    backend: Backend, wanted: Wanted, source: str, where: Where | None = None
) -> Iterator[Sighting]:
    having = ["1"]
    parameters = dict(where.parameters) if where else {}
    if wanted.since:
        having.append("last_seen >= {since:DateTime64(6, 'UTC')}")
        parameters["since"] = wanted.since
    if wanted.until:
        having.append("first_seen < {until:DateTime64(6, 'UTC')}")
        parameters["until"] = wanted.until
    limit = f" LIMIT {int(wanted.limit)}" if wanted.limit else ""
    sql = (
        f"SELECT {SIGHTING} FROM {source} AS s WHERE {where or 1}"
        f" GROUP BY field, value HAVING {' AND '.join(having)} {_ORDER}{limit} {_FRUGAL}"
    )
    yield from answers(backend, sql, parameters)


def _latest(backend: Backend, where: Where, source: str, limit: int) -> pa.Table:
    """Return fields and values that were seen last, at most so many, of a large table.

    A value may have several rows that are not merged yet; the one that was seen last decides. So
    it is enough to group the rows that were seen last, if they are of enough values.
    """
    more = _MORE
    while True:
        edge = backend.query(
            f"SELECT s.last_seen AS edge FROM {source} AS s WHERE {where} ORDER BY edge DESC"
            f" LIMIT 1 OFFSET {limit * more}",
            where.parameters,
        ).column("edge")
        keys = _last(backend, where, source, limit, edge[0].as_py() if len(edge) else None)
        if keys.num_rows == limit or not len(edge):
            return keys
        more *= _MORE


def _last(
    backend: Backend, where: Where, source: str, limit: int, edge: datetime | None = None
) -> pa.Table:
    """Return fields and values that were seen last, by the rows from the edge on."""
    recent, parameters = str(where), dict(where.parameters)
    if edge:
        recent += " AND s.last_seen >= {edge:DateTime64(6, 'UTC')}"
        parameters["edge"] = edge
    return backend.query(
        f"SELECT field, value, max(s.last_seen) AS last_seen FROM {source} AS s WHERE {recent}"
        f" GROUP BY field, value {_ORDER} LIMIT {limit} {_FRUGAL}",
        parameters,
    )
