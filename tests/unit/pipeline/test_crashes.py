"""kill -9 at random instants of an ingest: afterwards the memory is as if nothing had happened.

``VEDETTE_KILLS=200`` makes it that many instants (default 30), ``VEDETTE_KILLS_SEED`` others.
"""

from __future__ import annotations

import gzip
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).resolve().parents[3]
KILLS = int(os.environ.get("VEDETTE_KILLS", "30"))
SEED = int(os.environ.get("VEDETTE_KILLS_SEED", "1"))
SETTINGS = '[pool]\nbatch_rows = 1000\nworkers = 2\ncommit_every = "1s"\n'
TABLES = ("sightings", "observations", "new_sightings", "coverage")
WITHOUT = {"new_sightings": ["found_at", "first_seen", "client", "server"]}
"""What depends on where batches begin: when a value was found, and what its batch knew of it."""

Memory = Mapping[str, Any]


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two plain files, two packed ones, and a copy of one of them."""
    path = tmp_path_factory.mktemp("logs")
    whole = path / "whole"
    shape = ["--events", "40000", "--names", "2000", "--hosts", "200", "--days", "3"]
    command = [sys.executable, "-m", "bench.eve", *shape, "--out", str(whole)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    data = whole.read_bytes()
    whole.unlink()
    cuts = [data.index(b"\n", part * len(data) // 4) + 1 for part in (1, 2, 3)]
    parts = [data[start:end] for start, end in pairwise([0, *cuts, len(data)])]
    (path / "eve.json").write_bytes(parts[3] + b'{"timestamp":"2026')
    (path / "eve.json.1").write_bytes(parts[2] + b"{broken\n")
    (path / "eve.json.2.gz").write_bytes(gzip.compress(parts[1]))
    (path / "eve.json.3.gz").write_bytes(gzip.compress(parts[0]))
    (path / "eve-copy.json").write_bytes(parts[1])
    return path


def log_of(home: Path) -> Path:
    return home.parent / f"{home.name}.log"  # not on the disk that fills up


def vedette(home: Path, *words: str | Path) -> subprocess.Popen[bytes]:
    with log_of(home).open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "vedette", *map(str, words)], cwd=home, stdout=log, stderr=log
        )


def ingest(home: Path, logs: Path) -> subprocess.Popen[bytes]:
    return vedette(home, "pool", "ingest", logs, "--sensor", "north")


def new_home(directory: Path) -> Path:
    directory.mkdir()
    (directory / "vedette.toml").write_text(SETTINGS)
    return directory


def memory(home: Path) -> Memory:
    """Everything that an ingest leaves behind."""
    export = vedette(home, "pool", "export", home / "export")
    assert export.wait(120) == 0, log_of(home).read_text()
    found: dict[str, Any] = {}
    for table in TABLES:
        rows = pq.read_table(home / "export" / f"{table}.parquet")
        rows = rows.drop_columns(WITHOUT.get(table, []))
        order = [(name, "ascending") for name in rows.column_names]
        found[table] = rows.sort_by(order).to_pylist()
    with closing(sqlite3.connect(home / "state/vedette.db")) as db:
        counters = db.execute("SELECT name, sum(n) FROM pool_counter GROUP BY name").fetchall()
        files = db.execute(
            "SELECT head, max(json_extract(bookmark, '$.offset')) FROM pool_file GROUP BY head"
        ).fetchall()
    found["counters"], found["files"] = dict(counters), sorted(files)
    found["spool"] = sorted(path.name for path in (home / "state/pool/spool").glob("*.batch"))
    return found


def children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task")
    try:
        texts = [(task / "children").read_text() for task in tasks.iterdir()]
    except OSError:
        return []
    return [int(word) for text in texts for word in text.split()]


def kill(process: subprocess.Popen[bytes], victim: str) -> None:
    """Kill the owner of the store, its readers, or all of them."""
    readers = children(process.pid)
    victims = {"owner": [process.pid], "readers": readers, "all": [process.pid, *readers]}
    for pid in victims[victim]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def await_batch(home: Path, process: subprocess.Popen[bytes]) -> None:
    """Return when the run has begun to spool, or is over."""
    while process.poll() is None and not list((home / "state/pool/spool").glob("*.batch")):
        time.sleep(0.01)


def finish(home: Path, logs: Path) -> None:
    done = ingest(home, logs)
    assert done.wait(120) == 0, log_of(home).read_text()[-3000:]


@pytest.mark.timeout(120 + 30 * KILLS)
def test_after_any_kill_all_is_as_in_an_undisturbed_run(tmp_path: Path, logs: Path) -> None:
    chance = random.Random(SEED)
    calm = new_home(tmp_path / "calm")
    process = ingest(calm, logs)
    await_batch(calm, process)
    began = time.monotonic()
    assert process.wait(120) == 0, log_of(calm).read_text()
    busy_s = time.monotonic() - began
    expected = memory(calm)
    assert expected["spool"] == []
    assert expected["counters"]["lines"] == 40_001
    assert sum(row["count"] for row in expected["sightings"]) > 100_000

    kills = rounds = 0
    while kills < KILLS:
        rounds += 1
        home = new_home(tmp_path / f"round-{rounds}")
        while kills < KILLS:
            process = ingest(home, logs)
            if chance.random() < 0.8:
                await_batch(home, process)
            try:
                # Well before its end: what is left is for the next ones.
                process.wait(chance.random() * 0.4 * busy_s)
            except subprocess.TimeoutExpired:
                kill(process, chance.choice(["owner", "readers", "all"]))
                kills += 1
                process.wait(60)
            if process.returncode == 0:
                break
        finish(home, logs)
        found = memory(home)
        for part, value in expected.items():
            assert found[part] == value, f"{part} in round {rounds} (VEDETTE_KILLS_SEED={SEED})"
        shutil.rmtree(home)
    print(f"{kills} kills in {rounds} rounds of {busy_s:.1f} s")


def complaints(home: Path) -> list[str]:
    lines = log_of(home).read_text().splitlines()
    return [line for line in lines if "spool.failed" in line or "pool.not_committed" in line]


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[None]:
    """A file system of its own, where that is allowed."""
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode != 0:
        pytest.skip("only root may mount a small file system")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_disk_that_fills_up_is_waited_for(tmp_path: Path, logs: Path) -> None:
    calm = new_home(tmp_path / "calm")
    finish(calm, logs)
    expected = memory(calm)
    home = tmp_path / "small"
    with small_disk(home, "400m"):
        (home / "vedette.toml").write_text(SETTINGS)
        assert vedette(home, "pool", "status").wait(60) == 0
        filler = home / "filler"
        free = shutil.disk_usage(home).free - (1 << 20)
        filler.write_bytes(b"x" * free)
        process = ingest(home, logs)
        try:
            wait_for_room(home, process, filler)
        finally:
            process.kill()
            process.wait()
        found = memory(home)
    assert found == expected


def wait_for_room(home: Path, process: subprocess.Popen[bytes], filler: Path) -> None:
    deadline = time.monotonic() + 60
    while not complaints(home):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(1)
    filler.unlink()
    assert process.wait(60) == 0, log_of(home).read_text()[-3000:]
