"""What a pull promises: whole groups, nothing lost by a failure, held when it shrinks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.errors import HeldError
from vedette.model import (
    Broken,
    Context,
    Fetched,
    Indicator,
    IndicatorType,
    Item,
    Key,
    Rejected,
    Skipped,
    Unchanged,
    Withdrawn,
)
from vedette.store import Pull, PullSummary, Store
from vedette.store.bounds import most_entries

DOMAIN = IndicatorType.DOMAIN


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "vedette.db") as opened:
        opened.add_source("feed", "list", {}, 900)
        yield opened


def event(key: str, *names: str, version: str = "1", info: str = "") -> list[Item]:
    context = Context(key=key, info=info or f"event {key}")
    rows: list[Item] = [
        Indicator(type=DOMAIN, value=name, ref=f"{key}/{name}", context=context) for name in names
    ]
    return [*rows, Fetched(key, version)]


def take_all(running: Pull, items: Iterable[Item]) -> None:
    for item in items:
        running.take(item)


def pull(store: Store, *items: Item, accept: bool = False, source: str = "feed") -> PullSummary:
    running = store.pull(source)
    take_all(running, items)
    return running.finish(accept=accept)


def names(store: Store) -> list[str]:
    return [key.value for key in store.entries.keys(DOMAIN)]


def test_indicators_are_in_force_once_the_pull_is_finished(store: Store) -> None:
    running = store.pull("feed")
    for item in event("e1", "evil.example", "bad.example"):
        running.take(item)
    assert names(store) == []
    summary = running.finish()
    assert names(store) == ["bad.example", "evil.example"]
    assert (summary.outcome, summary.added, summary.entries) == ("changed", 2, 2)


def test_the_same_pull_again_changes_nothing(store: Store) -> None:
    items = event("e1", "evil.example")
    pull(store, *items)
    seq = store.entries.last_change()
    summary = pull(store, *items)
    assert (summary.outcome, summary.added, summary.removed) == ("unchanged", 0, 0)
    assert store.entries.last_change() == seq


def test_a_value_that_is_listed_twice_says_what_it_says_last(store: Store) -> None:
    context = Context(key="")

    def listed(*comments: str) -> list[Item]:
        return [
            Indicator(type=DOMAIN, value="a.example", ref="", context=context, comment=comment)
            for comment in comments
        ] + [Fetched("", "-".join(comments))]

    for comments, outcome in (
        (("first", "last"), "changed"),
        (("other", "last"), "unchanged"),
        (("last", "first"), "changed"),
        (("first", "last", "first"), "unchanged"),
    ):
        assert pull(store, *listed(*comments)).outcome == outcome
        (entry,) = store.entries.lookup([Key(DOMAIN, "a.example")])[Key(DOMAIN, "a.example")]
        assert entry.comment == comments[-1]


def test_a_group_is_replaced_as_a_whole_and_others_stay(store: Store) -> None:
    pull(store, *event("e1", "a.example", "b.example"), *event("e2", "c.example"))
    seq = store.entries.last_change()
    summary = pull(store, *event("e1", "b.example", "d.example", version="2"), Unchanged("e2"))
    assert names(store) == ["b.example", "c.example", "d.example"]
    assert (summary.added, summary.removed) == (1, 1)
    changed = store.entries.changed_since(seq)
    assert changed is not None
    assert {key.value for key in changed} == {"a.example", "d.example"}


def test_a_group_that_is_not_mentioned_is_gone_with_its_reason(store: Store) -> None:
    pull(store, *event("e1", "a.example", "b.example", "x.example"), *event("e2", "c.example"))
    seq = store.entries.last_change()
    pull(store, Unchanged("e1"))
    assert names(store) == ["a.example", "b.example", "x.example"]
    gone = Key(DOMAIN, "c.example")
    reasons = store.entries.reasons([gone], seq, store.entries.last_change())
    assert reasons[gone].reason == "withdrawn by the source (e2)"
    assert not reasons[gone].added


def test_a_broken_group_keeps_what_we_hold(store: Store) -> None:
    pull(store, *event("e1", "a.example"), *event("e2", "b.example"))
    half = event("e2", "z.example")[:-1]
    summary = pull(store, Unchanged("e1"), *half, Broken("e2", "not JSON"))
    assert names(store) == ["a.example", "b.example"]
    assert summary.broken == {"e2": "not JSON"}


def test_a_failed_pull_says_nothing_about_its_indicators(store: Store) -> None:
    pull(store, *event("e1", "a.example"), *event("e2", "b.example"))
    running = store.pull("feed")
    for item in event("e1", "other.example", version="2"):
        running.take(item)
    running.fail("timeout", "try later")
    assert names(store) == ["a.example", "b.example"]
    record = store.source("feed")
    assert record.last_pull is not None
    assert (record.last_pull.outcome, record.last_pull.error) == ("failed", "timeout")
    assert record.last_good_at is not None


def test_whole_groups_of_a_failed_pull_are_known_to_the_next_one(store: Store) -> None:
    running = store.pull("feed")
    for item in event("e1", "a.example", version="7"):
        running.take(item)
    running.take(event("e2", "half.example")[0])
    running.fail("connection lost", "")
    again = store.pull("feed")
    assert dict(again.known()) == {"e1": "7"}
    again.take(Unchanged("e1"))
    for item in event("e2", "b.example"):
        again.take(item)
    again.finish()
    assert names(store) == ["a.example", "b.example"]


def test_a_source_that_lost_more_than_a_third_is_held_until_accepted(store: Store) -> None:
    pull(store, *event("", *(f"d{n}.example" for n in range(9))))
    smaller = event("", *(f"d{n}.example" for n in range(5)), version="2")
    with pytest.raises(HeldError, match=r"from 9 to 5"):
        pull(store, *smaller)
    assert len(names(store)) == 9
    last = store.source("feed").last_pull
    assert last is not None
    assert last.outcome == "held"
    summary = pull(store, *smaller, accept=True)
    assert (summary.removed, len(names(store))) == (4, 5)


@pytest.mark.parametrize(
    ("before", "most"),
    [
        (0, 5_000_000),
        (1, 100_000),
        (10_000, 100_000),
        (50_000, 500_000),
        (1_000_000, 5_000_000),
        (6_000_000, 12_000_000),
    ],
)
def test_a_source_may_grow_by_so_much_unasked(before: int, most: int) -> None:
    assert most_entries(before) == most


def test_a_source_that_grew_beyond_measure_is_held_before_it_fills_the_disk(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vedette.store.pulls._ROWS_PER_WRITE", 10)
    monkeypatch.setattr("vedette.store.bounds._GROWTH_FINE", 50)
    pull(store, *event("e1", "a.example"))
    many = event("e1", *(f"{n}.example" for n in range(100)), version="2")
    running = store.pull("feed")
    rest = iter(many)
    with pytest.raises(HeldError, match=r"grew from 1 to more than 50 values") as held:
        take_all(running, rest)
    assert len(list(rest)) == 41, "the others were not even looked at"
    assert "--accept" in held.value.hint
    assert names(store) == ["a.example"]
    (record,) = store.sources()
    assert record.last_pull is not None
    assert record.last_pull.outcome == "held"
    assert not store.pull("feed").known().keys() - {"e1"}, "nothing stays staged"
    accepted = store.pull("feed", accept=True)
    take_all(accepted, many)
    assert accepted.finish().entries == 100


def test_a_source_with_endless_reasons_is_counted_under_the_first_ones(store: Store) -> None:
    reasons = [Skipped(f"unknown MISP type {n}") for n in range(700)]
    refused = [Rejected("x", "r", f"odd {n}") for n in range(700)]
    summary = pull(store, *reasons, *refused, *event("e1", "a.example"))
    assert len(summary.skipped) + len(summary.rejected) <= 502
    assert sum(summary.skipped.values()) == sum(summary.rejected.values()) == 700
    groups = [item for key in "abcd" for item in (*reasons[:400], *event(key, f"{key}.example"))]
    more = [Skipped(f"of d {n}") for n in range(400)]
    summary = pull(store, *groups, *more, *event("d", "d.example", version="2"))
    assert len(summary.skipped) <= 501
    assert sum(summary.skipped.values()) == 4 * 400


def test_a_source_that_became_empty_is_held(store: Store) -> None:
    pull(store, *event("", "a.example"))
    with pytest.raises(HeldError):
        pull(store, Fetched("", "2"))
    assert names(store) == ["a.example"]


def test_losing_exactly_a_third_is_no_reason_to_hold(store: Store) -> None:
    pull(store, *event("", "a.example", "b.example", "c.example"))
    assert pull(store, *event("", "a.example", "b.example", version="2")).removed == 1


def test_what_was_not_used_is_counted_by_reason_and_shown(store: Store) -> None:
    summary = pull(
        store,
        Rejected("not a name", "list:1", "has a space"),
        Rejected("x y", "list:2", "has a space"),
        Skipped("to_ids is false", 40),
        *event("e1", "a.example"),
        Skipped("to_ids is false", 2),
        Fetched("e2", "1"),
    )
    assert summary.rejected == {"has a space": 2}
    assert summary.skipped == {"to_ids is false": 42}
    assert store.rejected("feed") == [
        ("not a name", "list:1", "has a space"),
        ("x y", "list:2", "has a space"),
    ]
    later = pull(store, Unchanged("e1"), Unchanged("e2"))
    assert later.rejected == {"has a space": 2}


def test_the_same_value_from_two_sources_stays_until_both_let_go(store: Store) -> None:
    store.add_source("other", "list", {}, 900)
    pull(store, *event("e1", "a.example"))
    pull(store, *event("x", "a.example"), source="other")
    assert len(store.entries.lookup([Key(DOMAIN, "a.example")])[Key(DOMAIN, "a.example")]) == 2
    store.remove_source("other")
    assert names(store) == ["a.example"]
    store.remove_source("feed")
    assert names(store) == []


def test_a_changed_event_changes_the_context_of_its_indicators(store: Store) -> None:
    pull(store, *event("e1", "a.example", info="first"))
    pull(store, *event("e1", "a.example", version="2", info="second"))
    (entry,) = store.entries.lookup([Key(DOMAIN, "a.example")])[Key(DOMAIN, "a.example")]
    assert entry.context.info == "second"


GROUPS = st.dictionaries(
    st.sampled_from(["e1", "e2", "e3"]),
    st.frozensets(st.sampled_from([f"d{n}.example" for n in range(8)]), max_size=6),
    max_size=3,
)


@settings(deadline=None, max_examples=50)  # each example opens a database
@given(states=st.lists(GROUPS, min_size=1, max_size=6))
def test_after_any_sequence_of_pulls_the_entries_are_the_last_state(
    tmp_path_factory: pytest.TempPathFactory, states: list[dict[str, frozenset[str]]]
) -> None:
    with Store(tmp_path_factory.mktemp("store") / "vedette.db") as store:
        store.add_source("feed", "list", {}, 900)
        held: dict[str, frozenset[str]] = {}
        listed: set[str] = set()
        for number, state in enumerate(states):
            seq = store.entries.last_change()
            items: list[Item] = []
            for key, members in state.items():
                if held.get(key) == members:
                    items.append(Unchanged(key))
                else:
                    items.extend(event(key, *sorted(members), version=str(number)))
            summary = pull(store, *items, accept=True)
            held = state
            before, listed = listed, set().union(*state.values()) if state else set()
            assert set(names(store)) == listed
            assert summary.entries == sum(len(members) for members in state.values())
            assert store.entries.counts() == ({DOMAIN: len(listed)} if listed else {})
            if number % 2:
                store.entries.remember_counts()
            changed = store.entries.changed_since(seq)
            if changed is not None:
                assert {key.value for key in changed} >= before ^ listed


def test_remembered_counts_follow_two_sources_of_the_same_value(store: Store) -> None:
    store.add_source("other", "list", {}, 900)
    pull(store, *event("e1", "a.example", "b.example"))
    pull(store, *event("x", "c.example", "d.example"), source="other")
    store.entries.remember_counts()
    pull(store, *event("x", "a.example", "c.example", "e.example", version="2"), source="other")
    assert store.entries.counts() == {DOMAIN: 4}
    pull(store, *event("e1", "b.example", "f.example", version="2"))
    assert store.entries.counts() == {DOMAIN: 5}, "the other source still lists a.example"
    pull(store, *event("x", "c.example", "e.example", version="3"), source="other")
    assert store.entries.counts() == {DOMAIN: 4}
    assert store.entries._count_all() == {"domain": 4}


def test_a_kill_in_the_middle_leaves_the_entries_and_the_next_pull_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "vedette.db"
    with Store(path) as store:
        store.add_source("feed", "list", {}, 900)
        pull(store, *event("old", "a.example"))
    script = textwrap.dedent(f"""
        import os, signal
        from pathlib import Path
        from vedette.model import Context, Fetched, Indicator, IndicatorType
        from vedette.store import Store
        store = Store(Path({str(path)!r}))
        running = store.pull("feed")
        for group in ("e1", "e2"):
            context = Context(key=group)
            for n in range(30_000):
                running.take(Indicator(type=IndicatorType.DOMAIN, value=f"d{{n}}.{{group}}.example",
                                       ref=f"{{group}}/{{n}}", context=context))
            if group == "e2":
                os.kill(os.getpid(), signal.SIGKILL)
            running.take(Fetched(group, "1"))
    """)
    done = subprocess.run([sys.executable, "-c", script], check=False, env=os.environ.copy())
    assert done.returncode == -signal.SIGKILL
    with Store(path) as store:
        assert names(store) == ["a.example"]
        running = store.pull("feed")
        assert dict(running.known()) == {"old": "1", "e1": "1"}
        running.take(Unchanged("old"))
        running.take(Unchanged("e1"))
        summary = running.finish()
        assert summary.entries == 30_001
        assert len(names(store)) == 30_001


def test_what_goes_has_the_reason_that_the_source_gives(store: Store) -> None:
    many = [f"{n}.example" for n in range(9)]
    pull(store, *event("e1", "a.example", "b.example", *many), *event("e2", "c.example"))
    seq = store.entries.last_change()
    *rows, _ = event("e1", "a.example", *many)
    summary = pull(
        store,
        *rows,
        Withdrawn("e1/b.example", "to_ids is false"),
        Withdrawn("e1/never.example", "deleted in MISP"),
        Fetched("e1", "2"),
        Fetched("e2", "2", "its event was unpublished"),
    )
    assert summary.removed_why == {"its event was unpublished": 1, "to_ids is false": 1}
    gone = [Key(DOMAIN, "b.example"), Key(DOMAIN, "c.example")]
    reasons = store.entries.reasons(gone, seq, store.entries.last_change())
    assert [reasons[key].reason for key in gone] == [
        "to_ids is false (e1)",
        "its event was unpublished (e2)",
    ]


def test_a_group_that_stays_against_what_the_source_says_is_counted(store: Store) -> None:
    pull(store, *event("e1", "a.example"), *event("e2", "b.example"))
    why = "unpublished"
    summary = pull(store, Unchanged("e1", "1@5", why), Unchanged("e2"))
    assert summary.kept == {why: 1}
    assert store.pull("feed").known() == {"e1": "1@5", "e2": "1"}


def test_a_claim_came_after_every_change_before_its_pull(store: Store) -> None:
    def seqs() -> dict[str, int]:
        rows = store._db.execute("SELECT skey, seq FROM entry")
        return {skey[::-1].replace("!", "."): seq for skey, seq in rows}

    pull(store, *event("1", "a.example"))
    after_first = store.entries.last_change()
    assert 0 < seqs()["a.example"] <= after_first
    pull(store, *event("1", "a.example"), *event("2", "b.example"))
    assert seqs()["a.example"] <= after_first < seqs()["b.example"]
    assert seqs()["b.example"] == store.entries.last_change()
