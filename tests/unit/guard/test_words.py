from __future__ import annotations

from vedette.guard.words import day, plural, said, span
from vedette.model import Ruling, RulingKind


def test_spans_are_told_in_their_largest_whole_unit() -> None:
    assert [span(n) for n in (86_400, 90 * 86_400, 90_000, 5_400, 61)] == [
        "1 day",
        "90 days",
        "25 hours",
        "90 minutes",
        "61 seconds",
    ]


def test_days_are_dates_even_at_the_end_of_time() -> None:
    assert day(0) == "1970-01-01"
    assert day(2**62).startswith("9998") or day(2**62).startswith("9999")


def test_thousands_are_marked() -> None:
    assert plural(1_200, "time") == "1,200 times"


def test_an_end_is_told_to_the_minute() -> None:
    ruling = Ruling(
        id=1,
        kind=RulingKind.HOLD,
        value="a",
        type="",
        below=False,
        who="ann",
        why="w",
        at=1_790_000_000,
        until=1_790_007_200,
    )
    assert said(ruling) == "by ann on 2026-09-21 until 2026-09-21 16:13Z: w"
