"""Rulings: made, replaced, ended, run out, and never forgotten."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from vedette.errors import UsageError
from vedette.model import Context, Fetched, Indicator, IndicatorType, Key, Ruling, RulingKind
from vedette.store import Ruled, Store

T = IndicatorType
ALLOW, DENY, RELEASE, HOLD = RulingKind.ALLOW, RulingKind.DENY, RulingKind.RELEASE, RulingKind.HOLD
SPEED_US_MAX = 3.0
"""Three times what is promised, because other tests run beside this one."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "vedette.db") as opened:
        yield opened


def lists(store: Store, *keys: Key) -> None:
    store.add_source("feed", "list", {}, 900)
    pull = store.pull("feed")
    context = Context(key="event-1")
    for key in keys:
        pull.take(Indicator(type=key.type, value=key.value, ref="", context=context))
    pull.take(Fetched("event-1", "1"))
    pull.finish()


def test_a_ruling_says_who_why_when_and_until_when(store: Store) -> None:
    made = store.rulings.add(
        ALLOW, "example.org", below=True, who="ann", why=" our CDN ", until=2_000, now=1_000
    )
    assert (made.kind, made.type, made.value, made.below) == (ALLOW, "", "example.org", True)
    assert (made.who, made.why, made.at, made.until) == ("ann", "our CDN", 1_000, 2_000)
    assert store.rulings.in_force(1_999) == [made]
    assert store.rulings.in_force(2_000) == []


@pytest.mark.parametrize(
    ("who", "why", "until"), [("", "because", 0), ("ann", "  ", 0), ("ann", "because", 1_000)]
)
def test_a_ruling_without_a_person_a_reason_or_a_future_is_refused(
    store: Store, who: str, why: str, until: int
) -> None:
    with pytest.raises(UsageError):
        store.rulings.add(ALLOW, "example.org", who=who, why=why, until=until, now=1_000)
    assert store.rulings.history() == []


def test_what_ended_is_kept_with_who_ended_it_and_why(store: Store) -> None:
    made = store.rulings.add(DENY, "evil.example", who="ann", why="seen in the report", now=1_000)
    assert store.rulings.end([made.id, 99], who="bob", why="report withdrawn", now=3_000) == [made]
    (past,) = store.rulings.history()
    assert (past.ruling, past.ended_at) == (made, 3_000)
    assert (past.ended_by, past.ended_why) == ("bob", "report withdrawn")
    assert not past.is_in_force(3_000)
    assert store.rulings.end([made.id], who="bob", why="again", now=4_000) == []


def test_the_same_ruling_again_replaces_the_first_and_both_stay_known(store: Store) -> None:
    first = store.rulings.add(ALLOW, "example.org", who="ann", why="for a week", until=9, now=1)
    second = store.rulings.add(ALLOW, "example.org", who="bob", why="for good", now=2)
    assert store.rulings.in_force(3) == [second]
    assert [past.ruling for past in store.rulings.of_value("example.org")] == [second, first]


def test_hold_and_release_end_each_other(store: Store) -> None:
    key = Key(T.DOMAIN, "example.org")
    for number, kind in enumerate((HOLD, RELEASE, HOLD), start=1):
        (made,) = store.rulings.add_all(kind, [key], who="ann", why="because", now=number)
        assert store.rulings.in_force(number) == [made]


def test_nobody_allows_what_another_denies_without_knowing_it(store: Store) -> None:
    store.rulings.add(DENY, "example.org", who="ann", why="in our report", now=1)
    with pytest.raises(UsageError, match="in our report") as refused:
        store.rulings.add(ALLOW, "example.org", who="bob", why="harmless", now=2)
    assert "deny remove example.org" in refused.value.hint


def test_several_are_ruled_at_once_or_not_at_all(store: Store) -> None:
    store.rulings.add(DENY, "b.example", type="domain", who="ann", why="in our report", now=1)
    keys = [Key(T.DOMAIN, "a.example"), Key(T.DOMAIN, "b.example")]
    with pytest.raises(UsageError):
        store.rulings.add_all(ALLOW, keys, who="bob", why="harmless", now=2)
    assert [ruling.kind for ruling in store.rulings.in_force(2)] == [DENY]


def test_the_mark_rises_with_each_change_and_tells_which(store: Store) -> None:
    rulings = store.rulings
    assert rulings.mark() == 0
    first = rulings.add(ALLOW, "a.example", who="ann", why="because", now=1)
    mark = rulings.mark()
    second = rulings.add(ALLOW, "b.example", who="ann", why="because", now=1)
    assert rulings.mark() > mark
    assert rulings.changed_since(mark) == [second]
    mark = rulings.mark()
    rulings.end([first.id], who="ann", why="wrong", now=2)
    assert rulings.mark() > mark
    assert rulings.changed_since(mark) == [first]


def test_running_out_is_a_date(store: Store) -> None:
    made = store.rulings.add(ALLOW, "a.example", who="ann", why="because", until=50, now=1)
    store.rulings.add(ALLOW, "b.example", who="ann", why="because", now=1)
    assert store.rulings.next_end(1) == 50
    assert store.rulings.next_end(50) == 0
    assert store.rulings.ran_out(49, 50) == [made]
    assert store.rulings.ran_out(50, 99) == []


def test_what_a_ruling_touches_is_found_wherever_it_stands(store: Store) -> None:
    touched = [
        Key(T.DOMAIN, "example.org"),
        Key(T.HOSTNAME, "example.org"),
        Key(T.DOMAIN, "a.b.example.org"),
        Key(T.HOSTNAME, "www.example.org"),
        Key(T.URL, "www.example.org:8080/x"),
        Key(T.EMAIL_SRC, "bob@mail.example.org"),
        Key(T.IP_DST, "192.0.2.7"),
        Key(T.IP_SRC, "192.0.2.0/25"),
        Key(T.IP_DST_PORT, "192.0.2.7,443"),
        Key(T.MD5, "0" * 32),
        Key(T.JA3, "0" * 32),
    ]
    others = [
        Key(T.DOMAIN, "notexample.org"),
        Key(T.DOMAIN, "org.example"),
        Key(T.URL, "example.net/example.org"),
        Key(T.EMAIL_DST, "example.org@example.net"),
        Key(T.IP_DST, "192.0.3.7"),
        Key(T.MD5, "1" * 32),
    ]
    lists(store, *touched, *others)
    made = [
        store.rulings.add(ALLOW, value, below=True, who="ann", why="because")
        for value in ("example.org", "192.0.2.0/24", "0" * 32)
    ]
    found = list(store.rulings.touched(made))
    assert len(found) == len(set(found))
    assert set(found) == set(touched)
    assert set(store.rulings.applying_to([*touched, *others])) == set(touched)


def test_an_exact_ruling_touches_one_indicator(store: Store) -> None:
    keys = [Key(T.DOMAIN, "example.org"), Key(T.HOSTNAME, "example.org")]
    lists(store, *keys, Key(T.DOMAIN, "www.example.org"))
    made = store.rulings.add(HOLD, "example.org", type="domain", who="ann", why="because")
    assert list(store.rulings.touched([made])) == keys[:1]


def test_only_what_has_something_below_reaches_below(store: Store) -> None:
    for value in ("0" * 32, "setup", "evil.example/gate.php", "192.0.2.7,443"):
        assert not store.rulings.add(DENY, value, below=True, who="ann", why="because").below
    made = store.rulings.add(
        DENY, "evil.example/gate.php", type="url", below=True, who="ann", why="because"
    )
    assert not made.below


def test_a_thousand_rulings_cost_a_million_keys_a_second() -> None:
    rulings = [
        Ruling(
            id=number,
            kind=ALLOW,
            type="",
            value=f"n{number}.example" if number % 2 else f"10.{number % 200}.{number % 7}.0/24",
            below=True,
            who="ann",
            why="because",
            at=1,
            until=0,
        )
        for number in range(1_000)
    ]
    ruled = Ruled(rulings)
    keys = [Key(T.DOMAIN, f"www.n{number}.test") for number in range(100_000)]
    keys += [Key(T.IP_DST, f"192.0.{number % 250}.{number % 240}") for number in range(100_000)]
    started = time.process_time()
    assert not any(map(ruled.of, keys))
    assert (time.process_time() - started) / len(keys) * 1e6 < SPEED_US_MAX
    assert [one.id for one in ruled.of(Key(T.DOMAIN, "a.n7.example"))] == [7]
