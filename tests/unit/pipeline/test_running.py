"""``vedette run --once`` and what a failed job means for the others."""

from __future__ import annotations

import threading
from pathlib import Path

from vedette.config import load
from vedette.pipeline.hub import Hub
from vedette.pipeline.running import Runner
from vedette.testing.command import Cli
from vedette.testing.fake_suricata import FakeSuricata


def test_once_does_everything_and_a_second_time_changes_nothing(cli: Cli, short_path: Path) -> None:
    cli("init")
    (short_path / "list.txt").write_text("evil.example\n")
    cli("source", "add", "list", "list.txt", "--type", "domain", "--name", "l")
    rules = short_path / "rules"
    cli("sensor", "add", "gate", "--socket", "s.sock", "--rules", rules, "--eve", "eve.json")
    with FakeSuricata(short_path / "s.sock", rules / "current/vedette.rules"):
        assert cli("run", "--once").code == 0
        assert cli("sensor", "list", "--json").json[0]["proof"]["generation"] == 1
        assert cli("run", "--once").code == 0
        assert cli("bundle", "show", "--json").json["on_disk"] == [1]


def test_a_source_that_fails_does_not_keep_the_rest_from_the_sensor(
    cli: Cli, short_path: Path
) -> None:
    cli("init")
    (short_path / "list.txt").write_text("evil.example\n")
    cli("source", "add", "list", "gone.txt", "--type", "domain", "--name", "a")
    cli("source", "add", "list", "list.txt", "--type", "domain", "--name", "b")
    rules = short_path / "rules"
    cli("sensor", "add", "gate", "--socket", "s.sock", "--rules", rules)
    with FakeSuricata(short_path / "s.sock", rules / "current/vedette.rules"):
        done = cli("run", "--once")
        assert done.code == 1, "what failed is said by the exit code"
        assert "gone.txt" in done.err
        assert cli("sensor", "list", "--json").json[0]["proof"]["ok"]


def test_an_engine_that_was_upgraded_gets_the_rules_of_its_new_profile(
    cli: Cli, short_path: Path
) -> None:
    cli("init")
    (short_path / "list.txt").write_text("evil.example\n")
    cli("source", "add", "list", "list.txt", "--type", "domain", "--name", "l")
    rules = short_path / "rules"
    cli("sensor", "add", "gate", "--socket", "s.sock", "--rules", rules)
    with FakeSuricata(short_path / "s.sock", rules / "current/vedette.rules", "7.0.10") as engine:
        assert cli("run", "--once").code == 0
        assert cli("sensor", "list", "--json").json[0]["proof"]["target"] == "7.0"
        engine.stop()
    with (
        FakeSuricata(short_path / "s.sock", rules / "current/vedette.rules", "8.0.7"),
        Hub(load(short_path / "vedette.toml")) as hub,
    ):
        Runner(hub.settings, threading.Event())._prove(hub, "gate")
        assert cli("sensor", "list", "--json").json[0]["proof"]["target"] == "8.0.7"
