"""Drift is seen within seconds, said with its reason, and repaired or only reported."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from vedette.config import load
from vedette.errors import SensorError
from vedette.pipeline.hub import Hub
from vedette.pipeline.proving import Proving
from vedette.pipeline.standing import standing
from vedette.sensor.wire import State
from vedette.testing.command import Cli
from vedette.testing.fake_suricata import FakeSuricata


@pytest.fixture
def suricata(cli: Cli, short_path: Path) -> Iterator[FakeSuricata]:
    cli("init")
    (short_path / "list.txt").write_text("evil.example\nbad.example\n")
    cli("source", "add", "list", "list.txt", "--type", "domain", "--name", "l")
    cli("source", "pull")
    cli("bundle", "build")
    rules = short_path / "rules"
    cli("sensor", "add", "gate", "--socket", "s.sock", "--rules", rules)
    with FakeSuricata(short_path / "s.sock", rules / "current/vedette.rules") as running:
        assert cli("sensor", "push").code == 0
        structlog.reset_defaults()
        yield running


@pytest.fixture
def hub(suricata: FakeSuricata, short_path: Path) -> Iterator[Hub]:
    with Hub(load(short_path / "vedette.toml")) as opened:
        yield opened


@pytest.fixture
def proving(hub: Hub) -> Proving:
    made = Proving(hub.settings, threading.Event())
    made.look(hub, "gate")
    return made


def lose(suricata: FakeSuricata) -> None:
    """Let the engine start again without our rules."""
    suricata.stop()
    ours, suricata.rules = suricata.rules, suricata.rules.parent / "nothing.rules"
    suricata.start()
    suricata.rules = ours


def happened(hub: Hub) -> list[str]:
    return [one.state for one in reversed(hub.store.reports.events("gate"))]


def test_an_engine_that_lost_its_sets_is_seen_at_the_next_look_and_repaired(
    hub: Hub, suricata: FakeSuricata, proving: Proving
) -> None:
    lose(suricata)
    proving.look(hub, "gate")
    assert happened(hub) == ["proved", "drifted", "proved"]
    one = standing(hub, "gate")
    assert one.report is not None
    assert (one.state, one.report.drifts) == (State.PROVED, 1)
    assert one.report.repaired_at is not None
    assert "canary" in hub.store.reports.events("gate")[1].why


def test_a_sensor_whose_drift_is_only_to_be_reported_is_left_alone(
    hub: Hub, cli: Cli, suricata: FakeSuricata, proving: Proving
) -> None:
    cli("sensor", "set", "gate", "--on-drift", "report")
    structlog.reset_defaults()
    fresh = Proving(hub.settings, threading.Event())
    lose(suricata)
    fresh.look(hub, "gate")
    fresh.look(hub, "gate")
    assert happened(hub) == ["proved", "drifted"]
    assert standing(hub, "gate").state is State.DRIFTED


def test_a_look_that_finds_nothing_costs_no_proof(
    hub: Hub, suricata: FakeSuricata, proving: Proving
) -> None:
    before = standing(hub, "gate").proof
    proving.look(hub, "gate")
    assert standing(hub, "gate").proof == before


def test_an_engine_that_does_not_answer_is_silent_and_says_since_when(
    hub: Hub, suricata: FakeSuricata, proving: Proving
) -> None:
    suricata.stop()
    with pytest.raises(SensorError):
        proving.look(hub, "gate")
    one = standing(hub, "gate")
    assert (one.state, one.generation) == (State.SILENT, 1), "what it held last is still known"
    assert one.report is not None
    assert one.report.engine.version, "and which engine it was"
    suricata.start()
    proving.look(hub, "gate")
    assert happened(hub) == ["proved", "silent", "proved"]


def test_a_sensor_that_nothing_was_pushed_to_is_not_asked(hub: Hub, proving: Proving) -> None:
    hub.store.fleet.add_sensor("new", {"socket": "nowhere", "rules": "nothing"})
    proving.look(hub, "new")
    assert standing(hub, "new").state is State.NEVER


def test_a_sensor_that_is_being_pushed_to_is_not_disturbed(hub: Hub, proving: Proving) -> None:
    before = standing(hub, "gate").proof
    with hub.delivering("gate"):
        Proving(hub.settings, threading.Event()).look(hub, "gate")
    assert standing(hub, "gate").proof == before
