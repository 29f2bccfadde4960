"""``vedette allow`` and ``deny``: who, when, why, until; nothing is forgotten."""

from __future__ import annotations

from pathlib import Path

import pytest

from vedette.testing.command import Cli


@pytest.fixture(autouse=True)
def feed(cli: Cli, short_path: Path) -> None:
    cli("init")
    (short_path / "bad.txt").write_text("evil.example\ncdn.example\nwww.cdn.example\n192.0.2.7\n")
    cli("source", "add", "list", short_path / "bad.txt", "--type", "domain", "--name", "feed")
    cli("source", "pull")


def test_a_name_is_allowed_with_all_below_it_and_says_what_that_touches(cli: Cli) -> None:
    done = cli("allow", "add", "hxxp://CDN[.]example", "--why", "our CDN", "--by", "ann")
    assert done.code == 0
    assert "2 listed indicators" in done.out
    assert "vedette bundle build" in done.out
    (one,) = cli("allow", "list", "--json").json
    ruling = one["ruling"]
    assert (ruling["value"], ruling["who"], ruling["why"]) == ("cdn.example", "ann", "our CDN")
    assert (ruling["below"], ruling["until"], ruling["type"]) == (True, 0, "")
    listed = cli("allow", "list").out
    assert "our CDN" in listed
    assert "for good" in listed


def test_exact_is_the_value_alone(cli: Cli) -> None:
    done = cli("allow", "add", "cdn.example", "--exact", "--why", "x", "--json").json
    assert done["touched"] == 1
    assert not done["made"][0]["below"]


def test_networks_and_several_at_once(cli: Cli) -> None:
    done = cli("allow", "add", "192.0.2.0/24", "10.0.0.0/8", "--why", "ours", "--json").json
    assert [one["value"] for one in done["made"]] == ["192.0.2.0/24", "10.0.0.0/8"]
    assert done["touched"] == 1


def test_no_reason_no_ruling(cli: Cli) -> None:
    assert cli("allow", "add", "cdn.example").code == 2
    empty = cli("allow", "add", "cdn.example", "--why", " ")
    assert (empty.code, cli("allow", "list", "--json").json) == (2, [])
    assert "--why" in empty.err


def test_a_bad_value_rules_on_none(cli: Cli) -> None:
    done = cli("allow", "add", "cdn.example", "10.0.0.1/8", "--why", "x")
    assert done.code == 2
    assert "host bits" in done.err
    assert cli("allow", "list", "--json").json == []


def test_what_is_taken_off_the_list_stays_known(cli: Cli) -> None:
    cli("allow", "add", "cdn.example", "--why", "our CDN", "--until", "30d", "--by", "ann")
    gone = cli("allow", "remove", "CDN[.]example", "--why", "moved", "--by", "bob")
    assert gone.code == 0
    assert "2 listed indicators" in gone.out
    assert cli("allow", "list", "--json").json == []
    (one,) = cli("allow", "list", "--all", "--json").json
    assert (one["ended_by"], one["ended_why"], one["ruling"]["who"]) == ("bob", "moved", "ann")
    assert "ended" in cli("allow", "list", "--all").out
    again = cli("allow", "remove", "cdn.example", "--why", "again")
    assert again.code == 2
    assert "allow list" in again.err


def test_a_denied_value_that_nobody_lists_says_how_to_list_it(cli: Cli) -> None:
    listed = cli("deny", "add", "evil.example", "--why", "in our report")
    assert "1 listed indicator" in listed.out
    unlisted = cli("deny", "add", "other.example", "--why", "in our report")
    assert unlisted.code == 0
    assert "echo other.example | vedette indicator import - --name" in unlisted.out
    both = cli("deny", "add", "192.0.2.0/24", "more.example", "--why", "x", "--json").json
    assert (both["touched"], both["unlisted"]) == (1, ["more.example"])
    assert len(cli("deny", "list", "--json").json) == 4
    assert cli("allow", "list", "--json").json == []


def test_one_cannot_allow_what_another_denies(cli: Cli) -> None:
    cli("deny", "add", "evil.example", "--why", "in our report", "--by", "ann")
    refused = cli("allow", "add", "evil.example", "--why", "x")
    assert refused.code == 2
    assert "in our report (ann)" in refused.err
    assert "vedette deny remove evil.example" in refused.err


def test_a_type_may_be_said(cli: Cli) -> None:
    done = cli(
        "deny", "add", "Mozilla/5.0 (x)", "--type", "user-agent", "--why", "x", "--json"
    ).json
    assert (done["made"][0]["type"], done["made"][0]["below"]) == ("user-agent", False)
    asked = cli("deny", "add", "Mozilla/5.0 (x)", "--why", "x")
    assert asked.code == 2
    assert "--type user-agent" in asked.err


def test_who_allows_a_name_below_a_published_one_is_told_that_it_alerts(cli: Cli) -> None:
    cli("bundle", "build")
    done = cli("allow", "add", "img.cdn.example", "--why", "x", "--json")
    assert done.json["alerting"] == [["img.cdn.example", "cdn.example"]]
    told = cli("allow", "add", "img.cdn.example", "--why", "x").out
    assert "img.cdn.example goes on alerting: cdn.example" in told
    assert "vedette allow add cdn.example" in told
    assert not cli("allow", "add", "cdn.example", "--why", "x", "--json").json["alerting"]


def test_a_denial_that_changes_nothing_says_so(cli: Cli, short_path: Path) -> None:
    (short_path / "vedette.toml").write_text('[guard]\nown = ["cdn.example"]\n')
    cli("bundle", "build")
    done = cli("deny", "add", "www.cdn.example", "evil.example", "--why", "x")
    assert "www.cdn.example stays off the sensors: our own: cdn.example" in done.out
    assert "evil.example stays" not in done.out
