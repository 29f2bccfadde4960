"""Hunting inside the daemon: it follows both sides, and survives what fails."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from vedette.config import PoolSettings, Settings
from vedette.errors import PoolError
from vedette.model import Context, Fetched, Indicator, IndicatorType, Key
from vedette.observe import new_fold
from vedette.pipeline import hunter
from vedette.pipeline.hub import Hub
from vedette.pipeline.hunter import Hunter, hunt_once
from vedette.pool.backend import Backend
from vedette.pool.records import Found
from vedette.pool.store import Pool


def lookup(at: str, client: str, name: str) -> bytes:
    """One DNS lookup as an engine writes it."""
    event = {
        "timestamp": f"{at}+0000",
        "flow_id": 7,
        "event_type": "dns",
        "src_ip": client,
        "src_port": 40_000,
        "dest_ip": "192.0.2.53",
        "dest_port": 53,
        "proto": "UDP",
        "dns": {"type": "query", "rrname": name, "rrtype": "A"},
    }
    return json.dumps(event).encode() + b"\n"


class Flaky(Pool):
    """A pool whose first answers fail, as those of a daemon that starts do."""

    failures: Iterator[Exception] = iter(())

    def found(self, keys: Iterable[Key]) -> Iterator[Found]:
        for error in self.failures:
            raise error
        return super().found(keys)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=str(tmp_path))


@pytest.fixture
def hub(settings: Settings) -> Iterator[Hub]:
    with Hub(settings) as opened:
        yield opened


@pytest.fixture
def memory(embedded_backend: Backend) -> Flaky:
    return Flaky(embedded_backend, PoolSettings())


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hunter, "_TICK_S", 0.02)
    monkeypatch.setattr(hunter, "_SIGHTINGS_EVERY_S", 0.2)
    monkeypatch.setattr(hunter, "_RETRY_S", 0.0)


def see(memory: Pool, name: str) -> None:
    fold = new_fold((), ())
    fold.add(lookup("2026-03-01T10:00:00.000000", "10.0.0.7", name))
    memory.commit(fold.take(), sensor="gate", token=name)


def lists(hub: Hub, source: str, value: str) -> None:
    hub.store.add_source(source, "list", {}, 900)
    running = hub.store.pull(source)
    kind = IndicatorType.DOMAIN
    running.take(Indicator(type=kind, value=value, ref="", context=Context(key="")))
    running.take(Fetched("", "1"))
    running.finish()


def observed(hub: Hub) -> set[str]:
    return {hit.observed for hit in hub.store.fleet.hits(origins=["retro"])}


def until(is_so: Callable[[], bool], pause_s: float = 0.02) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(pause_s)


def test_a_pull_and_new_values_are_both_followed(
    hub: Hub, settings: Settings, memory: Flaky
) -> None:
    see(memory, "a.evil.example")
    with Hunter(settings, memory, threading.Event()):
        lists(hub, "feed", "evil.example")
        until(lambda: observed(hub) == {"a.evil.example"})
        see(memory, "b.evil.example")
        until(lambda: observed(hub) == {"a.evil.example", "b.evil.example"})


def test_a_hunt_that_fails_is_tried_again(hub: Hub, settings: Settings, memory: Flaky) -> None:
    see(memory, "evil.example")
    lists(hub, "feed", "evil.example")
    memory.failures = iter([PoolError("not yet", hint="Wait."), ZeroDivisionError("a fault")])
    with Hunter(settings, memory, threading.Event()):
        until(lambda: observed(hub) == {"evil.example"})


def test_it_ends_when_everything_ends(settings: Settings, memory: Flaky) -> None:
    stop = threading.Event()
    stop.set()
    with Hunter(settings, memory, stop) as hunting:
        until(lambda: not hunting._thread.is_alive())


def test_once_hunts_nothing_where_nothing_was_ever_remembered(hub: Hub) -> None:
    assert hunt_once(hub) is None
    assert not hub.settings.pool_dir.joinpath("store").exists()


def test_the_daemon_hunts_what_a_pull_brings_in_what_it_has_read(short_path: Path) -> None:
    (short_path / "vedette.toml").write_text("")
    (short_path / "bad.txt").write_text("evil.example\n")
    eve = short_path / "eve.json"
    eve.write_bytes(lookup("2026-03-01T10:00:00.000000", "10.0.0.7", "www.evil.example"))
    vedette = [sys.executable, "-m", "vedette", "--config", str(short_path / "vedette.toml")]

    def run(*arguments: str) -> str:
        done = subprocess.run([*vedette, *arguments], capture_output=True, text=True, check=True)
        return done.stdout

    run("sensor", "add", "gate", "--socket", "s", "--rules", "r", "--eve", str(eve))
    run("source", "add", "list", str(short_path / "bad.txt"), "--type", "domain")
    with subprocess.Popen([*vedette, "run"], stderr=subprocess.PIPE) as daemon:
        try:
            until(lambda: json.loads(run("hit", "list", "--retro", "--json")) != [], 0.5)
            (hit,) = json.loads(run("hit", "list", "--retro", "--json"))
        finally:
            daemon.terminate()
            daemon.communicate(timeout=30)
    assert (hit["observed"], hit["client"], hit["sensor"]) == (
        "www.evil.example",
        "10.0.0.7",
        "gate",
    )
    assert daemon.returncode == 0
