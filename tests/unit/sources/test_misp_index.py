"""What a row of the list means, for every state that we may hold of its event."""

from __future__ import annotations

from typing import Any

import pytest

from vedette.misp.wire import IndexRow
from vedette.model import Fetched, Item, Skipped, Unchanged
from vedette.sources.misp_index import KEPT_MISSING, KEPT_UNPUBLISHED, Held, Rules

NOW = 1_700_000_000
DAY_S = 86_400
UUID = "5f0c2d1e-0000-4000-8000-000000000001"


def judge(held: str, *, timestamp: object = 5, published: bool = True, **rules: Any) -> list[Item]:
    """Judge one row; an empty list: it must be read."""
    row = IndexRow(uuid=UUID, id="1", timestamp=timestamp, published=published)  # type: ignore[arg-type]
    return list(make(held, **rules).judge(row) or ())


def make(held: str, **changes: Any) -> Held:
    rules: dict[str, Any] = {
        "stamp": "s.1",
        "published_only": True,
        "unpublished": "keep",
        "grace_s": 7 * DAY_S,
        "grace": "7d",
        "missing_grace_s": 0,
        "now": NOW,
    }
    return Held({UUID: held} if held else {}, Rules(**{**rules, **changes}))


def test_what_is_held_in_this_version_stays() -> None:
    assert judge("5:1/s.1") == [Unchanged(UUID)]


@pytest.mark.parametrize(
    "held", ["", "4:1/s.1", "6:1/s.1", "5:0/s.1", "5:1/t.1", "5:1/s.0", "5:1/s.1~", "nonsense"]
)
def test_everything_else_is_read(held: str) -> None:
    assert judge(held) == []


def test_a_timestamp_that_is_none_is_compared_too() -> None:
    assert judge("0:1/s.1", timestamp="garbage") == [Unchanged(UUID)]
    assert judge("0:1/s.1", timestamp=None) == [Unchanged(UUID)]


# -- publication


@pytest.mark.parametrize("held", ["", "5:0/s.0", "4:0/s.1"])
def test_a_draft_is_counted_and_holds_nothing(held: str) -> None:
    skipped, end = judge(held, published=False)
    assert skipped == Skipped("event is not published")
    assert isinstance(end, Fetched)
    assert (end.key, end.version) == (UUID, "5:0/s.1")
    assert judge("5:0/s.1", published=False) == [Unchanged(UUID)]


@pytest.mark.parametrize("held", ["4:1/s.1", "5:1/s.1", "5:1/s.0", "4:1/t.9"])
def test_an_unpublished_event_keeps_its_last_published_state_and_since_when(held: str) -> None:
    assert judge(held, published=False) == [Unchanged(UUID, f"{held}@{NOW}", KEPT_UNPUBLISHED)]


def test_since_when_it_is_kept_does_not_move() -> None:
    kept = f"4:1/s.1@{NOW - DAY_S}"
    assert judge(kept, published=False) == [Unchanged(UUID, "", KEPT_UNPUBLISHED)]


def test_after_its_grace_an_unpublished_event_goes_with_a_reason() -> None:
    kept = f"4:1/s.1@{NOW - 7 * DAY_S}"
    assert judge(kept, published=False) == [
        Skipped("event is not published"),
        Fetched(UUID, "5:0/s.1", "its event has been unpublished for 7d"),
    ]
    assert len(judge(f"4:1/s.1@{NOW - 7 * DAY_S + 1}", published=False)) == 1


def test_without_a_grace_it_is_kept_for_ever() -> None:
    kept = "4:1/s.1@1"
    assert judge(kept, published=False, grace_s=0) == [Unchanged(UUID, "", KEPT_UNPUBLISHED)]


def test_published_again_without_an_edit_it_only_loses_its_grace() -> None:
    assert judge(f"5:1/s.1@{NOW - 9}") == [Unchanged(UUID, "5:1/s.1")]


def test_published_again_with_an_edit_it_is_read() -> None:
    assert judge(f"4:1/s.1@{NOW - 9}") == []


def test_where_that_is_asked_for_it_goes_at_once() -> None:
    assert judge("5:1/s.1", published=False, unpublished="drop") == [
        Skipped("event is not published"),
        Fetched(UUID, "5:0/s.1", "its event was unpublished"),
    ]


def test_where_drafts_are_wanted_they_are_read_like_others() -> None:
    assert judge("", published=False, published_only=False) == []
    assert judge("5:0/s.1", published=False, published_only=False) == [Unchanged(UUID)]


# -- not shown any more


def test_what_the_server_does_not_show_is_gone() -> None:
    assert make("5:1/s.1").missing(UUID) is None


def test_where_the_server_hides_what_is_edited_it_stays_for_a_while() -> None:
    def missing(held: str) -> Item | None:
        return make(held, missing_grace_s=DAY_S).missing(UUID)

    assert missing("5:1/s.1") == Unchanged(UUID, f"5:1/s.1@{NOW}", KEPT_MISSING)
    assert missing(f"5:1/s.1@{NOW - 9}") == Unchanged(UUID, "", KEPT_MISSING)
    assert missing(f"5:1/s.1@{NOW - DAY_S}") is None
