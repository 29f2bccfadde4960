"""What a worker spools under trouble: no room on the disk, rotation, others at the same files."""

from __future__ import annotations

import gzip
import queue
import resource
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import msgspec
import pytest
import structlog
from structlog.testing import capture_logs

from vedette.config import Settings
from vedette.observe import Folded
from vedette.pipeline import offers
from vedette.pipeline.committing import Committer
from vedette.pipeline.hub import Hub
from vedette.pipeline.ingesting import ingest
from vedette.pipeline.lock import exclusive
from vedette.pipeline.pooling import lock_path
from vedette.pipeline.workers import WorkerProcess


class PlainPool:
    """Counts DNS names; a token counts once."""

    def __init__(self) -> None:
        self.names: Counter[str] = Counter()
        self._tokens: set[str] = set()

    def commit(self, folded: Folded, *, sensor: str, token: str) -> int:
        assert sensor == "north"
        assert token not in self._tokens
        self._tokens.add(token)
        for row in folded.sightings.to_pylist():
            if row["field"] == "dns.query":
                self.names[row["value"]] += row["count"]
        return 0


def lines(first: int, last: int) -> bytes:
    return b"".join(
        b'{"timestamp":"2026-01-02T03:04:%02d.%06d+0000","flow_id":%d,"event_type":"dns",'
        b'"src_ip":"10.0.0.7","src_port":5353,"dest_ip":"9.9.9.9","dest_port":53,"proto":"UDP",'
        b'"dns":{"type":"query","rrname":"h%d.example.org","rrtype":"A","id":1}}\n'
        % (number % 60, number, number, number)
        for number in range(first, last)
    )


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    pool = {"batch_rows": 1000, "commit_every": "1s"}
    made = msgspec.convert({"home": str(tmp_path), "pool": pool}, Settings)
    made.pool_dir.mkdir(parents=True)
    return made


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    path = tmp_path / "logs"
    path.mkdir()
    return path


def wait(done: Callable[[], bool], timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Following:
    """A worker that follows a log, and somebody who commits."""

    def __init__(self, settings: Settings, eve: Path, pool: PlainPool) -> None:
        with Hub(settings) as hub:
            offer = offers.Offer(kind="follow", address=str(eve), place=str(eve))
            job = offers.job(settings, hub.store, offer, sensor="north", purpose="a test")
        self.worker = WorkerProcess(job, queue.SimpleQueue())
        self.committer = Committer(settings, pool)

    def __enter__(self) -> Self:
        self.committer.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.worker.stop()
        self.worker.wait()
        self.committer.__exit__()


@pytest.fixture
def unlimited() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def test_a_worker_without_room_waits_and_loses_nothing(
    settings: Settings, logs: Path, unlimited: None
) -> None:
    pool = PlainPool()
    eve = logs / "eve.json"
    with capture_logs() as captured, Following(settings, eve, pool) as following:
        eve.write_bytes(lines(0, 3000))
        wait(lambda: len(pool.names) == 3000)
        none, most = resource.prlimit(following.worker.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(following.worker.pid, resource.RLIMIT_FSIZE, (2000, most))
        with eve.open("ab") as file:
            file.write(lines(3000, 9000))
        wait(lambda: any(entry["event"] == "spool.failed" for entry in captured))
        assert not list((settings.pool_dir / "spool").glob(".*.tmp"))
        assert len(pool.names) == 3000
        resource.prlimit(following.worker.pid, resource.RLIMIT_FSIZE, (none, most))
        wait(lambda: len(pool.names) == 9000)
    assert set(pool.names.values()) == {1}
    events = [entry["event"] for entry in captured]
    assert events.count("spool.failed") == events.count("spool.recovered") == 1


def test_a_pool_that_somebody_removed_is_said_once_in_plain_words(
    settings: Settings, logs: Path, unlimited: None
) -> None:
    eve = logs / "eve.json"
    eve.write_bytes(lines(0, 100))
    pool = PlainPool()
    with capture_logs() as captured, Following(settings, eve, pool) as following:
        wait(lambda: len(pool.names) == 100)
        shutil.rmtree(settings.pool_dir)
        with eve.open("ab") as file:
            file.write(lines(100, 200))
        wait(lambda: following.worker.ended)
        time.sleep(2.5)
        assert "Traceback" not in following.worker.hint
        assert "removed" in following.worker.hint
    said = [one for one in captured if one["event"] == "pool.not_committed"]
    assert len([one for one in said if one["log_level"] == "error"]) == 1
    assert "stop Vedette and start it again" in said[0]["hint"]


def test_what_a_worker_gave_up_on_a_full_disk_is_read_again(
    settings: Settings, logs: Path, unlimited: None
) -> None:
    pool = PlainPool()
    eve = logs / "eve.json"
    with capture_logs() as captured, Following(settings, eve, pool) as following:
        eve.write_bytes(lines(0, 3000))
        wait(lambda: len(pool.names) == 3000)
        # There is room for a batch without rows, of which the last one was made.
        resource.prlimit(
            following.worker.pid, resource.RLIMIT_FSIZE, (8000, resource.RLIM_INFINITY)
        )
        with eve.open("ab") as file:
            file.write(lines(3000, 9000))
        wait(lambda: any(entry["event"] == "spool.failed" for entry in captured))
    assert "spool.given_up" in [entry["event"] for entry in captured]
    with Following(settings, eve, pool):
        wait(lambda: len(pool.names) == 9000)
    assert set(pool.names.values()) == {1}


def test_files_that_are_written_rotated_packed_and_offered_at_once_count_once(
    settings: Settings, logs: Path
) -> None:
    pool, eve, count = PlainPool(), logs / "eve.json", 40
    written = threading.Event()

    def write() -> None:
        for number in range(count):
            for part in range(5):
                with eve.open("ab") as file:
                    file.write(lines(250 * number + 50 * part, 250 * number + 50 * part + 50))
                time.sleep(0.005)
            eve.rename(logs / f"eve.json.{count - number:02d}")
            if number > 3:
                packed = logs / f"eve.json.{count - number + 3:02d}"
                data = packed.read_bytes()
                (logs / f".{packed.name}").write_bytes(gzip.compress(data))
                (logs / f".{packed.name}").rename(f"{packed}.gz")
                packed.unlink()
        written.set()

    eve.touch()
    with Hub(settings) as hub, exclusive(lock_path(settings), "a test"):
        with Following(settings, eve, pool) as following:
            thread = threading.Thread(target=write)
            thread.start()
            offered = 0
            while not written.is_set():
                done = ingest(hub, None, [str(logs)], sensor="north")
                assert done.error == ""
                offered += 1
            thread.join()
            last = ingest(hub, None, [str(logs)], sensor="north")
            wait(lambda: following.worker.seq >= 1)
        assert {one.outcome for one in last.files} <= {"known", "left"}
        with Committer(settings, pool):
            ingest(hub, None, [str(logs)], sensor="north")
    assert offered >= 1
    assert len(pool.names) == 250 * count
    assert set(pool.names.values()) == {1}


def test_two_readers_of_one_input_are_one_too_many(settings: Settings, logs: Path) -> None:
    eve = logs / "eve.json"
    eve.write_bytes(lines(0, 100))
    pool = PlainPool()
    with Following(settings, eve, pool) as following:
        wait(lambda: len(pool.names) == 100)
        second = WorkerProcess(following.worker.job, queue.SimpleQueue())
        wait(lambda: second.ended)
        second.wait()
        assert "is being read already, by process" in second.error
        assert str(following.worker.pid) in second.error
    assert set(pool.names.values()) == {1}


def test_a_worker_ends_with_whoever_started_it(settings: Settings, logs: Path) -> None:
    eve = logs / "eve.json"
    eve.write_bytes(lines(0, 100))
    pool = PlainPool()
    with Following(settings, eve, pool) as following:
        wait(lambda: len(pool.names) == 100)
        with eve.open("ab") as file:
            file.write(lines(100, 150))
        time.sleep(0.4)
        pipe = following.worker._process.stdin
        assert pipe is not None
        pipe.close()
        wait(lambda: following.worker.ended)
        assert following.worker.error == ""
        wait(lambda: len(pool.names) == 150)
