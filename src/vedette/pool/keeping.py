"""How much of the past is kept: coverage, sizes, and dropping what the retention does not keep."""

# ruff: noqa: S608 - all names are ours

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import numpy as np
import structlog
from msgspec import Struct

from vedette.pool.backend import Backend
from vedette.pool.records import Coverage, Expired, Gap, SensorCoverage, TableSize
from vedette.pool.schema import TABLES

log = structlog.get_logger(__name__)

_GAPS_SHOWN = 20
_STRAY = 0.001
"""Share of all events that may be too early without making the learning period begin."""
_HOUR = timedelta(hours=1)
_HOUR_S = 3_600
_AHEAD = timedelta(days=1)
"""Clocks may differ by this much."""
_WEEK = timedelta(days=7)


class _Partition(Struct, frozen=True):
    week: date
    rows: int
    bytes: int


def coverage(backend: Backend, learning: timedelta) -> Coverage:
    """Say how much of the past the pool has.

    Raises:
        PoolError: The engine failed.
    """
    # An event of a wrong clock must not hide that a sensor has fallen silent.
    table = backend.query(
        "SELECT sensor, sumIf(c.events, c.hour > {until:DateTime64(6, 'UTC')}) AS ahead,"
        " sum(c.events) AS events, min(c.first_seen) AS first_seen,"
        " if(ahead = events, max(c.last_seen),"
        " maxIf(c.last_seen, c.hour <= {until:DateTime64(6, 'UTC')})) AS last_seen,"
        " arraySort(groupUniqArrayIf(toUnixTimestamp(hour),"
        " c.hour <= {until:DateTime64(6, 'UTC')})) AS hours"
        f" FROM {backend.database}.coverage AS c GROUP BY sensor ORDER BY sensor",
        {"until": datetime.now(UTC) + _AHEAD},
    )
    sensors = tuple(_sensor(**row) for row in table.to_pylist())
    since = _start(backend) if sensors else None
    days = backend.query(
        f"SELECT count() AS n, min(day) AS day FROM {backend.database}.observations"
    ).to_pylist()[0]
    return Coverage(
        at=datetime.now(UTC),
        sensors=sensors,
        observations_since=days["day"] if days["n"] else None,
        learning_until=since + learning if since else None,
    )


def _start(backend: Backend) -> datetime:
    """Return the hour from which on there is traffic: a few events of a clock at 1970 are none."""
    table = backend.query(
        "SELECT toUnixTimestamp(hour) AS at, sum(c.events) AS events"
        f" FROM {backend.database}.coverage AS c GROUP BY at ORDER BY at"
    )
    events = np.cumsum(table.column("events").to_numpy())
    first = int(np.searchsorted(events, events[-1] * _STRAY, side="right"))
    return datetime.fromtimestamp(table.column("at")[first].as_py(), UTC)


def _sensor(
    *,
    sensor: str,
    first_seen: datetime,
    last_seen: datetime,
    events: int,
    hours: Sequence[int],
    ahead: int,
) -> SensorCoverage:
    gaps = list(_gaps(hours))
    return SensorCoverage(
        sensor=sensor,
        first_seen=first_seen,
        last_seen=last_seen,
        events=events,
        hours=len(hours),
        gaps=tuple(sorted(gaps, key=lambda gap: gap.since - gap.until)[:_GAPS_SHOWN]),
        gap_hours=sum((gap.until - gap.since) // _HOUR for gap in gaps),
        ahead=ahead,
    )


def _gaps(hours: Sequence[int]) -> Iterator[Gap]:
    for one, next_one in pairwise(hours):
        if next_one - one > _HOUR_S:
            since = datetime.fromtimestamp(one + _HOUR_S, UTC)
            yield Gap(since=since, until=datetime.fromtimestamp(next_one, UTC))


def sizes(backend: Backend, cluster: str = "") -> tuple[TableSize, ...]:
    """Return what each table takes, on all shards and replicas.

    Raises:
        PoolError: The engine failed.
    """
    parts = f"clusterAllReplicas('{cluster}', system.parts)" if cluster else "system.parts"
    table = backend.query(
        "SELECT replaceRegexpOne(table, '_local$', '') AS name, sum(rows) AS rows,"
        f" sum(bytes_on_disk) AS bytes, count() AS parts FROM {parts}"
        " WHERE active AND database = {database:String} GROUP BY name",
        {"database": backend.database},
    )
    found = {row.pop("name"): row for row in table.to_pylist()}
    empty = {"rows": 0, "bytes": 0, "parts": 0}
    return tuple(TableSize(table=name, **found.get(name, empty)) for name in TABLES)


def expire(
    backend: Backend,
    *,
    retention: timedelta,
    retention_bytes: int = 0,
    cluster: str = "",
    today: date | None = None,
) -> Expired:
    """Drop the days of observations that are older than the retention, or over its bytes.

    Whole weeks go at once, which costs nothing; the days of a week of which a part stays are
    rewritten by the engine in its own time. Nobody has to wait. The newest day always stays.

    Raises:
        PoolError: The engine failed.
    """
    today = today or datetime.now(UTC).date()
    weeks = _partitions(backend, cluster)
    cut = today - retention
    if retention_bytes:
        # A clock in the future shall not make all that is real look old.
        usual = [one for one in weeks if one.week <= today]
        cut = max(cut, _cut_for_bytes(backend, usual, retention_bytes))
    suffix, on_cluster = ("_local", f" ON CLUSTER {cluster}") if cluster else ("", "")
    alter = f"ALTER TABLE {backend.database}.observations{suffix}{on_cluster}"
    whole = [one for one in weeks if one.week + _WEEK <= cut]
    for one in whole:
        backend.command(f"{alter} DROP PARTITION '{one.week.isoformat()}'")
    begun = [one for one in weeks if one.week < cut < one.week + _WEEK]
    begun = [part for one in begun if (part := _part_before(backend, one, cut)).rows]
    for one in begun:
        backend.command(
            f"{alter} DELETE IN PARTITION '{one.week.isoformat()}'"
            f" WHERE day < toDate('{cut.isoformat()}')"
        )
    expired = Expired(
        partitions=tuple(one.week.isoformat() for one in whole),
        rows=sum(one.rows for one in (*whole, *begun)),
        bytes=sum(one.bytes for one in (*whole, *begun)),
    )
    if expired.rows:
        log.info("pool.expired", before=cut.isoformat(), rows=expired.rows, bytes=expired.bytes)
    return expired


def _cut_for_bytes(backend: Backend, weeks: Sequence[_Partition], limit: int) -> date:
    """Return the first day that may stay, so that all that stays fits."""
    left = sum(one.bytes for one in weeks)
    for one in weeks:
        if left <= limit:
            return one.week
        if one is weeks[-1]:
            return _cut_in_week(backend, one, limit)
        left -= one.bytes
    return date.min


def _cut_in_week(backend: Backend, week: _Partition, limit: int) -> date:
    """Return the first day of the last week that may stay: at least its last one does."""
    days = backend.query(
        f"SELECT day, count() AS n FROM {backend.database}.observations"
        f" WHERE toMonday(day) = toDate('{week.week.isoformat()}') GROUP BY day ORDER BY day DESC"
    ).to_pylist()
    cut = days[0]["day"] if days else week.week
    kept = 0.0
    for row in days:
        kept += week.bytes * row["n"] / max(week.rows, 1)
        if kept > limit:
            break
        cut = row["day"]
    found: date = cut
    return found


def _part_before(backend: Backend, week: _Partition, cut: date) -> _Partition:
    """Return how much of a week is older than a day."""
    rows: int = (
        backend.query(
            f"SELECT count() AS n FROM {backend.database}.observations"
            f" WHERE toMonday(day) = toDate('{week.week.isoformat()}')"
            f" AND day < toDate('{cut.isoformat()}')"
        )
        .column("n")[0]
        .as_py()
    )
    return _Partition(week.week, rows, week.bytes * rows // max(week.rows, 1))


def _partitions(backend: Backend, cluster: str) -> list[_Partition]:
    parts = f"cluster('{cluster}', system.parts)" if cluster else "system.parts"
    table = backend.query(
        f"SELECT partition, sum(rows) AS rows, sum(bytes_on_disk) AS bytes FROM {parts}"
        " WHERE active AND database = {database:String} AND table IN ('observations',"
        " 'observations_local') GROUP BY partition ORDER BY partition",
        {"database": backend.database},
    )
    return list(_read(table.to_pylist()))


def _read(rows: Iterable[dict[str, object]]) -> Iterator[_Partition]:
    for row in rows:
        week = date.fromisoformat(str(row["partition"]))
        yield _Partition(week, int(str(row["rows"])), int(str(row["bytes"])))
