"""``vedette indicator``: the card, the inbox, release and hold, as a shell would."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from vedette.testing.command import Cli

NAMES = ("evil.example", "www.evil.example", "other.example", "third.example", "ours.example")


@pytest.fixture
def inbox(cli: Cli, short_path: Path) -> Cli:
    """A list whose new indicators wait for a person, one of ours among them, built once."""
    cli("init")
    (short_path / "vedette.toml").write_text('[guard]\nown = ["ours.example"]\n')
    (short_path / "bad.txt").write_text("\n".join([*NAMES, "duckdns.org", "localhost"]) + "\n")
    cli("source", "add", "list", short_path / "bad.txt", "--type", "domain", "--name", "feed")
    cli("source", "rules", "feed", "--review")
    cli("source", "pull")
    assert cli("bundle", "build").code == 0
    return cli


def held(cli: Cli, *options: str) -> list[str]:
    found = cli("indicator", "list", *options, "--json").json["indicators"]
    return [one["value"] for one in found]


def test_the_card_answers_why_in_one_command(inbox: Cli) -> None:
    shown = inbox("indicator", "show", "hxxp://www[.]evil[.]example")
    assert shown.code == 0
    for text in (
        "HELD, not on the sensors",
        "whose new indicators wait for a person",
        "feed: feed",
        "review       hold",
        "allow        pass",
        "vedette indicator release www.evil.example",
        "domain  evil.example",
    ):
        assert text in shown.out
    document = inbox("indicator", "show", "www.evil.example", "--json").json
    assert [one["value"] for one in document["indicators"]] == ["www.evil.example", "evil.example"]
    assert document["indicators"][0]["verdict"]["test"] == "review"


def test_the_card_of_what_nobody_lists_says_why(inbox: Cli) -> None:
    shown = inbox("indicator", "show", "localhost")
    assert shown.code == 0
    assert "it cannot be an indicator: single label" in shown.out
    assert "feed has exactly this" in shown.out
    absent = inbox("indicator", "show", "absent.example").out
    assert "no source lists 'absent.example'" in absent
    assert "echo absent.example | vedette indicator import - --name NAME" in absent
    assert inbox("indicator", "show", " ").code == 2


def test_the_inbox_lists_what_is_held_by_reason(inbox: Cli) -> None:
    assert set(held(inbox)) == {*NAMES[:4], "duckdns.org"}
    assert held(inbox, "--dropped") == ["ours.example"]
    assert held(inbox, "--limit", "1", "--held") == held(inbox)[:1]
    assert held(inbox, "--reason", "review") == held(inbox)
    assert held(inbox, "--reason", "prevalence") == []
    assert held(inbox, "--type", "hostname") == []
    shown = inbox("indicator", "list")
    assert "review: 5" in shown.out
    assert "vedette indicator release" in shown.out
    assert inbox("indicator", "list", "--source", "none").code == 2


def test_nothing_is_dropped_without_a_trace(inbox: Cli) -> None:
    found = inbox("indicator", "list", "--summary", "--json").json
    counts = found["counts"]
    assert counts["listed"] == 6
    parts = ("published", "exact", "held", "dropped", "waiting")
    assert sum(counts[part] for part in parts) == counts["listed"]
    assert (counts["held"], counts["dropped"]) == (5, 1)
    by_test = {one["test"]: one["indicators"] for one in found["tests"]}
    assert by_test == {"review": 5, "own": 1}
    by_source = inbox("indicator", "list", "--summary", "--source", "feed", "--json").json
    assert by_source["counts"] == counts
    assert "dropped" in inbox("indicator", "list", "--summary").out


def test_a_released_indicator_is_published_and_says_who_released_it(inbox: Cli) -> None:
    done = inbox(
        "indicator", "release", "Evil[.]example", "duckdns.org", "--why", "read it", "--by", "ann"
    )
    assert done.code == 0
    assert "vedette bundle build" in done.out
    assert inbox("bundle", "build").code == 0
    assert set(held(inbox)) == {"www.evil.example", "other.example", "third.example"}
    assert held(inbox, "--exact") == ["duckdns.org"]
    shown = inbox("indicator", "show", "evil.example").out
    assert "published" in shown
    assert "by ann" in shown
    assert "read it" in shown


def test_many_are_released_from_a_file_and_standard_input(
    inbox: Cli, short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (short_path / "good.txt").write_text("# fine\nother.example\nthird[.]example\nabsent.example\n")
    monkeypatch.setattr("sys.stdin", io.StringIO("evil.example\n"))
    options = ("--file", short_path / "good.txt", "--why", "read them", "--json")
    done = inbox("indicator", "release", "-", *options)
    assert done.code == 2, "one of them is not listed"
    assert done.json["refused"] == [["absent.example", "no source lists it"]]
    assert len(done.json["made"]) == 3
    inbox("bundle", "build")
    assert set(held(inbox)) == {"www.evil.example", "duckdns.org"}


def test_what_is_not_held_or_is_allowed_is_not_released(inbox: Cli) -> None:
    inbox("allow", "add", "other.example", "--why", "ours")
    inbox("indicator", "release", "evil.example", "--why", "fine")
    inbox("bundle", "build")
    done = inbox("indicator", "release", "evil.example", "other.example", "--why", "x")
    assert done.code == 2
    assert "evil.example: it is not held" in done.out
    assert "allow list" in done.out


def test_all_of_a_reason_are_released_after_a_question(
    inbox: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ("indicator", "release", "--all", "--reason", "review", "--why", "the feed is fine")
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert inbox(*asked).code == 130
    assert len(held(inbox)) == 5
    assert inbox(*asked, "--yes").code == 0
    inbox("bundle", "build")
    assert held(inbox) == []
    assert inbox(*asked, "--yes").code == 2, "nothing is left"
    assert inbox("indicator", "release", "--why", "x").code == 2
    assert inbox("indicator", "release", "a.example", "--all", "--why", "x").code == 2


def test_a_person_holds_what_is_published_until_a_person_releases_it(inbox: Cli) -> None:
    inbox("indicator", "release", "--all", "--yes", "--why", "fine")
    inbox("bundle", "build")
    assert inbox("indicator", "hold", "evil.example", "--why", "noisy", "--by", "bob").code == 0
    inbox("bundle", "build")
    assert held(inbox) == ["evil.example"]
    assert "noisy" in inbox("indicator", "list").out
    assert inbox("indicator", "release", "evil.example", "--why", "fixed").code == 0
    inbox("bundle", "build")
    assert held(inbox) == []
    assert inbox("indicator", "hold", "--why", "x").code == 2


def test_a_release_takes_a_hold_back_before_any_build(inbox: Cli) -> None:
    inbox("indicator", "release", "--all", "--yes", "--why", "fine")
    inbox("bundle", "build")
    inbox("indicator", "hold", "evil.example", "--why", "noisy")
    assert inbox("indicator", "release", "evil.example", "--why", "sorry").code == 0
    inbox("bundle", "build")
    assert held(inbox) == []


def test_what_never_fired_is_counted(inbox: Cli) -> None:
    fired = inbox("indicator", "list", "--fired", "--json").json
    assert (fired["listed"], fired["fired"], fired["indicators"]) == (6, 0, [])
    never = inbox("indicator", "list", "--never-fired", "--limit", "2", "--json").json
    assert (never["never_fired"], len(never["indicators"])) == (6, 2)
    assert "0 of 6 listed indicators ever fired" in inbox("indicator", "list", "--fired").out
    assert inbox("indicator", "list", "--fired", "--reason", "x").code == 2


def test_coverage_counts_what_is_published_and_says_what_is_not(inbox: Cli) -> None:
    found = inbox("coverage", "--json").json
    assert sum(row["current"] for row in found["table"]) == 0
    assert found["guard"]["held"] == 5
    assert "5 are held" in inbox("coverage").out


def test_a_source_says_what_became_of_its_indicators(inbox: Cli) -> None:
    (listed,) = inbox("source", "list", "--json").json
    assert (listed["guard"]["held"], listed["guard"]["dropped"]) == (5, 1)
    assert listed["entries"] == 6
    shown = inbox("source", "show", "feed")
    assert "6 indicators: 0 published, 5 held, 1 dropped" in shown.out
    assert inbox("source", "show", "feed", "--json").json["guard"] == listed["guard"]


def test_the_card_says_in_short_what_our_network_showed(ask: Cli) -> None:
    seen = ask("indicator", "show", "evil.example", "--json").json["past"]
    assert (seen["values"], seen["first_seen"][:10], seen["last_seen"][:10]) == (
        2,
        "2026-01-20",
        "2026-01-23",
    )
    assert "our network showed it and 1 name below" in ask("indicator", "show", "evil.example").out
    assert "never showed it" in ask("indicator", "show", "absent.example").out


def test_the_card_needs_no_memory(inbox: Cli) -> None:
    assert inbox("indicator", "show", "evil.example", "--json").json["past"] is None


def test_a_release_that_changes_nothing_is_refused(cli: Cli, short_path: Path) -> None:
    cli("init")
    (short_path / "vedette.toml").write_text('[guard]\nown = ["ours.example"]\n')
    (short_path / "bad.txt").write_text("ours.example\nevil.example\n")
    cli("source", "add", "list", short_path / "bad.txt", "--type", "domain", "--name", "feed")
    cli("source", "pull")
    cli("bundle", "build")
    done = cli("indicator", "release", "ours.example", "--why", "x")
    assert done.code == 2
    assert "a release does not bring it back: our own: ours.example" in done.out
    assert cli("allow", "list", "--json").json == []
    assert cli("indicator", "hold", "ours.example", "--why", "x").code == 0
    assert cli("indicator", "release", "ours.example", "--why", "x").code == 0, "the hold ends"


def test_what_is_held_below_a_published_name_is_said_to_alert(cli: Cli, short_path: Path) -> None:
    cli("init")
    (short_path / "bad.txt").write_text("evil.example\ncdn.evil.example\n")
    cli("source", "add", "list", short_path / "bad.txt", "--type", "domain", "--name", "feed")
    cli("source", "pull")
    cli("bundle", "build")
    held_now = cli("indicator", "hold", "cdn.evil.example", "--why", "x", "--until", "2h")
    assert "cdn.evil.example goes on alerting: evil.example" in held_now.out
    cli("bundle", "build")
    card = cli("indicator", "show", "cdn.evil.example").out
    assert "cdn.evil.example  HELD, but evil.example alerts on it" in card
    assert "vedette indicator show evil.example" in card
    cli("indicator", "hold", "evil.example", "--why", "x")
    cli("bundle", "build")
    assert "HELD, not on the sensors" in cli("indicator", "show", "cdn.evil.example").out
