from __future__ import annotations

from datetime import UTC, datetime

from vedette.misp.wire import Attribute, Decay, Event, Misfit, Org
from vedette.model import Fetched, Indicator, Rejected, Skipped, Withdrawn
from vedette.sources.filters import Filters
from vedette.sources.misp_group import Group

NOW = datetime(2026, 6, 15, tzinfo=UTC)


def test_what_is_skipped_is_counted_by_reason_and_told_before_the_end() -> None:
    group = Group("u", Event(info="x"), Filters(), now=NOW)
    attributes = [
        Attribute(type="domain", value="a.example"),
        Attribute(type="domain", value="b.example", to_ids=False),
        Attribute(type="domain", value="c.example", to_ids=False),
        Attribute(type="text", value="free text"),
        Attribute(type="domain", value="no name", uuid="d"),
    ]
    indicator, rejected = group.items(attributes)
    assert isinstance(indicator, Indicator)
    assert indicator.context.info == "x"
    assert isinstance(rejected, Rejected)
    assert rejected.ref == "u/d"
    assert list(group.end("7")) == [
        Skipped("no engine can match text: free text is not a network value", 1),
        Skipped("to_ids is false", 2),
        Fetched("u", "7"),
    ]


def test_counts_add_up_over_pages() -> None:
    group = Group("u", Event(), Filters(), now=NOW)
    for _ in range(3):
        assert not list(group.items([Attribute(type="domain", value="a.test", to_ids=False)]))
    assert list(group.end("7")) == [Skipped("to_ids is false", 3), Fetched("u", "7")]


def test_misfits_are_rejected_with_their_reference() -> None:
    group = Group("u", Event(), Filters(), now=NOW)
    assert list(group.items([], [Misfit("v", "a", "not a MISP attribute: x")])) == [
        Rejected("v", "u/a", "not a MISP attribute: x")
    ]


def test_an_event_that_is_left_out_whole_need_not_be_read() -> None:
    filters = Filters(exclude_organisations=("them",))
    group = Group("u", Event(orgc=Org("Them")), filters, now=NOW)
    assert group.reason == "organisation not wanted: Them"
    group.skip(1_000)
    assert list(group.end("7")) == [
        Skipped(group.reason, 1_000),
        Fetched("u", "7", group.reason),
    ]


def test_each_half_of_a_composite_says_when_it_was_last_changed_or_seen() -> None:
    group = Group("u", Event(timestamp="5"), Filters(), now=NOW)
    items = group.items(
        [
            Attribute(type="domain|ip", value="a.example|192.0.2.1", timestamp="1700000000"),
            Attribute(type="domain", value="b.example", last_seen="2024-01-01T00:00:00Z"),
            Attribute(type="domain", value="c.example"),
        ]
    )
    assert [(item.value, item.changed) for item in items if isinstance(item, Indicator)] == [
        ("a.example", 1_700_000_000),
        ("192.0.2.1", 1_700_000_000),
        ("b.example", 1_704_067_200),
        ("c.example", 5),
    ]


def test_what_has_decayed_is_void_from_a_moment_that_no_pull_moves() -> None:
    gone = Attribute(
        type="domain", value="a.example", timestamp="1700000000", decay_score=[Decay(decayed=True)]
    )
    lives = Attribute(type="domain", value="b.example", decay_score=[Decay(decayed=False)])
    for now in (NOW, NOW.replace(month=7)):
        first, second = Group("u", Event(), Filters(), now=now).items([gone, lives])
        assert isinstance(first, Indicator)
        assert isinstance(second, Indicator)
        assert (first.expires, second.expires) == (1_700_000_000, 0)


def test_why_a_value_goes_is_told_where_we_may_hold_it() -> None:
    flipped = [Attribute(type="domain", value="a.example", uuid="a", to_ids=False)]
    assert list(Group("u", Event(), Filters(), now=NOW, held=True).items(flipped)) == [
        Withdrawn("a", "to_ids is false")
    ]
    assert list(Group("u", Event(), Filters(), now=NOW).items(flipped)) == []
