"""Any number of indicators against everything that was ever seen: joins in the engine."""

# ruff: noqa: S608 - all names are ours; values are in scratch tables

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from itertools import islice
from typing import Any

import pyarrow as pa

from vedette.model import Key
from vedette.pool.backend import Backend
from vedette.pool.joins import ASSET, Asked, branches, gathered, scratch_rows
from vedette.pool.records import Found, Prevalence

KEYS_AT_ONCE = 1_000_000
_FOUND_AT_ONCE = 100_000


def found(backend: Backend, keys: Iterable[Key]) -> Iterator[Found]:
    """Yield which indicators the network has met, sorted by type and indicator.

    A million are one join; more are several.

    Raises:
        PoolError: The engine failed.
    """
    left = iter(keys)
    while (gotten := gathered(left, KEYS_AT_ONCE))[0].num_rows:
        yield from _found(backend, *gotten)


def _found(backend: Backend, rows: pa.Table, asked: Asked) -> Iterator[Found]:
    source = f"{backend.database}.sightings WHERE 1"
    with backend.scratch(rows) as scratch:
        parts = branches(source, "field, value, earliest, last_seen, count", scratch, asked)
        union = "\nUNION ALL\n".join(parts)
        if not union:
            return
        table = backend.query(
            "SELECT type, indicator, match, field, value, min(u.earliest) AS first,"
            " tupleElement(first, 'first_seen') AS first_seen,"
            " tupleElement(first, 'client') AS client, tupleElement(first, 'server') AS server,"
            f" tupleElement(first, 'sensor') AS sensor, {ASSET} AS patient_zero,"
            " max(u.last_seen) AS last_seen, sum(u.count) AS count"
            f" FROM (\n{union}\n) AS u GROUP BY type, indicator, match, field, value"
            " ORDER BY type, indicator, first_seen, field, value"
        )
    for start in range(0, table.num_rows, _FOUND_AT_ONCE):
        part = table.slice(start, _FOUND_AT_ONCE)
        hosts = hosts_of(backend, part)
        for row in part.to_pylist():
            yield Found(
                type=row["type"],
                indicator=row["indicator"],
                field=row["field"],
                observed=row["value"],
                match=row["match"],
                first_seen=row["first_seen"],
                last_seen=row["last_seen"],
                count=row["count"],
                patient_zero=row["patient_zero"],
                client=row["client"],
                server=row["server"],
                sensor=row["sensor"],
                hosts=hosts.get((row["field"], row["value"]), 0),
            )


def hosts_of(backend: Backend, rows: pa.Table) -> dict[tuple[str, str], int]:
    """Count the hosts on our end, within the retention, for the fields and values of some rows."""
    if not rows.num_rows:
        return {}
    fields = sorted(set(rows["field"].to_pylist()))
    with backend.scratch(rows.select(["field", "value"])) as scratch:
        union = "\nUNION ALL\n".join(
            f"SELECT field, value, {ASSET} AS host FROM {backend.database}.observations"
            f" WHERE field = '{field}' AND value GLOBAL IN"
            f" (SELECT value FROM {scratch} WHERE field = '{field}')"
            for field in fields
        )
        table = backend.query(
            f"SELECT field, value, uniqExact(host) AS hosts FROM (\n{union}\n)"
            " GROUP BY field, value"
        )
    columns = (table[name].to_pylist() for name in ("field", "value", "hosts"))
    return {(field, value): hosts for field, value, hosts in zip(*columns, strict=True)}


def prevalence(backend: Backend, keys: Iterable[Key], *, since: date) -> Iterator[Prevalence]:
    """Yield how common each candidate is, in the order in which they were given.

    A million are one query over the observations and one over the sightings.

    Args:
        backend: The engine.
        keys: The candidates.
        since: First day of the window.

    Raises:
        PoolError: The engine failed.
    """
    left = iter(keys)
    while chunk := list(islice(left, KEYS_AT_ONCE)):
        yield from _prevalence(backend, chunk, since)


def _prevalence(backend: Backend, keys: list[Key], since: date) -> Iterator[Prevalence]:
    rows, asked = scratch_rows(keys)
    days: dict[tuple[str, str], tuple[int, int, int]] = {}
    first: dict[tuple[str, str], datetime] = {}
    with backend.scratch(rows) as scratch:
        source = f"{backend.database}.observations WHERE day >= toDate('{since.isoformat()}')"
        columns = "field, value, client, server, day, count"
        if union := "\nUNION ALL\n".join(branches(source, columns, scratch, asked)):
            table = backend.query(
                f"SELECT type, indicator, uniqExact({ASSET}) AS hosts, sum(u.count) AS count,"
                f" uniqExact(day) AS days FROM (\n{union}\n) AS u GROUP BY type, indicator"
            )
            for row in _rows(table):
                days[row["type"], row["indicator"]] = row["hosts"], row["count"], row["days"]
        source = f"{backend.database}.sightings WHERE 1"
        if union := "\nUNION ALL\n".join(branches(source, "earliest", scratch, asked)):
            table = backend.query(
                "SELECT type, indicator, tupleElement(min(u.earliest), 'first_seen') AS first"
                f" FROM (\n{union}\n) AS u GROUP BY type, indicator"
            )
            for row in _rows(table):
                first[row["type"], row["indicator"]] = row["first"]
    for kind, value in keys:
        key = kind.value, value
        hosts, count, seen_days = days.get(key, (0, 0, 0))
        yield Prevalence(
            type=kind.value,
            value=value,
            hosts=hosts,
            count=count,
            days=seen_days,
            first_seen=first.get(key),
        )


def _rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    for batch in table.to_batches(max_chunksize=_FOUND_AT_ONCE):
        yield from batch.to_pylist()
