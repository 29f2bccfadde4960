"""``vedette sensor`` against an engine's socket (a fake one: the real ones are in tests/engine)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vedette.testing.command import Cli
from vedette.testing.fake_suricata import FakeSuricata


@pytest.fixture
def published(cli: Cli, short_path: Path) -> Path:
    cli("init")
    path = short_path / "list.txt"
    path.write_text("evil.example\nbad.example\nworse.example\n")
    cli("source", "add", "list", path, "--type", "domain", "--name", "l")
    cli("source", "pull")
    cli("bundle", "build")
    return path


@pytest.fixture
def suricata(short_path: Path, published: Path, cli: Cli) -> Iterator[FakeSuricata]:
    rules = short_path / "rules"
    cli("sensor", "add", "gate", "--socket", "s.sock", "--rules", rules)
    with FakeSuricata(short_path / "s.sock", rules / "current/vedette.rules") as running:
        yield running


def test_adding_a_sensor_says_the_one_line_for_its_yaml(cli: Cli, published: Path) -> None:
    added = cli("sensor", "add", "gate", "--socket", "s", "--rules", "r")
    assert "rule-files" in added.out
    assert "r/current/vedette.rules" in added.out


def test_a_push_brings_the_generation_and_proves_it(cli: Cli, suricata: FakeSuricata) -> None:
    pushed = cli("sensor", "push", "gate", "--json")
    assert pushed.code == 0
    (one,) = pushed.json["pushed"]
    assert (one["generation"], one["how"], one["proof"]["ok"]) == (1, "reload", True)
    assert cli("sensor", "push", "gate", "--json").json["pushed"][0]["how"] == "nothing"
    assert "proved" in cli("sensor", "list").out


def test_a_small_change_comes_over_the_socket(
    cli: Cli, suricata: FakeSuricata, published: Path
) -> None:
    cli("sensor", "push")
    published.write_text("evil.example\nbad.example\nnew.example\n")
    cli("source", "pull")
    cli("bundle", "build")
    (one,) = cli("sensor", "push", "--json").json["pushed"]
    assert (one["generation"], one["how"], one["proof"]["ok"]) == (2, "delta", True)


def test_a_sensor_that_lost_its_sets_is_red_with_code_9(cli: Cli, suricata: FakeSuricata) -> None:
    cli("sensor", "push")
    suricata.stop()
    suricata.rules = suricata.rules.parent / "nothing.rules"
    suricata.start()
    proved = cli("sensor", "prove")
    assert proved.code == 9
    assert "does NOT hold" in proved.out
    assert "RED" in cli("sensor", "list").out


def test_an_engine_that_is_gone_is_said_with_what_to_do(cli: Cli, suricata: FakeSuricata) -> None:
    suricata.stop()
    failed = cli("sensor", "push", "--json")
    assert failed.code == 8
    assert failed.json["failed"][0]["hint"]


def test_proving_before_pushing_says_so(cli: Cli, suricata: FakeSuricata) -> None:
    refused = cli("sensor", "prove")
    assert refused.code == 8
    assert "vedette sensor push gate" in refused.out


def test_the_last_proof_is_shown_check_by_check(cli: Cli, suricata: FakeSuricata) -> None:
    cli("sensor", "push")
    shown = cli("sensor", "show", "gate").out
    assert "canary" in shown
    assert "members" in shown


def test_a_removed_sensor_is_gone(cli: Cli, suricata: FakeSuricata) -> None:
    assert cli("sensor", "remove", "gate").code == 0
    assert cli("sensor", "list", "--json").json == []
    assert cli("sensor", "remove", "gate").code == 2
