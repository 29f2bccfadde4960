"""The memory inside ``vedette run``: a process of its own, real workers, the real store."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vedette.config import load
from vedette.pipeline.asking import RemoteMemory
from vedette.pipeline.lock import exclusive
from vedette.pipeline.pooling import lock_path
from vedette.pipeline.service import socket_path
from vedette.pool.records import Place
from vedette.testing.command import Cli

LINE = (
    '{"timestamp":"2026-01-02T03:04:05.%06d+0000","flow_id":%d,"event_type":"dns",'
    '"src_ip":"10.0.0.7","src_port":5353,"dest_ip":"9.9.9.9","dest_port":53,"proto":"UDP",'
    '"dns":{"type":"query","rrname":"%s","rrtype":"A","id":1}}\n'
)


def events(name: str, first: int, last: int) -> str:
    return "".join(LINE % (number, number, name) for number in range(first, last))


class Daemon:
    """``vedette run`` as the shell starts it."""

    def __init__(self, home: Path) -> None:
        self.log = home / "run.log"
        self.settings = load(home / "vedette.toml")
        self._begins = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "vedette", "run", "--json"], cwd=home, stderr=log
            )

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = self.log.read_text()[self._begins :].splitlines()
        found = [json.loads(line) for line in lines if line.startswith("{")]
        return [event for event in found if event["event"] == name]

    def count(self, value: str) -> int:
        with RemoteMemory(socket_path(self.settings)) as memory:
            return sum(one.count for one in memory.seen([Place("dns.query", value)]))

    def wait(self, done: Callable[[], bool], timeout_s: float = 60) -> None:
        deadline = time.monotonic() + timeout_s
        while not done():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.1)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@contextmanager
def running(home: Path) -> Iterator[Daemon]:
    daemon = Daemon(home)
    try:
        yield daemon
    finally:
        daemon.process.kill()
        daemon.process.wait()


def prepared(cli: Cli, home: Path, settings: str = "") -> Path:
    cli("init")
    if settings:
        (home / "vedette.toml").write_text(settings)
    eve = home / "eve.json"
    cli("sensor", "add", "gate", "--socket", "s.sock", "--rules", "rules", "--eve", eve)
    return eve


def test_run_follows_each_eve_json_and_answers_about_it(cli: Cli, short_path: Path) -> None:
    eve = prepared(cli, short_path, '[pool]\ncommit_every = "1s"\n')
    eve.write_text(events("one.example", 0, 100))
    (short_path / "eve.json.1").write_text(events("older.example", 0, 40))
    with running(short_path) as daemon:
        daemon.wait(lambda: bool(daemon.events("memory.opened")))
        daemon.wait(lambda: daemon.count("one.example") == 100)
        with eve.open("a") as file:
            file.write(events("two.example", 0, 50))
        eve.rename(short_path / "eve.json.0")
        eve.write_text(events("three.example", 0, 20))
        daemon.wait(lambda: daemon.count("three.example") == 20)
        assert daemon.count("two.example") == 50

        # What the daemon reads is left to it; what it does not is read into its spool.
        done = cli("pool", "ingest", short_path, "--sensor", "gate", "--json")
        assert done.code == 0, done.err
        files = {Path(one["path"]).name: one["outcome"] for one in done.json["ingested"]["files"]}
        assert files == {"eve.json": "left", "eve.json.0": "known"}
        daemon.wait(lambda: daemon.count("older.example") == 40)
        assert daemon.stop() == 0
    assert not daemon.events("job.crashed")
    assert not daemon.events("memory.crashed")

    # Nothing is counted again after a restart, and what came meanwhile is.
    with eve.open("a") as file:
        file.write(events("four.example", 0, 10))
    with running(short_path) as daemon:
        daemon.wait(lambda: bool(daemon.events("memory.opened")))
        daemon.wait(lambda: daemon.count("four.example") == 10)
        names = ("one", "two", "three", "older")
        assert [daemon.count(f"{name}.example") for name in names] == [100, 50, 20, 40]


def test_what_comes_as_run_starts_is_judged_by_what_the_memory_knows(
    cli: Cli, short_path: Path
) -> None:
    settings = '[pool]\ncommit_every = "1s"\n[guard]\nprevalence_hosts = 1\n'
    eve = prepared(cli, short_path, settings)
    today = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}"
    eve.write_text(events("met.example", 0, 3).replace("2026-01-02T03:04:05", today))
    with running(short_path) as daemon:
        daemon.wait(lambda: bool(daemon.events("memory.opened")))
        daemon.wait(lambda: daemon.count("met.example") == 3)
        assert daemon.stop() == 0
    (short_path / "list.txt").write_text("met.example\nunmet.example\n")
    cli("source", "add", "list", "list.txt", "--type", "domain", "--name", "l")
    with running(short_path) as daemon:
        daemon.wait(lambda: bool(daemon.events("bundle.built")))
        assert daemon.stop() == 0
    assert [one["indicators"] for one in daemon.events("bundle.built")] == [1]
    assert not daemon.events("guard.unasked")


def test_a_sensor_that_comes_later_is_followed_and_one_that_goes_is_left(
    cli: Cli, short_path: Path
) -> None:
    eve = prepared(cli, short_path, '[pool]\ncommit_every = "1s"\n')
    eve.write_text(events("one.example", 0, 100))
    with running(short_path) as daemon:
        daemon.wait(lambda: len(daemon.events("memory.following")) == 1)
        other = short_path / "other.json"
        other.write_text(events("other.example", 0, 30))
        cli("sensor", "add", "side", "--socket", "t.sock", "--rules", "r", "--eve", other)
        daemon.wait(lambda: len(daemon.events("memory.following")) == 2)
        daemon.wait(lambda: daemon.count("other.example") == 30)
        cli("sensor", "remove", "side")
        daemon.wait(lambda: len(daemon.events("memory.left")) == 1)


def test_one_file_of_two_sensors_is_read_once_and_that_is_said(cli: Cli, short_path: Path) -> None:
    eve = prepared(cli, short_path, '[pool]\ncommit_every = "1s"\n')
    eve.write_text(events("one.example", 0, 100))
    cli("sensor", "add", "twin", "--socket", "t.sock", "--rules", "r", "--eve", eve)
    with running(short_path) as daemon:
        daemon.wait(lambda: len(daemon.events("eve.waiting")) == 1)
        daemon.wait(lambda: daemon.count("one.example") == 100)
        with eve.open("a") as file:
            file.write(events("two.example", 0, 50))
        daemon.wait(lambda: daemon.count("two.example") == 50)
        assert daemon.count("one.example") == 100


def test_a_reader_that_is_killed_is_started_again(cli: Cli, short_path: Path) -> None:
    eve = prepared(cli, short_path, '[pool]\ncommit_every = "1s"\n')
    eve.write_text(events("one.example", 0, 100))
    with running(short_path) as daemon:
        daemon.wait(lambda: len(daemon.events("memory.following")) == 1)
        daemon.wait(lambda: daemon.count("one.example") == 100)
        pid = daemon.events("memory.following")[0]["pid"]
        subprocess.run(["kill", "-9", str(pid)], check=True)
        with eve.open("a") as file:
            file.write(events("two.example", 0, 50))
        daemon.wait(lambda: len(daemon.events("memory.reader_ended")) == 1)
        daemon.wait(lambda: daemon.count("two.example") == 50)
        assert daemon.count("one.example") == 100


def test_a_memory_that_is_switched_off_is_said_once(cli: Cli, short_path: Path) -> None:
    prepared(cli, short_path, "[pool]\nenabled = false\n")
    with running(short_path) as daemon:
        daemon.wait(lambda: bool(daemon.events("memory.off")))
        time.sleep(1)
        assert len(daemon.events("memory.off")) == 1
        assert "enabled is false" in daemon.events("memory.off")[0]["reason"]
        assert daemon.stop() == 0
    assert not (short_path / "state/pool/store").exists()


def test_a_store_that_another_process_has_open_is_waited_for(cli: Cli, short_path: Path) -> None:
    prepared(cli, short_path).write_text(events("one.example", 0, 100))
    settings = load(short_path / "vedette.toml")
    settings.pool_dir.mkdir(parents=True, exist_ok=True)
    lock = ExitStack()
    lock.enter_context(exclusive(lock_path(settings), "a test"))
    with lock, running(short_path) as daemon:
        daemon.wait(lambda: bool(daemon.events("memory.unavailable")))
        assert not daemon.events("memory.opened")
        lock.close()
        daemon.wait(lambda: bool(daemon.events("memory.opened")))
        daemon.wait(lambda: daemon.count("one.example") == 100)
        assert len(daemon.events("memory.unavailable")) == 1
