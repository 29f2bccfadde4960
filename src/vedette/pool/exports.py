"""Whole tables, merged and in the order of their key, in pieces of bounded size."""

# ruff: noqa: S608 - the names of tables are ours, everything else is a parameter

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pyarrow as pa

from vedette.errors import UsageError
from vedette.pool.backend import Backend

PIECE = 250_000
"""Rows of a piece; more only where one value alone has more."""

_SIGHTING = "field, value"
_OBSERVATION = "field, value, client, server, sensor, day"
_EARLIEST = ("first_seen", "client", "server", "sensor")
_COLUMNS = {
    "sightings": [
        _SIGHTING,
        *(f"tupleElement(min(t.earliest), {n}) AS {name}" for n, name in enumerate(_EARLIEST, 1)),
        "max(t.last_seen) AS last_seen",
        "sum(t.count) AS count",
    ],
    "observations": [
        _OBSERVATION,
        "min(t.first_seen) AS first_seen",
        "max(t.last_seen) AS last_seen",
        "sum(t.count) AS count",
        "max(t.flow_id) AS flow_id",
    ],
}


def pieces(backend: Backend, table: str) -> Iterator[pa.RecordBatch]:
    """Yield all rows of a table; of an empty one a batch without rows, which has its columns.

    Every row is there once, also while others write: what comes in meanwhile may be there or not.

    Raises:
        UsageError: There is no such table.
        PoolError: The engine failed.
    """
    if table in _COLUMNS:
        parts = _by_value(backend, table)
    elif table == "new_sightings":
        parts = _by_time(backend)
    elif table == "coverage":
        parts = iter((_coverage(backend),))
    else:
        raise UsageError(f"the memory has no table '{table}'")
    for part in parts:
        yield from part.combine_chunks().to_batches() or [_empty(part.schema)]


def _empty(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([], schema=schema)


def _by_value(backend: Backend, table: str) -> Iterator[pa.Table]:
    """Yield pieces from value to value: all rows of a value are in one piece."""
    columns, key = ", ".join(_COLUMNS[table]), _COLUMNS[table][0]
    source = f"{backend.database}.{table} AS t"
    fields = backend.query(f"SELECT DISTINCT field FROM {source} ORDER BY field")
    for field in fields.column("field").to_pylist() or [""]:
        low, is_last = "", False
        while not is_last:
            at = {"field": field, "low": low}
            edge = backend.query(
                f"SELECT value FROM {source} WHERE field = {{field:String}}"
                f" AND value > {{low:String}} ORDER BY value LIMIT 1 OFFSET {PIECE - 1}",
                at,
            ).column("value")
            is_last = len(edge) == 0
            high = "" if is_last else edge[0].as_py()
            yield backend.query(
                f"SELECT {columns} FROM {source} WHERE field = {{field:String}}"
                " AND value > {low:String} AND ({high:String} = '' OR value <= {high:String})"
                f" GROUP BY {key} ORDER BY {key}",
                {**at, "high": high},
            )
            low = high


def _by_time(backend: Backend) -> Iterator[pa.Table]:
    key = "found_at, field, value"
    at: tuple[datetime, str, str] = (datetime(1970, 1, 1, tzinfo=UTC), "", "")
    while True:
        part = backend.query(
            f"SELECT {key}, first_seen, client, server, sensor"
            f" FROM {backend.database}.new_sightings"
            " WHERE found_at >= {at:DateTime64(6, 'UTC')} AND (found_at, field, value) >"
            " ({at:DateTime64(6, 'UTC')}, {field:String}, {value:String})"
            f" ORDER BY {key} LIMIT {PIECE}",
            {"at": at[0], "field": at[1], "value": at[2]},
        )
        yield part
        if part.num_rows < PIECE:
            return
        last = part.slice(part.num_rows - 1).to_pylist()[0]
        at = (last["found_at"], last["field"], last["value"])


def _coverage(backend: Backend) -> pa.Table:
    table = backend.query(
        "SELECT sensor, toDateTime64(c.hour, 0, 'UTC') AS at, min(c.first_seen) AS first_seen,"
        " max(c.last_seen) AS last_seen, sum(c.events) AS events"
        f" FROM {backend.database}.coverage AS c GROUP BY sensor, at ORDER BY sensor, at"
    )
    return table.rename_columns(["sensor", "hour", "first_seen", "last_seen", "events"])
