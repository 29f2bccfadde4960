from __future__ import annotations

import pytest

from vedette.misp.times import is_decayed, iso_seconds, last_change, seconds
from vedette.misp.wire import Attribute, Decay

NOW = 1_700_000_000


def attribute(**fields: object) -> Attribute:
    return Attribute(type="domain", value="a.example", **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [("1700000000", NOW), (NOW, NOW), (17.9, 17), ("", 0), (None, 0), ("-5", 0), ("x", 0)],
)
def test_timestamps_come_as_strings_numbers_and_nonsense(stamp: object, expected: int) -> None:
    assert seconds(stamp) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("stamp", ["1e999", "nan", float("inf")])
def test_a_number_that_is_none_is_no_time(stamp: object) -> None:
    assert seconds(stamp) == 0  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2023-11-14T22:13:20+00:00", NOW),
        ("2023-11-14T23:13:20.000000+0100", NOW),
        ("2023-11-14T22:13:20", NOW),
        ("yesterday", 0),
        (None, 0),
        ("0001-01-01T00:00:00+14:00", 0),
    ],
)
def test_last_seen_is_read_in_any_zone(text: str | None, expected: int) -> None:
    assert iso_seconds(text) == expected


def test_the_last_change_is_the_later_of_edit_and_last_sight() -> None:
    seen = "2023-11-14T22:13:20+00:00"
    late = attribute(timestamp=str(NOW - 9), last_seen=seen)
    early = attribute(timestamp=str(NOW + 9), last_seen=seen)
    assert last_change(late, event_time=5, now=NOW) == NOW
    assert last_change(early, event_time=5, now=NOW) == NOW + 9


def test_an_attribute_without_time_has_its_events() -> None:
    assert last_change(attribute(), event_time=5, now=NOW) == 5
    assert last_change(attribute(), event_time=0, now=NOW) == 0


def test_a_time_in_the_future_does_not_keep_an_indicator_for_ever() -> None:
    future = attribute(timestamp="1600000000", last_seen="2099-01-01T00:00:00+00:00")
    assert last_change(future, event_time=5, now=NOW) == 1_600_000_000
    assert last_change(attribute(timestamp=4_000_000_000), event_time=5, now=NOW) == 5
    assert last_change(attribute(), event_time=4_000_000_000, now=NOW) == 0


def test_only_all_models_together_call_an_attribute_void() -> None:
    assert is_decayed(attribute(decay_score=[Decay(decayed=True), Decay(decayed=True)]))
    assert not is_decayed(attribute(decay_score=[Decay(decayed=True), Decay(decayed=False)]))
    assert not is_decayed(attribute(decay_score=[]))
    assert not is_decayed(attribute())
