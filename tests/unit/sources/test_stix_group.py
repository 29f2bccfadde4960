"""How versions of STIX objects, and of all of them, are told apart."""

from __future__ import annotations

import json

from vedette.model import Broken, Fetched, Indicator, Skipped, Unchanged
from vedette.sources.stix_group import NOTES, Groups, Notes, read_notes, summed, write_notes
from vedette.stix.convert import Defaults
from vedette.stix.surroundings import Surroundings
from vedette.stix.wire import Head, read

PATTERN = "[ipv4-addr:value = '198.51.100.7' OR ipv4-addr:value = '198.51.100.7/32']"


def groups(known: dict[str, str], stamp: str = "s") -> Groups:
    return Groups(known, Defaults(info="x"), Surroundings(), stamp=stamp, now=1_800_000_000.0)


def an_object(**more: object) -> tuple[Head, bytes]:
    raw = json.dumps({"type": "indicator", "id": "i", "pattern": PATTERN, **more}).encode()
    return read(raw, Head), raw


def test_the_sum_knows_every_group_whatever_the_order() -> None:
    first = {"a": "1", "b": "2", NOTES: "x"}
    assert summed(first) == summed({NOTES: "y", "b": "2", "a": "1"})
    for other in ({"a": "1"}, {"a": "2", "b": "1"}, {"a": "1", "b": "2", "c": ""}):
        assert summed({**other, NOTES: "x"}) != summed(first)


def test_notes_hold_only_for_the_same_settings_groups_and_time() -> None:
    known = {"a": "1", NOTES: ""}
    notes = Notes(stamp="s", held=summed(known), due=100)
    assert notes.hold(known, "s", 99.0)
    assert not notes.hold(known, "s", 100.0)
    assert not notes.hold(known, "t", 99.0)
    assert not notes.hold({**known, "b": "1"}, "s", 99.0)
    assert not Notes().hold({}, "", 0.0)


def test_notes_that_nobody_understands_are_empty() -> None:
    notes = Notes(stamp="s", added_after="2026-01-01T00:00:00Z")
    assert read_notes(write_notes(notes)) == notes
    assert read_notes("{") == read_notes("[1]") == Notes()


def test_a_value_that_two_branches_name_comes_once() -> None:
    items = list(groups({}).group(*an_object()))
    assert [type(item) for item in items] == [Indicator, Fetched]


def test_other_settings_read_an_object_again() -> None:
    made = groups({})
    list(made.group(*an_object()))
    assert [type(i) for i in groups(made.versions).group(*an_object())] == [Unchanged]
    again = list(groups(made.versions, stamp="t").group(*an_object()))
    assert isinstance(again[-1], Fetched)


def test_what_was_broken_makes_the_next_pull_look_again() -> None:
    made = groups({})
    assert [type(i) for i in made.group(*an_object(valid_until="soon"))] == [Broken]
    (*_, end) = made.end(Notes(), {})
    assert isinstance(end, Fetched)
    assert read_notes(end.version).held == ""


def test_the_first_time_that_something_becomes_valid_is_noted() -> None:
    made = groups({})
    list(made.group(*an_object(valid_from="2100-01-01T00:00:00Z")))
    found = list(made.group(*an_object(id="j", valid_from="2090-01-01T00:00:00Z")))
    assert found[0] == Skipped("not valid yet")
    assert made.due == 3_786_912_000
