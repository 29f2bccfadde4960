"""``vedette rollout``, and what every list of sensors says of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from vedette.config import load
from vedette.pipeline.hub import Hub
from vedette.pipeline.rolling import roll
from vedette.pipeline.spreading import Spreading
from vedette.testing.command import Cli
from vedette.testing.fake_suricata import FakeSuricata


@pytest.fixture
def fleet(cli: Cli, short_path: Path) -> Iterator[None]:
    """Generation 1 everywhere, generation 2 with the canary."""
    (short_path / "vedette.toml").write_text("")
    (short_path / "list.txt").write_text("one.example\n")
    cli("source", "add", "list", "list.txt", "--type", "domain", "--name", "l")
    build(cli, short_path, "one")
    for name, ring in (("first", "canary"), ("gate", "others")):
        socket, rules = short_path / f"{name}.sock", short_path / name
        cli("sensor", "add", name, "--socket", socket, "--rules", rules, "--ring", ring)
    with (
        FakeSuricata(short_path / "first.sock", short_path / "first/current/vedette.rules"),
        FakeSuricata(short_path / "gate.sock", short_path / "gate/current/vedette.rules"),
    ):
        assert cli("sensor", "push").code == 0
        build(cli, short_path, "one", "two")
        assert cli("sensor", "push").code == 0
        yield


def build(cli: Cli, home: Path, *values: str) -> None:
    (home / "list.txt").write_text("".join(f"{value}.example\n" for value in values))
    assert cli("source", "pull").code == 0
    assert cli("bundle", "build").code == 0


def generations(cli: Cli) -> dict[str, int]:
    return {one["name"]: one["generation"] for one in cli("sensor", "list", "--json").json}


def flood(home: Path) -> None:
    """Let the canary alert too much in a minute to come, and the roll-out be looked at then."""
    structlog.reset_defaults()
    minute = int(time.time()) // 60 + 1
    with Hub(load(home / "vedette.toml")) as hub:
        with hub.store._db:
            hub.store.reports.add_alerts("first", {minute: 12_345}, minute * 60)
        roll(hub)


def test_before_anything_is_announced_it_says_what_to_do(cli: Cli) -> None:
    cli("init")
    shown = cli("rollout", "show")
    assert (shown.code, "vedette bundle build" in shown.out) == (0, True)
    assert cli("rollout", "show", "--json").json is None
    assert cli("rollout", "history", "--json").json == []
    assert cli("rollout", "pause").code == 2


@pytest.mark.usefixtures("fleet")
def test_show_says_who_has_what_and_what_is_waited_for(cli: Cli) -> None:
    assert generations(cli) == {"first": 2, "gate": 1}
    shown = cli("rollout", "show").out
    assert "generation 2 is with the canaries; the others are told generation 1" in shown
    assert "needed 300 s without a break" in shown
    document: dict[str, Any] = cli("rollout", "show", "--json").json
    assert (document["state"], document["told"], document["told_others"]) == ("canary", 2, 1)
    assert {one["name"]: one["wanted"] for one in document["sensors"]} == {"first": 2, "gate": 1}
    assert document["held"] is False


@pytest.mark.usefixtures("fleet")
def test_a_flood_stops_it_and_is_the_first_thing_that_is_said(cli: Cli, short_path: Path) -> None:
    flood(short_path)
    for command in (("rollout", "show"), ("sensor", "list")):
        first = cli(*command).out.splitlines()[0]
        assert "the roll-out of generation 2 was stopped: 12,345 alerts a minute on first" in first
    shown = cli("rollout", "show").out
    assert "vedette indicator hold VALUE" in shown
    assert "generation 2: stopped, since 0 s" in shown or "since 1 s" in shown
    assert "  all sensors are told generation 1\n" in shown
    assert cli("sensor", "push").code == 0
    assert generations(cli) == {"first": 1, "gate": 1}
    build(cli, short_path, "one", "three")
    assert "Generation 3 is built and waits: vedette rollout resume" in cli("rollout", "show").out
    resumed = cli("rollout", "resume", "--json").json
    assert resumed["announced"] == 3
    history = cli("rollout", "history", "--json").json
    assert [one["generation"] for one in history] == [3, 1, 2, 1]
    assert history[1]["why"] == "stopped: 12,345 alerts a minute on first, limit 10,000"
    assert [one["serial"] for one in history] == sorted(
        (one["serial"] for one in history), reverse=True
    )


@pytest.mark.usefixtures("fleet")
def test_promoted_it_is_everywhere_without_waiting(cli: Cli) -> None:
    promoted = cli("rollout", "promote")
    assert "generation 2 is told to all sensors" in promoted.out
    assert cli("sensor", "push").code == 0
    assert generations(cli) == {"first": 2, "gate": 2}
    refused = cli("rollout", "promote")
    assert (refused.code, "canaries alone" in refused.err) == (2, True)


@pytest.mark.usefixtures("fleet")
def test_paused_it_says_by_whom_and_goes_on_when_told(cli: Cli, short_path: Path) -> None:
    assert cli("rollout", "pause", "--why", "change freeze").code == 0
    assert "is paused: change freeze" in cli("sensor", "list").out
    built = cli("bundle", "build")
    assert "vedette rollout resume" in built.out
    assert cli("rollout", "pause").code == 2
    assert "with the canaries" in cli("rollout", "resume").out
    refused = cli("rollout", "resume")
    assert (refused.code, "nothing is held" in refused.err) == (2, True)


@pytest.mark.usefixtures("fleet")
def test_stopped_by_hand_everybody_is_put_back(cli: Cli) -> None:
    stopped = cli("rollout", "stop", "--why", "false positives")
    assert "all sensors are told generation 1" in stopped.out
    assert cli("sensor", "push").code == 0
    assert generations(cli) == {"first": 1, "gate": 1}
    resumed = cli("rollout", "resume").out
    assert "stays until a build publishes new content" in resumed
    assert "vedette indicator hold VALUE" in resumed
    shown = cli("rollout", "show").out
    assert "all sensors are told generation 1 until a build publishes new content" in shown


@pytest.mark.usefixtures("fleet")
def test_a_roll_back_puts_the_whole_fleet_back_in_one_command(cli: Cli) -> None:
    cli("rollout", "promote")
    cli("sensor", "push")
    started = time.monotonic()
    back = cli("bundle", "rollback", "1", "--why", "noisy", "--json")
    assert time.monotonic() - started < 5
    assert back.code == 0
    assert {one["sensor"]: one["generation"] for one in back.json["pushed"]} == {
        "first": 1,
        "gate": 1,
    }
    assert generations(cli) == {"first": 1, "gate": 1}
    history = cli("rollout", "history", "--json").json
    assert (history[0]["why"], history[0]["serial"]) == ("rollback: noisy", back.json["serial"])


@pytest.mark.usefixtures("fleet")
def test_a_roll_back_says_which_sensors_could_not_be_told(cli: Cli, short_path: Path) -> None:
    with Hub(load(short_path / "vedette.toml")) as hub:
        hub.store.fleet.add_sensor("far", {"delivery": "agent"})
    cli("sensor", "add", "dead", "--socket", "dead.sock", "--rules", "dead")
    back = cli("bundle", "rollback", "1", "--wait", "0", "--json")
    assert back.code == 8
    assert [one["sensor"] for one in back.json["failed"]] == ["dead"]
    assert back.json["others"] == [{"sensor": "far", "state": "never", "generation": 0}]
    assert generations(cli)["first"] == 1, "the others are put back all the same"


@pytest.mark.usefixtures("fleet")
def test_beside_a_running_hub_a_roll_back_is_done_by_whoever_is_first(
    cli: Cli, short_path: Path
) -> None:
    settings = load(short_path / "vedette.toml")
    structlog.reset_defaults()
    with Spreading(settings, threading.Event()):
        back = cli("bundle", "rollback", "1")
        structlog.reset_defaults()
        assert back.code == 0
    assert generations(cli) == {"first": 1, "gate": 1}
