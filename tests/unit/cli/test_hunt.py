"""``vedette hunt``: asked of a daemon, as a shell would."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from vedette.testing.command import Cli, Outcome

Pipe = Callable[..., Outcome]


@pytest.fixture
def pipe(ask: Cli, monkeypatch: pytest.MonkeyPatch) -> Pipe:
    """Run a command with something piped into it."""

    class Piped(io.TextIOWrapper):
        def isatty(self) -> bool:
            return False

    def run(text: str, *arguments: object) -> Outcome:
        monkeypatch.setattr("sys.stdin", Piped(io.BytesIO(text.encode())))
        return ask(*arguments)

    return run


def observed(answer: Outcome) -> set[tuple[str, str, str]]:
    found = [one["found"] for one in answer.json["findings"]]
    return {(one["type"], one["field"], one["observed"]) for one in found}


EVIL = {
    ("domain", "dns.query", "evil.example"),
    ("domain", "dns.query", "cdn.evil.example"),
    ("domain", "tls.sni", "evil.example"),
    ("domain", "http.host", "evil.example"),
}


def test_a_file_of_anything_is_hunted_and_says_what_became_of_it(
    ask: Cli, short_path: Path
) -> None:
    report = short_path / "report.txt"
    report.write_text("It asks hxxp://www[.]good[.]example/ and eViL[.]example, not 999.1.2.3.\n")
    answer = ask("hunt", "run", report, "--json")
    assert answer.code == 0
    assert observed(answer) == {*EVIL, ("hostname", "dns.query", "www.good.example")}
    given = answer.json["given"]
    assert given["types"] == {"hostname": 1, "domain": 1}
    assert given["rejected"] == {"not an IP address": 1}
    sensors = [one["sensor"] for one in answer.json["coverage"]["sensors"]]
    assert sorted(sensors) == ["edge", "lab"]


def test_people_see_findings_by_indicator_and_what_the_answer_covers(ask: Cli) -> None:
    told = ask("hunt", "run", "evil.example").out
    assert told.startswith("evil.example: 1 of 1 indicator met")
    assert "patient zero" in told
    assert "10.0.0.9" in told
    assert "covered       edge: 2026-01-01 08:00 to 2026-01-23 11:00" in told
    assert "lab has said nothing for" in told
    assert "not published yet when it was last seen; the next time alerts" in told


def test_that_nothing_was_found_is_an_answer(ask: Cli) -> None:
    never = ask("hunt", "run", "never.example", "10.99.0.0/16")
    assert never.code == 0
    assert "0 of 3 indicators met" in never.out
    assert "Nothing of it was ever seen." in never.out
    assert "covered" in never.out


def test_what_is_piped_in_is_hunted(pipe: Pipe) -> None:
    assert observed(pipe("Evil[.]example\r\n", "hunt", "run", "-", "--json")) == EVIL
    assert observed(pipe("Evil[.]example\r\n", "hunt", "run", "--json")) == EVIL
    assert pipe("", "hunt", "run", "--json").json["given"]["indicators"] == 0


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("evil.example", "--exact"), {("hostname", *one[1:]) for one in EVIL} - {
            ("hostname", "dns.query", "cdn.evil.example")
        }),
        (("evil.example/x",), {("url", "http.url", "evil.example/x")}),
        (
            ("evil.example/x", "--hosts"),
            {
                ("url", "http.url", "evil.example/x"),
                ("hostname", "dns.query", "evil.example"),
                ("hostname", "tls.sni", "evil.example"),
                ("hostname", "http.host", "evil.example"),
            },
        ),
        (("=cmd|' /C calc'!A0", "--type", "user-agent"), {
            ("user-agent", "http.user_agent", "=cmd|' /C calc'!A0")
        }),
        (("evil.example", "--since", "2026-01-23"), {("domain", "http.host", "evil.example")}),
        (
            ("evil.example", "--since", "2026-01-21T12:00", "--until", "2026-01-22T12:00"),
            {("domain", "dns.query", "cdn.evil.example")},
        ),
        (("192.0.2.0/24",), set()),
    ],
)  # fmt: skip
def test_what_is_meant_is_what_is_found(
    ask: Cli, options: tuple[str, ...], expected: set[tuple[str, str, str]]
) -> None:
    assert observed(ask("hunt", "run", *options, "--json")) == expected


def test_what_was_seen_outside_of_the_time_is_said(ask: Cli) -> None:
    told = ask("hunt", "run", "evil.example", "--since", "1h").out
    assert "4 more were seen, but not in the time that was asked for" in told


def test_csv_has_every_finding_on_one_line(ask: Cli) -> None:
    rows = list(csv.DictReader(io.StringIO(ask("hunt", "run", "evil.example", "--csv").out)))
    assert {("domain", row["field"], row["observed"]) for row in rows} == EVIL
    first = next(row for row in rows if row["field"] == "tls.sni")
    assert first["first_seen"] == "2026-01-20T09:12:34.000000Z"
    assert (first["count"], first["patient_zero"], first["sensor"]) == ("1", "10.0.0.9", "edge")
    assert first["match"] == "subdomain"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere.txt",), "neither a file, a saved hunt, nor a value"),
        (("/no/such/list",), "cannot read the list /no/such/list"),
        (("hello",), "neither a file, a saved hunt, nor a value"),
        (("",), "nothing to look for"),
        (("evil.example", "--since", "soon"), "neither an age nor a time"),
        (("evil.example", "--csv", "--json"), "exclude each other"),
        (("evil.example", "--in", "nowhere"), "no place 'nowhere'"),
        (("evil.example", "--save"), "the hunt has no name"),
        (("evil.example", "--save", "--name", "a/b"), "cannot be named"),
    ],
)
def test_what_cannot_mean_anything_is_said(ask: Cli, arguments: tuple[str, ...], said: str) -> None:
    refused = ask("hunt", "run", *arguments)
    assert refused.code == 2
    assert said in refused.err or said in refused.out


def test_a_directory_and_a_pdf_are_no_lists(ask: Cli, short_path: Path) -> None:
    assert "a directory, not a file" in ask("hunt", "run", short_path).err
    (short_path / "x.pdf").write_bytes(b"%PDF-1.4 evil.example")
    assert "is no text" in ask("hunt", "run", short_path / "x.pdf").err


def test_a_saved_hunt_tells_what_changed(ask: Cli, short_path: Path) -> None:
    ioc = short_path / "weekly.txt"
    ioc.write_text("www.good.example\n")
    saved = ask("hunt", "run", ioc, "--save", "--json").json
    assert (saved["hunt"], saved["changes"]) == ("weekly", None)
    assert "already a hunt" in ask("hunt", "run", ioc, "--save").err
    ioc.write_text("cdn.evil.example\n")
    again = ask("hunt", "run", "weekly", "--json").json["changes"]
    assert [one["observed"] for one in again["new"]] == ["cdn.evil.example"]
    assert [one["observed"] for one in again["gone"]] == ["www.good.example"]
    third = ask("hunt", "run", "weekly").out
    assert "since then    0 new, 0 seen again, 0 gone, 1 the same" in third
    listed = ask("hunt", "list").out
    assert "weekly" in listed
    shown = ask("hunt", "show", "weekly", "--json").json
    assert [one["run"]["body"]["found"] for one in shown] == [1, 1, 1]
    run = ask("hunt", "show", shown[1]["run"]["id"]).out
    assert "1 new, 0 seen again, 1 gone" in run
    assert "cdn.evil.example" in run
    assert "covered" in run
    assert "saved hunt, which knows" in ask("hunt", "run", "weekly", "--exact").err
    assert ask("hunt", "remove", "weekly").code == 0
    assert ask("hunt", "show", "weekly").code == 2


def test_a_saved_hunt_keeps_what_was_piped_in(pipe: Pipe, ask: Cli, past: Path) -> None:
    first = pipe("cdn.evil.example\n", "hunt", "run", "-", "--save", "--name", "pasted", "--json")
    again = ask("hunt", "run", "pasted", "--json")
    assert observed(first) == observed(again) == {("domain", "dns.query", "cdn.evil.example")}
    copy = past.parent / "state/hunts/pasted.list"
    assert copy.read_text() == "cdn.evil.example\n"
    ask("hunt", "remove", "pasted")
    assert not copy.exists()


def test_a_hunt_that_fails_is_not_saved(ask: Cli, short_path: Path) -> None:
    (short_path / "bad.pdf").write_bytes(b"%PDF-1.4")
    assert ask("hunt", "run", short_path / "bad.pdf", "--save").code == 2
    assert "bad" not in [one["name"] for one in ask("hunt", "list", "--json").json]


def test_new_indicators_become_retro_hits_that_are_listed(ask: Cli) -> None:
    hunted = ask("hunt", "new", "--json").json
    assert hunted["everything"]
    assert ask("hunt", "new").code == 0
    hits = ask("hit", "list", "--retro", "--json").json
    assert {(hit["buffer"], hit["observed"]) for hit in hits} == {one[1:] for one in EVIL}
    told = ask("hit", "list", "--retro").out
    assert "found by a hunt; seen by 2 hosts" in told
    assert "seen by this host alone" in told
    assert "live alert: not published yet when it was last seen" in told
    assert ask("hit", "list", "--live", "--json").json == []
    assert "exclude each other" in ask("hit", "list", "--live", "--retro").err
    runs = ask("hunt", "show", "--json").json
    assert any(one["run"]["label"] == "all indicators" for one in runs)


def test_a_field_that_is_not_remembered_is_said(ask: Cli) -> None:
    told = ask("hunt", "run", "a=b", "--type", "cookie").out
    assert "not in        http.cookie: vedette.toml says not to remember it" in told
    document = json.loads(ask("hunt", "run", "a=b", "--type", "cookie", "--json").out)
    assert list(document["not_in"]) == ["http.cookie"]
