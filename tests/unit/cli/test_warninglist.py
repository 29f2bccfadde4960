"""``vedette warninglist``: what is in force, what came, what a value is on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vedette.testing.command import Cli


def put(place: Path, directory: str, kind: str, members: list[str], *types: str) -> None:
    (place / directory).mkdir(parents=True, exist_ok=True)
    document = {"name": f"List {directory}", "type": kind, "version": 20251223, "list": members}
    text = json.dumps({**document, "matching_attributes": list(types)})
    (place / directory / "list.json").write_text(text)


@pytest.fixture
def lists(short_path: Path) -> Path:
    place = short_path / "lists"
    names = ("domain", "hostname", "url")
    put(place, "tranco10k", "hostname", ["big.example", "bigger.example"], *names)
    put(place, "cisco_top1000", "string", ["big.example"], *names)
    put(place, "amazon-aws", "cidr", ["192.0.2.0/24"], "ip-src", "ip-dst")
    put(place, "public-dns-v4", "cidr", ["9.9.9.9", "192.0.2.9"], "ip-src", "ip-dst")
    return place


@pytest.fixture(autouse=True)
def feed(cli: Cli, short_path: Path, lists: Path) -> None:
    cli("init")
    (short_path / "bad.txt").write_text("big.example\nx.bigger.example\n192.0.2.7\nok.example\n")
    cli("source", "add", "list", short_path / "bad.txt", "--type", "domain", "--name", "feed")
    cli("source", "pull")


def test_update_brings_lists_into_force(cli: Cli, lists: Path) -> None:
    done = cli("warninglist", "update", "--from", lists)
    assert done.code == 0
    assert "4 new, 0 changed, 0 as before" in done.out
    assert "4 lists with 6 entries" in done.out
    again = cli("warninglist", "update", "--from", lists, "--json").json
    assert (again["unchanged"], again["changed"], again["broken"]) == (4, [], {})


def test_update_says_what_was_not_taken_and_what_shrank(cli: Cli, lists: Path) -> None:
    cli("warninglist", "update", "--from", lists)
    put(lists, "tranco10k", "hostname", ["big.example"])
    (lists / "amazon-aws" / "list.json").write_text("<html>")
    (lists / "cisco_top1000").rename(lists / "renamed")
    done = cli("warninglist", "update", "--from", lists)
    assert done.code == 0
    assert "tranco10k shrank from 2 to 1 entries" in done.out
    assert "amazon-aws was not taken" in done.out
    assert "not there, and kept: cisco_top1000" in done.out


def test_list_shows_what_each_does_and_how_many_of_ours_are_on_it(cli: Cli, lists: Path) -> None:
    cli("warninglist", "update", "--from", lists)
    shown = cli("warninglist", "list", "--json").json
    assert shown["place"] == "state"
    assert [(one["name"], one["does"], one["itself"], one["around"]) for one in shown["lists"]] == [
        ("amazon-aws", "label", 0, 1),
        ("cisco_top1000", "drop if another ranking agrees", 1, 0),
        ("public-dns-v4", "drop the well-known", 0, 0),
        ("tranco10k", "drop if another ranking agrees", 1, 1),
    ]
    printed = cli("warninglist", "list").out
    assert "20251223" in printed
    assert "4 lists with 6 entries" in printed


def test_list_says_what_is_broken(cli: Cli, lists: Path, short_path: Path) -> None:
    cli("warninglist", "update", "--from", lists)
    (short_path / "state/warninglists/amazon-aws/list.json").write_text("{")
    assert "amazon-aws cannot be read" in cli("warninglist", "list").out


def test_check_says_which_lists_and_what_follows(cli: Cli, lists: Path) -> None:
    cli("warninglist", "update", "--from", lists)
    asked = ("hxxp://BIG[.]example", "a.big.example", "192.0.2.9", "9.9.9.9", "ok.example")
    found = cli("warninglist", "check", *asked, "--json").json
    assert [one["follows"] for one in found] == [
        "dropped, as it is itself on cisco_top1000 and tranco10k",
        "labelled (1)",
        "labelled (2)",
        "dropped, as it is itself on public-dns-v4",
        "on no list",
    ]
    (hit,) = found[1]["hits"]
    assert hit == {
        "list": "tranco10k",
        "itself": False,
        "member": "big.example",
        "curated": False,
    }
    assert found[1]["key"] == {"type": "domain", "value": "a.big.example"}
    printed = cli("warninglist", "check", *asked).out
    assert "dropped, as it is itself on public-dns-v4" in printed
    assert "above or around" in printed


def test_check_does_not_choke_on_what_is_no_value(cli: Cli, lists: Path) -> None:
    cli("warninglist", "update", "--from", lists)
    done = cli("warninglist", "check", "10.0.0.1/8", "big.example")
    assert done.code == 0
    assert "10.0.0.1/8: network with host bits" in done.out
    assert "dropped" in done.out


def test_a_wrong_place_is_said(cli: Cli, short_path: Path) -> None:
    done = cli("warninglist", "update", "--from", "feed")
    assert done.code == 2
    assert "is a source that is no MISP" in done.err
    empty = short_path / "empty"
    empty.mkdir()
    assert "there are no warning lists in" in cli("warninglist", "update", "--from", empty).err


def test_without_lists_it_says_so(cli: Cli) -> None:
    for command in (("list",), ("check", "big.example")):
        done = cli("warninglist", *command)
        assert done.code == 0
        assert "there are no warning lists" in done.out


def test_a_setting_that_meets_no_list_is_pointed_out(
    cli: Cli, lists: Path, short_path: Path
) -> None:
    cli("warninglist", "update", "--from", lists)
    (short_path / "vedette.toml").write_text(
        '[guard]\nkeep_lists = ["cisco_*", "gogle"]\ndrop_lists = ["amazon-aws"]\n'
    )
    printed = cli("warninglist", "list").out
    assert "[guard] keep_lists: no list is named 'gogle'" in printed
    assert "cisco_*" not in printed
    assert "drop_lists:" not in printed
