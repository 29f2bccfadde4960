"""``vedette sighting``: asked of a daemon, as a shell would."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from vedette.testing.command import Cli


def shown(ask: Cli, *options: str) -> list[tuple[str, str]]:
    found = ask("sighting", "list", *options, "--json").json["sightings"]
    return [(one["field"], one["value"]) for one in found]


def test_a_list_has_the_last_seen_first_and_says_how_often_and_where(ask: Cli) -> None:
    listed = ask("sighting", "list")
    assert listed.code == 0
    rows = listed.out.splitlines()
    head = "last seen UTC  first seen UTC  count hosts  patient zero  field  value"
    assert rows[0].split() == head.split()
    assert "2026-01-23 11:00" in rows[1]
    assert any("dns.query" in row and "evil.example" in row and "10.0.0.9" in row for row in rows)
    times = [row[:16] for row in rows[1:]]
    assert times == sorted(times, reverse=True)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--field", "tls.sni"), {("tls.sni", "evil.example")}),
        (("--field", "tls"), {("tls.sni", "evil.example")}),
        (
            ("--below", "EVIL[.]example", "--field", "dns"),
            {("dns.query", "evil.example"), ("dns.query", "cdn.evil.example")},
        ),
        (("--contains", "GOOD"), {("dns.query", "www.good.example")}),
        (
            ("--sensor", "lab", "--field", "dns.query"),
            {("dns.query", "evil.example")},
        ),
        (
            ("--host", "10.0.0.9"),
            {("dns.query", "evil.example"), ("tls.sni", "evil.example")},
        ),
        (("--host", "10[.]0[.]0[.]1"), {("dns.query", "www.good.example")}),
        (("--until", "2026-01-02"), {("dns.query", "www.good.example")}),
        (("--since", "2026-01-23T10:59", "--field", "http.host"), {("http.host", "evil.example")}),
        (("--since", "1h"), set()),
    ],
)
def test_what_is_asked_for_is_what_is_listed(
    ask: Cli, options: tuple[str, ...], expected: set[tuple[str, str]]
) -> None:
    assert set(shown(ask, *options)) == expected


def test_a_limit_is_said_when_it_is_reached(ask: Cli) -> None:
    assert "this is the limit of 2" in ask("sighting", "list", "--limit", "2").out
    assert "limit" not in ask("sighting", "list", "--limit", "0").out


def test_new_ones_leave_out_the_learning_period_and_say_so(ask: Cli) -> None:
    new = ask("sighting", "list", "--new")
    assert "www.good.example" not in new.out
    assert "cdn.evil.example" in new.out
    assert "Learning ended 2026-01-08 08:00:00Z" in new.out
    everything = ask("sighting", "list", "--new", "--learning", "--json").json["sightings"]
    assert {one["value"]: one["learning"] for one in everything}["www.good.example"] is True
    assert {one["value"]: one["learning"] for one in everything}["cdn.evil.example"] is False


def test_each_value_is_new_once_and_the_latest_comes_first(ask: Cli) -> None:
    found = ask("sighting", "list", "--new", "--learning", "--limit", "0", "--json").json
    pairs = [(one["field"], one["value"]) for one in found["sightings"]]
    assert len(pairs) == len(set(pairs))
    assert set(pairs) == set(shown(ask, "--limit", "0"))
    times = [one["found_at"] for one in found["sightings"]]
    assert times == sorted(times, reverse=True)


def test_a_card_says_since_when_by_whom_first_and_who_lists_it(ask: Cli) -> None:
    card = ask("sighting", "show", "hxxp://EVIL[.]example")
    assert card.code == 0
    for part in (
        "evil.example",
        "first seen    2026-01-20 09:12:33Z  dns.query, on edge",
        "10.0.0.9 to 10.0.0.53",
        "last seen     2026-01-23 11:00:00Z  http.host",
        "seen by       3 hosts on 3 days, in 3 fields",
        "patient zero  10.0.0.9",
        "most on 2026-01-20: 2 times by 1 host",
        "bad: domain evil.example",
        "edge: 2026-01-01 08:00 to 2026-01-23 11:00, 5 events",
    ):
        assert part in card.out


def test_a_card_is_a_document_with_all_rows(ask: Cli) -> None:
    card = ask("sighting", "show", "evil.example", "--json").json
    assert {one["field"] for one in card["sightings"]} == {"dns.query", "tls.sni", "http.host"}
    (dns,) = (one for one in card["sightings"] if one["field"] == "dns.query")
    assert (dns["count"], dns["hosts"], dns["patient_zero"]) == (2, 2, "10.0.0.9")
    assert dns["first_seen"] == "2026-01-20T09:12:33.500000Z"
    assert [(day["day"], day["hosts"]) for day in card["days"]] == [
        ("2026-01-20", 1),
        ("2026-01-21", 1),
        ("2026-01-23", 1),
    ]
    assert {(one["client"], one["server"]) for one in card["who"]} == {
        ("10.0.0.9", "10.0.0.53"),
        ("10.0.0.9", "192.0.2.7"),
        ("10.0.0.12", "192.0.2.7"),
        ("10.1.0.4", "10.1.0.53"),
    }
    assert [one["value"] for one in card["listed"]] == ["evil.example"]


def test_names_below_are_asked_for(ask: Cli) -> None:
    assert "cdn.evil.example" not in ask("sighting", "show", "evil.example").out
    below = ask("sighting", "show", "evil.example", "--below")
    assert "evil.example and 1 more name" in below.out
    assert "cdn.evil.example" in below.out


def test_never_seen_is_an_answer_and_says_how_much_of_the_past_it_covers(ask: Cli) -> None:
    card = ask("sighting", "show", "quiet[.]example")
    assert card.code == 0
    assert "quiet[.]example: never seen" in card.out
    assert "spelt         quiet.example" in card.out
    assert "looked in     dns.query" in card.out
    assert "lab: 2026-01-21 07:00 to 2026-01-21 07:00, 1 events" in card.out
    assert ask("sighting", "show", "quiet.example", "--json").json["sightings"] == []


def test_a_url_that_was_never_seen_points_to_its_host(ask: Cli) -> None:
    card = ask("sighting", "show", "hxxps://evil[.]example/other")
    assert "vedette sighting show evil.example" in card.out


@pytest.mark.parametrize("form", ["ndjson", "csv", "discovery"])
def test_an_export_has_every_new_value(ask: Cli, form: str) -> None:
    out = ask("sighting", "export", "--new", "--learning", "--format", form).out
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(out, newline="")))
        values = [(row["field"], row["value"]) for row in rows]
    else:
        records = [json.loads(line) for line in out.splitlines()]
        values = [(one.get("field"), one.get("value")) for one in records]
    if form == "discovery":
        assert {one["event_type"] for one in records} == {"discovery"}
        values = [("", one["discovery"]["value"]) for one in records]
        assert sorted(value for _, value in values) == sorted(v for _, v in shown(ask))
        return
    assert set(values) == set(shown(ask, "--limit", "0"))


def test_a_cursor_goes_on_where_the_last_export_ended(ask: Cli, short_path: Path) -> None:
    cursor, first, second = (short_path / name for name in ("cursor", "first", "second"))
    done = ask("sighting", "export", "--new", "--cursor", cursor, "--output", first)
    assert done.code == 0
    assert len(first.read_text().splitlines()) > 0
    again = ask("sighting", "export", "--new", "--cursor", cursor, "--output", second, "--json")
    assert again.json["written"] == 0
    assert second.read_text() == ""


def test_csv_warns_of_formulas_and_defuses_them_on_request(ask: Cli) -> None:
    exact = ask("sighting", "export", "--format", "csv", "--field", "http.user_agent")
    assert ",=cmd|" in exact.out
    assert "a spreadsheet would run them" in exact.err
    options = ("--format", "csv", "--field", "http.user_agent", "--defuse")
    defused = ask("sighting", "export", *options)
    assert ",'=cmd|" in defused.out
    assert not defused.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("list", "--field", "dns.qurey"), "Did you mean dns.query"),
        (("list", "--since", "yesterday"), "6h or 7d"),
        (("list", "--host", "nobody"), "one IPv4 or IPv6 address"),
        (("list", "--host", "999.9"), "one IPv4 or IPv6 address"),
        (("list", "--host", "010.1.1.1"), "one IPv4 or IPv6 address"),
        (("list", "--limit", "-1"), "between 0 and"),
        (("list", "--limit", "99999999999999999999"), "between 0 and"),
        (("show", "x.example", "--who", "-1"), "between 0 and"),
        (("list", "--learning"), "Add --new"),
        (("export", "--cursor", "c"), "Add --new"),
        (("show", " "), "Quote the value"),
    ],
)
def test_what_means_nothing_is_refused_with_what_to_do(
    ask: Cli, arguments: tuple[str, ...], said: str
) -> None:
    refused = ask("sighting", *arguments)
    assert refused.code == 2
    assert said in refused.err


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1", "[2001:db8::1]"])
def test_any_address_is_a_host(ask: Cli, host: str) -> None:
    answer = ask("sighting", "list", "--host", host, "--since", "0001-01-01")
    assert answer.code == 0
    assert "Nothing fits." in answer.out


def test_an_export_to_standard_output_is_no_json_document(ask: Cli) -> None:
    refused = ask("sighting", "export", "--json")
    assert refused.code == 2
    assert "--output FILE" in refused.json["hint"]


def test_nothing_that_fits_says_where_it_was_looked_for(ask: Cli) -> None:
    nothing = ask("sighting", "list", "--contains", "no such thing")
    assert nothing.code == 0
    assert "Nothing fits." in nothing.out
    assert "edge: 2026-01-01 08:00" in nothing.out
