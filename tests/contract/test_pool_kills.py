"""kill -9 of whoever commits, and of the server, between and within the inserts of a batch.

The next process repeats the batch that nobody said was committed, as the spool does; then
everything must be there once. Both engines.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vedette.testing.clickhouse_node import ClickHouseNode

COMMITTER = """
import os, signal, sys
import structlog
from datetime import UTC, datetime, timedelta
from vedette.config import PoolSettings, Settings
from vedette.errors import PoolError
from vedette.pool.store import Pool
from vedette.testing.plain_pool import Seen, fold

structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
state, store, first, last, dies_after = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
pool = Pool.open(Settings(home=state, pool=PoolSettings(store=store, learning="1d")))
inserts = 0
insert = pool.backend.insert

def dying(*args, **named):
    global inserts
    if number == last and inserts == dies_after:
        os.kill(os.getpid(), signal.SIGKILL)
    insert(*args, **named)
    inserts += 1

pool.backend.insert = dying
for number in range(first, last + 1):
    inserts = 0
    start = datetime(2026, 11, 2, tzinfo=UTC) + timedelta(days=number)
    # Half of the values are new in each batch.
    names = [f"n{k}.example" for k in range(number * 500, number * 500 + 1_000)]
    batch = fold(Seen("dns.query", name, start, f"10.0.0.{number}") for name in names)
    pool.commit(batch, sensor="s1", token=f"s1:{number}")
    print(number, flush=True)
if number == last and inserts == dies_after:
    os.kill(os.getpid(), signal.SIGKILL)
"""

SUMMARY = """
import json, sys
import structlog
from vedette.config import PoolSettings, Settings
from vedette.pool.records import Place, Wanted
from vedette.pool.store import Pool

structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
pool = Pool.open(Settings(home=sys.argv[1], pool=PoolSettings(store=sys.argv[2], learning="1d")))
places = [Place("dns.query", "example", True)]
seen, who = pool.seen(places), pool.who(places)
new = [one.value for one in pool.new(Wanted(learning=True, limit=0))]
print(json.dumps({
    "values": len(seen), "sightings": sum(one.count for one in seen), "known": pool.known,
    "observations": sum(one.count for one in who), "who": len(who),
    "new": len(new), "distinct": len(set(new)),
    "events": sum(one.events for one in pool.coverage().sensors),
    "twice": sum(one.count == 2 for one in seen),
}))
"""


def expected(batches: int) -> dict[str, int]:
    values = 500 * (batches + 1)
    everything = {
        **dict.fromkeys(("values", "known", "new", "distinct"), values),
        **dict.fromkeys(("sightings", "observations", "who", "events"), 1_000 * batches),
    }
    return {**everything, "twice": 500 * (batches - 1)}


@pytest.fixture(params=["embedded", "remote"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give what [pool] store says."""
    if request.param == "embedded":
        yield ""
        return
    with ClickHouseNode(tmp_path / "clickhouse") as node:
        yield f"{node.url}/vedette"


def start(state: Path, store: str, *numbers: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", COMMITTER, str(state), store, *map(str, numbers)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )


def summary(state: Path, store: str) -> dict[str, Any]:
    command = [sys.executable, "-c", SUMMARY, str(state), store]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_kill_between_two_inserts_costs_nothing_and_counts_nothing_twice(
    tmp_path: Path, store: str
) -> None:
    # Of a batch, four tables are written; each process begins with the batch that was cut short.
    for number, dies_after in enumerate([0, 1, 2, 3, 4], start=1):
        with start(tmp_path, store, number - 1, number, dies_after) as committer:
            out, err = committer.communicate()
        assert committer.returncode == -9, err
        assert out.split()[0] == str(number - 1)
    with start(tmp_path, store, 5, 6, -1) as committer:
        committer.communicate()
    assert committer.returncode == 0
    assert summary(tmp_path, store) == expected(7)


def test_kills_at_any_moment_cost_nothing_and_count_nothing_twice(
    tmp_path: Path, store: str
) -> None:
    rng = random.Random(1)
    done = -1
    for _ in range(4):
        with start(tmp_path, store, done + 1, done + 40, -1) as committer:
            assert committer.stdout is not None
            line = committer.stdout.readline()
            time.sleep(rng.random() * 0.2)
            committer.kill()
            done = int((line + committer.stdout.read()).split()[-1])
    with start(tmp_path, store, done + 1, done + 2, -1) as committer:
        committer.communicate()
    assert summary(tmp_path, store) == expected(done + 3)


def test_a_server_that_is_killed_while_it_writes_has_all_once_when_it_is_back(
    tmp_path: Path,
) -> None:
    rng = random.Random(2)
    with ClickHouseNode(tmp_path / "clickhouse") as node:
        store = f"{node.url}/vedette"
        with start(tmp_path, store, 0, 24, -1) as committer:
            assert committer.stdout is not None
            for _ in range(4):
                assert committer.stdout.readline()
                time.sleep(rng.random() * 0.1)
                node.kill()
                node.start()
            out, err = committer.communicate()
        assert committer.returncode == 0, err
        assert out.split()[-1] == "24"
        assert summary(tmp_path, store) == expected(25)
