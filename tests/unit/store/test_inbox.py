"""The inbox: every listed indicator is published, exact, held or dropped, and shown with why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vedette.model import Context, Fetched, Indicator, IndicatorType, Key, Outcome, Rejected
from vedette.store import Counts, Store, Wanted
from vedette.store.keys import to_skey
from vedette.store.verdicts import Mark

T = IndicatorType
Judge = Callable[..., None]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "vedette.db") as opened:
        lists(opened, "a", "one.example", "two.example", "three.example", "four.example")
        lists(opened, "b", "two.example", "five.example", "six.example")
        opened.verdicts.move(Mark(change_seq=opened.claims.last_change()))
        yield opened


def lists(store: Store, source: str, *names: str) -> None:
    store.add_source(source, "list", {}, 900)
    pull = store.pull(source)
    for event in ("e1", "e2"):  # each twice: claims are not indicators
        for name in names:
            pull.take(Indicator(type=T.DOMAIN, value=name, ref=event, context=Context(key=event)))
        pull.take(Rejected("bad value", f"{source}:1", "single label"))
        pull.take(Fetched(event, "1"))
    pull.finish()


@pytest.fixture
def judge(store: Store) -> Judge:
    """Write a verdict as the guard does."""

    def write(name: str, outcome: str, test: str = "t", reason: str = "", hosts: int = 0) -> None:
        skey = to_skey(T.DOMAIN, name)
        labels = "tranco\tvpn" if outcome == "publish" else ""
        with store._db as db:
            db.execute(
                "INSERT INTO verdict(type, skey, outcome, test, reason, labels, due, at)"
                " VALUES('domain',?,?,?,?,?,0,1000)",
                (skey, outcome, test, reason, labels),
            )
            if hosts:
                db.execute(
                    "INSERT INTO prevalence(type, skey, hosts, count, days, at)"
                    " VALUES('domain',?,?,?,7,1000)",
                    (skey, hosts, hosts * 10),
                )

    return write


def test_where_the_guard_never_was_nothing_is_judged_yet(tmp_path: Path) -> None:
    with Store(tmp_path / "vedette.db") as store:
        assert store.inbox.counts(0) == Counts()
        lists(store, "a", "one.example", "two.example")
        assert store.inbox.counts(2) == Counts(listed=2, waiting=2)
        assert store.inbox.by_source() == {"a": Counts(listed=2, waiting=2)}


def test_nothing_is_dropped_without_a_trace(store: Store, judge: Judge) -> None:
    judge("one.example", "hold")
    judge("two.example", "drop")
    judge("three.example", "exact")
    judge("six.example", "publish")
    judge("gone.example", "drop")  # nobody lists it any more
    listed = sum(store.entries.counts().values())
    counts = store.inbox.counts(listed)
    assert counts == Counts(listed=6, published=3, exact=1, held=1, dropped=1)
    assert counts.published + counts.exact + counts.held + counts.dropped == counts.listed
    assert counts.published + counts.exact == sum(store.published.counts().values())
    assert store.inbox.labelled() == 1


def test_each_source_is_told_what_became_of_its_own(store: Store, judge: Judge) -> None:
    judge("one.example", "hold")
    judge("two.example", "drop")
    assert store.inbox.by_source() == {
        "a": Counts(listed=4, published=2, held=1, dropped=1),
        "b": Counts(listed=3, published=2, dropped=1),
    }
    assert store.inbox.by_source("b") == {"b": Counts(listed=3, published=2, dropped=1)}
    assert store.inbox.by_source("c") == {}


def test_held_ones_stand_by_test_and_by_how_many_of_our_hosts_met_them(
    store: Store, judge: Judge
) -> None:
    judge("one.example", "hold", "prevalence", "met by 12 of our hosts", hosts=12)
    judge("two.example", "hold", "prevalence", "met by 34 of our hosts", hosts=34)
    judge("six.example", "hold", "confidence", "less certain than 50 %")
    held = store.inbox.judged(Outcome.HOLD, Wanted())
    assert [(one.value, one.hosts, one.times, one.sources) for one in held] == [
        ("six.example", 0, 0, ("b",)),
        ("two.example", 34, 340, ("a", "b")),
        ("one.example", 12, 120, ("a",)),
    ]
    assert [(one.test, one.indicators, one.hosts) for one in store.inbox.tests()] == [
        ("prevalence", 2, 34),
        ("confidence", 1, 0),
    ]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Wanted(source="b"), ["six.example", "two.example"]),
        (Wanted(reason="prevalence"), ["two.example", "one.example"]),
        (Wanted(reason="50 %"), ["six.example"]),
        (Wanted(reason="5_ %"), []),
        (Wanted(type="hostname"), []),
        (Wanted(limit=1), ["six.example"]),
    ],
)
def test_a_list_is_of_what_was_asked_for(
    store: Store, judge: Judge, wanted: Wanted, expected: list[str]
) -> None:
    judge("one.example", "hold", "prevalence", "met by 12 of our hosts", hosts=12)
    judge("two.example", "hold", "prevalence", "met by 34 of our hosts", hosts=34)
    judge("six.example", "hold", "confidence", "less certain than 50 %")
    assert [one.value for one in store.inbox.judged(Outcome.HOLD, wanted)] == expected


def test_published_ones_are_listed_if_a_warning_list_names_them(store: Store, judge: Judge) -> None:
    judge("one.example", "publish", "")
    (one,) = store.inbox.judged(Outcome.PUBLISH, Wanted())
    assert (one.value, one.labels) == ("one.example", ("tranco", "vpn"))


def test_what_a_source_had_refused_is_found_by_its_own_spelling(store: Store) -> None:
    found = list(store.inbox.rejected(["bad value", "other"]))
    assert ("a", "a:1", "single label") in found
    assert {source for source, _, _ in found} == {"a", "b"}


def test_when_and_why_it_went_is_known(store: Store) -> None:
    pull = store.pull("a")
    for name in ("one.example", "two.example", "three.example"):
        pull.take(Indicator(type=T.DOMAIN, value=name, ref="e1", context=Context(key="e1")))
    pull.take(Fetched("e1", "2"))
    pull.finish(accept=True)
    (gone,) = store.inbox.withdrawn([Key(T.DOMAIN, "four.example")])
    assert (gone.type, gone.source) == (T.DOMAIN, "a")
    assert "withdrawn by the source" in gone.reason or "updated by the source" in gone.reason
    assert not list(store.inbox.withdrawn([Key(T.DOMAIN, "six.example")]))
