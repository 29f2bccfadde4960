"""A pool in a process of its own: filled, or asked. ``python -m bench.asked fill|ask STATE KEYS``.

The engine takes one directory for each process, and memory is only told apart by process. Prints
JSON: of each question its milliseconds, how much was answered, and the memory so far.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from bench import indicators
from bench.eve import START_S
from bench.pools import open_pool, rss_mib, settle
from bench.stores import Rows, batches
from vedette.model import Key
from vedette.pool import hunting, questions
from vedette.pool.keeping import sizes
from vedette.pool.known import Known
from vedette.pool.records import Place
from vedette.pool.store import Pool

Question = tuple[str, Callable[[], int]]

_BATCH_NEW, _BATCH_ROWS = 4_000, 30_000  # of 10,000 events


def fill(state: Path, rows: Rows) -> dict[str, float]:
    """Commit batches, and wait until the engine has merged what it wants to merge."""
    with open_pool(state) as pool:
        spent = events = 0.0
        for number, folded in enumerate(batches(rows, indicators.made())):
            began = time.perf_counter()
            pool.commit(folded, sensor="bench", token=f"fill:{number}")
            spent += time.perf_counter() - began
            events += folded.counts["events"]
        settle(pool)
        found: dict[str, float] = {"commit_s": spent, "events": events, "keys": pool.known}
        for size in sizes(pool.backend):
            found[f"{size.table}.rows"] = size.rows
            found[f"{size.table}.bytes"] = size.bytes
    return found | {"rss_mib": rss_mib()}


def ask(given: argparse.Namespace) -> dict[str, Any]:
    """Ask everything, each question some times."""
    began = time.perf_counter()
    with open_pool(given.state) as pool:
        opened_ms = (time.perf_counter() - began) * 1000
        found = {"open": {"ms": [opened_ms], "answers": pool.known, "rss_mib": rss_mib()}}
        asked = chain(_hunts(pool, given.keys, given.indicators), _values(pool, given.keys))
        if given.naive:
            asked = chain(asked, _naive(pool, given.keys, given.indicators))
        if given.commits:
            asked = chain(asked, _commits(pool, given.keys, given.commits))
        for name, question in asked:
            times: list[float] = []
            answers = 0
            for _ in range(given.commits if name in {"commit", "new"} else given.repeat):
                began = time.perf_counter()
                answers = question()
                times.append((time.perf_counter() - began) * 1000)
            found[name] = {"ms": times, "answers": answers, "rss_mib": rss_mib()}
    return found


def _hunts(pool: Pool, keys: int, count: int) -> Iterator[Question]:
    def hunt(wanted: list[Key]) -> Callable[[], int]:
        return lambda: sum(1 for _ in hunting.found(pool.backend, wanted))

    mixed = indicators.mixed(keys, count)
    yield "hunt exact", hunt(indicators.exact(keys, count))
    yield "hunt subdomains", hunt(indicators.domains(keys, count))
    yield "hunt mixed", hunt(mixed)
    yield "hunt networks", hunt(indicators.networks(count // 100))
    yield "hunt 1,000", hunt(mixed[:: max(1, len(mixed) // 1000)])
    since = datetime.fromtimestamp(START_S, UTC).date() + timedelta(days=30)

    def prevalent() -> int:
        return sum(1 for one in hunting.prevalence(pool.backend, mixed, since=since) if one.hosts)

    yield "prevalence", prevalent


def _values(pool: Pool, keys: int) -> Iterator[Question]:
    ways: Mapping[str, Callable[..., Any]] = {
        "one value": questions.seen,
        "who": questions.who,
        "days": questions.days,
    }
    for met, number in (("popular", 0), ("rare", keys * 3 // 4)):
        places = indicators.one_value(number)
        for name, way in ways.items():
            yield f"{name}, {met}", partial(_count, way, pool, places)


def _count(way: Callable[..., Any], pool: Pool, places: Sequence[Place]) -> int:
    return len(way(pool.backend, places))


def _naive(pool: Pool, keys: int, count: int) -> Iterator[Question]:
    """What one would write first: the same exact hunt in one statement, and without hosts."""
    wanted = indicators.places(keys, count)
    select = (
        "SELECT count() AS n FROM (SELECT field, value, min(earliest), max(last_seen), sum(count)"
        f" FROM {pool.backend.database}.sightings AS s"
    )
    ways = {
        "naive: tuple IN": "WHERE (field, value) IN (SELECT field, value FROM {})",
        "naive: semi join": "SEMI LEFT JOIN {} AS w USING (field, value)",
    }
    for name, way in ways.items():
        sql = f"{select} {way} GROUP BY field, value)"
        yield name, partial(_counted, pool, sql, wanted)


def _commits(pool: Pool, keys: int, count: int) -> Iterator[Question]:
    """Batches of 10,000 events each, committed; and only which of their values are new."""
    rows = Rows(
        keys=keys + count * _BATCH_NEW,
        observations=count * _BATCH_ROWS,
        batches=count,
        first=keys,
    )
    made = list(batches(rows, indicators.made()))
    table = f"{pool.backend.database}.sightings"
    known = Known(
        pool.backend.query(f"SELECT xxHash64(concat(field, '\\0', value)) AS key FROM {table}")[
            "key"
        ].to_numpy()
    )
    detected, committed = iter(made), enumerate(made)

    def detect() -> int:
        found = next(detected).sightings["key"].to_numpy()
        new = known.are_new(found)
        known.add(found[new])
        return int(np.count_nonzero(new))

    def commit() -> int:
        number, folded = next(committed)
        return pool.commit(folded, sensor="bench", token=f"ask:{number}")

    sql = (
        "SELECT count() AS n FROM {0} WHERE (field, value) NOT IN (SELECT field, value"
        f" FROM {table} WHERE (field, value) IN (SELECT field, value FROM {{0}}))"
    )
    yield "new", detect
    wanted = made[0].sightings.select(["field", "value"])
    yield "new by SQL", partial(_counted, pool, sql, wanted)
    yield "commit", commit


def _counted(pool: Pool, sql: str, wanted: pa.Table) -> int:
    with pool.backend.scratch(wanted) as scratch:
        return int(pool.backend.query(sql.format(scratch))["n"][0].as_py())


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.asked")
    parser.add_argument("what", choices=("fill", "ask"))
    parser.add_argument("state", type=Path)
    parser.add_argument("keys", type=int)
    parser.add_argument("--observations", type=int, default=0)
    parser.add_argument("--batches", type=int, default=10)
    parser.add_argument("--indicators", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--naive", action="store_true")
    parser.add_argument("--commits", type=int, default=0, metavar="N")
    given = parser.parse_args()
    if given.what == "fill":
        rows = Rows(keys=given.keys, observations=given.observations, batches=given.batches)
        json.dump(fill(given.state, rows), sys.stdout)
    else:
        json.dump(ask(given), sys.stdout)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
