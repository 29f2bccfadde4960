"""``vedette run`` rolls out beside its other work: whatever that waits for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from vedette.config import load
from vedette.pipeline.hub import Hub
from vedette.pipeline.spreading import Spreading
from vedette.pipeline.standing import standings
from vedette.sensor.wire import State
from vedette.testing.command import Cli
from vedette.testing.fake_suricata import FakeSuricata


@pytest.fixture
def engines(cli: Cli, short_path: Path) -> Iterator[dict[str, FakeSuricata]]:
    """A canary and another sensor; nothing is built yet."""
    (short_path / "vedette.toml").write_text('[rollout]\nsoak = "1s"\nalerts_per_minute = 100\n')
    (short_path / "list.txt").write_text("one.example\n")
    cli("source", "add", "list", "list.txt", "--type", "domain", "--name", "l")
    made = {}
    for name, ring in (("first", "canary"), ("gate", "others")):
        rules = short_path / name
        socket = short_path / f"{name}.sock"
        cli("sensor", "add", name, "--socket", socket, "--rules", rules, "--ring", ring)
        made[name] = FakeSuricata(socket, rules / "current/vedette.rules")
    with made["first"], made["gate"]:
        yield made


@pytest.fixture
def hub(engines: object, short_path: Path) -> Iterator[Hub]:
    with Hub(load(short_path / "vedette.toml")) as opened:
        yield opened


def build(cli: Cli, home: Path, *values: str) -> None:
    (home / "list.txt").write_text("".join(f"{value}.example\n" for value in values))
    assert cli("source", "pull").code == 0
    assert cli("bundle", "build").code == 0
    structlog.reset_defaults()


def until(is_so: Callable[[], bool], timeout_s: float = 20) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def held(hub: Hub) -> dict[str, int]:
    return {one.name: one.generation for one in standings(hub) if one.state is State.PROVED}


def test_canaries_get_it_first_then_the_others_and_a_flood_takes_it_back(
    cli: Cli, short_path: Path, hub: Hub
) -> None:
    build(cli, short_path, "one")
    with Spreading(hub.settings, threading.Event()):
        until(lambda: held(hub) == {"first": 1})
        until(lambda: held(hub) == {"first": 1, "gate": 1})
        build(cli, short_path, "one", "two")
        until(lambda: held(hub).get("first") == 2)
        minute = int(time.time()) // 60 + 1
        with hub.store._db:
            hub.store.reports.add_alerts("first", {minute: 101}, minute * 60)
        until(lambda: held(hub) == {"first": 1, "gate": 1})
        rollout = hub.store.rollouts.last()
        assert rollout is not None
        assert rollout.state == "stopped"
        build(cli, short_path, "one", "three")
        time.sleep(0.7)
        assert held(hub) == {"first": 1, "gate": 1}, "newer ones wait for a person"
        with hub.store._db:  # that minute has not come yet
            hub.store._db.execute("DELETE FROM alert_rate")
        assert cli("rollout", "resume").code == 0
        until(lambda: held(hub) == {"first": 3, "gate": 3})


def test_an_engine_that_is_gone_keeps_no_other_from_its_generation(
    cli: Cli, short_path: Path, hub: Hub, engines: dict[str, FakeSuricata]
) -> None:
    cli("sensor", "set", "first", "--ring", "others")
    build(cli, short_path, "one")
    engines["first"].stop()
    with Spreading(hub.settings, threading.Event()):
        until(lambda: held(hub) == {"gate": 1})


def test_woken_after_a_build_it_does_not_wait_for_its_next_look(
    cli: Cli, short_path: Path, hub: Hub
) -> None:
    build(cli, short_path, "one")
    stop = threading.Event()
    with Spreading(hub.settings, stop) as spreading:
        until(lambda: held(hub) == {"first": 1, "gate": 1})
        build(cli, short_path, "one", "two")
        spreading.wake()
        until(lambda: held(hub).get("first") == 2)
        stop.set()
