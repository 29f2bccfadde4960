"""Judging hits and looking at what leaves, as a person does it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vedette.config import load
from vedette.pipeline.hub import Hub
from vedette.testing.command import Cli
from vedette.testing.fake_misp import FakeMisp
from vedette.testing.faults import Fault, FaultKind
from vedette.testing.told import listed, met, write_settings


@pytest.fixture
def misp(short_path: Path, cli: Cli) -> Iterator[FakeMisp]:
    """A MISP that is told, and three hits on what it lists."""
    with FakeMisp() as running:
        key = write_settings(short_path, running)
        with Hub(load(short_path / "vedette.toml")) as hub:
            settings = {"url": running.url, "key_file": str(key), "retries": 1}
            hub.store.add_source("misp", "misp", settings, 900)
            hub.store.fleet.add_hits("gate", met(listed(running, 3)), b"", {})
        yield running


def types(misp: FakeMisp) -> list[str]:
    return sorted(one.type for one in misp.state.sightings.values())


def test_what_waits_is_shown_previewed_and_sent(cli: Cli, misp: FakeMisp) -> None:
    assert cli("feedback", "status", "--json").json[0]["state"]["waiting"] == 3
    shown = cli("feedback", "preview")
    assert "/sightings/bulkSaveSightings/" in shown.out
    assert shown.out.count("attribute_uuid") == 3
    assert types(misp) == []
    assert "3 sent, 0 wait" in cli("feedback", "send").out
    assert types(misp) == ["0", "0", "0"]
    state = cli("feedback", "status")
    assert "allowed   yes" in state.out
    assert "Nothing waits" in cli("feedback", "send").out


def test_a_name_that_is_no_misp_is_said_although_nothing_waits(
    cli: Cli, misp: FakeMisp, short_path: Path
) -> None:
    cli("source", "add", "list", "x.txt", "--type", "domain", "--name", "l")
    config = short_path / "vedette.toml"
    config.write_text('[feedback]\nsources = ["mips", "l", "misp"]\n')
    for words in (("status",), ("preview",), ("send",)):
        said = cli("feedback", *words).out
        assert "there is no source 'mips'" in said
        assert "source 'l' is a list, which takes no sightings" in said
        assert "to mips: nothing waits" not in said
    told = {one["source"]: one["trouble"] for one in cli("feedback", "status", "--json").json}
    assert told["mips"]
    assert told["misp"] == ""
    assert types(misp) == ["0", "0", "0"]
    assert cli("feedback", "send").code == 3


def test_a_misp_that_does_not_take_it_is_said(cli: Cli, misp: FakeMisp, short_path: Path) -> None:
    (short_path / "misp.key").write_text(misp.read_only_key)
    failed = cli("feedback", "send")
    assert failed.code == 3
    assert "Sighting Creator" in failed.out
    state = cli("feedback", "status")
    assert "allowed   no" in state.out
    assert "vedette feedback send" in state.out
    assert misp.read_only_key not in failed.out + state.out + failed.err


def test_a_false_positive_is_told_once_and_its_trail_is_kept(cli: Cli, misp: FakeMisp) -> None:
    cli("feedback", "send")
    done = cli("hit", "mark", 1, "false-positive", "--note", "our mirror", "--by", "ann")
    assert "1 false-positive sightings" in done.out
    assert "vedette allow add evil0.example --exact" in done.out
    assert "vedette indicator hold evil0.example" in done.out
    cli("hit", "mark", 1, 2, "false-positive")
    cli("feedback", "send")
    cli("hit", "mark", 1, "investigating", "--by", "bob")
    cli("hit", "mark", 1, "false-positive")
    cli("feedback", "send")
    assert types(misp) == ["0", "0", "0", "1", "1"]
    shown = cli("hit", "show", 1)
    assert "ann: false-positive: our mirror" in shown.out
    assert "bob: investigating" in shown.out
    assert "told misp: false positive" in shown.out
    assert "told misp: seen" in shown.out
    trail = cli("hit", "show", 1, "--json").json["marks"]
    assert [one["status"] for one in trail] == [
        "false-positive",
        "false-positive",
        "investigating",
        "false-positive",
    ]


def test_a_mark_that_is_taken_back_in_time_does_not_leave(cli: Cli, misp: FakeMisp) -> None:
    cli("feedback", "send")
    cli("hit", "mark", 1, "false-positive")
    back = cli("hit", "mark", 1, "new", "--json").json
    assert (back["withdrawn"], back["stays"]) == (1, 0)
    assert "Nothing waits" in cli("feedback", "send").out
    cli("hit", "mark", 1, "false-positive")
    cli("feedback", "send")
    late = cli("hit", "mark", 1, "confirmed")
    assert "MISP keeps them" in late.out
    assert types(misp) == ["0", "0", "0", "1"]


def test_a_mark_that_another_hit_shares_is_not_taken_back(
    cli: Cli, misp: FakeMisp, short_path: Path
) -> None:
    cli("feedback", "send")
    (first, *_) = [(e, a) for e in misp.state.events.values() for a in e.attributes.values()]
    with Hub(load(short_path / "vedette.toml")) as hub:
        hub.store.fleet.add_hits("gate", met([first], client="10.9.9.9"), b"", {})
    cli("hit", "mark", 1, 4, "false-positive")
    assert cli("hit", "mark", 4, "new", "--json").json["withdrawn"] == 0
    cli("feedback", "send")
    assert types(misp) == ["0", "0", "0", "1"]


def test_hits_are_listed_by_status_and_one_that_is_not_there_is_said(
    cli: Cli, misp: FakeMisp
) -> None:
    cli("hit", "mark", 2, "confirmed")
    found = cli("hit", "list", "--status", "confirmed", "--json").json
    assert [one["id"] for one in found] == [2]
    assert "hit 2  confirmed" in cli("hit", "list").out
    for refused in (cli("hit", "show", 99), cli("hit", "mark", 1, 99, "confirmed")):
        assert refused.code == 2
        assert "no hit 99" in refused.err
    assert cli("hit", "list", "--status", "new", "--json").json[0]["status"] == "new"
    assert len(cli("hit", "list", "--status", "new", "--json").json) == 2, "none was marked"


def test_a_misp_that_is_told_no_more_keeps_what_waits(
    cli: Cli, misp: FakeMisp, short_path: Path
) -> None:
    write_settings(short_path, misp, "[feedback]\nsources = []\n")
    assert "no longer in [feedback] sources" in cli("feedback", "status").out
    assert "No MISP is told" in cli("feedback", "send").out
    assert "No MISP is told" in cli("feedback", "preview").out
    assert misp.requests == []


def test_a_refusal_is_shown_with_its_reason(cli: Cli, misp: FakeMisp) -> None:
    misp.faults.add(
        Fault(FaultKind.BODY, path="bulkSave", body=b'{"message":"Bad\\u001b[31m thing"}', times=3)
    )
    assert "will never be sent: MISP did not take it" in cli("feedback", "send").out
    state = cli("feedback", "status")
    assert "refused   1" in state.out
    assert "\x1b" not in state.out
