"""Retro hits: written again they say the same, and how far hunting has come moves with them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from vedette.model import Context, Entry, Fetched, Hit, Indicator, IndicatorType, Key
from vedette.store import GenerationRecord, HuntMark, Store
from vedette.store.keys import to_skey
from vedette.store.retro import Met

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
EVIL = Key(IndicatorType.DOMAIN, "evil.example")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "vedette.db") as opened:
        yield opened


def hit(**changes: Any) -> Hit:
    fields: dict[str, Any] = {
        "key": EVIL,
        "observed": "www.evil.example",
        "buffer": "dns.query",
        "sensor": "gate",
        "client": "10.0.0.7",
        "server": "10.0.0.1",
        "origin": "retro",
        "first_seen": NOW,
        "last_seen": NOW,
        "count": 7,
        "live": "yes",
        "hosts": 3,
    }
    return Hit(**{**fields, **changes})


def entry() -> Entry:
    context = Context(key="uuid-1", info="campaign", tags=("tlp:amber",), tlp="amber")
    return Entry(source="feed", key=EVIL, ref="a1", context=context, comment="", tags=("apt",))


def test_a_hit_that_is_written_again_counts_nothing_twice(store: Store) -> None:
    new = [store.retro.record([(hit(), [entry()])]) for _ in range(2)]
    (record,) = store.fleet.hits()
    assert new == [1, 0]
    assert (record.count, record.hosts, record.live, record.origin) == (7, 3, "yes", "retro")
    assert record.contexts[0]["tags"] == ["tlp:amber", "apt"]


def test_what_the_retention_took_is_not_taken_from_a_hit(store: Store) -> None:
    store.retro.record([(hit(first_seen=NOW - HOUR), [entry()])])
    store.retro.record([(hit(last_seen=NOW + HOUR, count=2, hosts=1, live="no"), [])])
    (record,) = store.fleet.hits()
    assert (record.first_seen, record.last_seen) == (NOW - HOUR, NOW + HOUR)
    assert (record.count, record.hosts) == (7, 3)
    assert record.live == "no", "it speaks of the last time it was seen"
    assert record.contexts, "a source that withdrew it does not take its context away"


def test_hits_and_mark_move_together(store: Store) -> None:
    assert store.retro.mark() == HuntMark()
    store.retro.record([(hit(), [])], mark=HuntMark(change_seq=4, cursor="x", at=NOW))
    broken = [(hit(client="10.0.0.8"), []), (hit(first_seen=None), [])]
    with pytest.raises(AttributeError):
        store.retro.record(broken, mark=HuntMark(change_seq=9))
    assert store.retro.mark() == HuntMark(change_seq=4, cursor="x", at=NOW)
    assert [one.client for one in store.fleet.hits()] == ["10.0.0.7"]


def test_hits_are_listed_by_origin(store: Store) -> None:
    store.retro.record([(hit(), [])])
    store.fleet.add_hits("gate", [(hit(origin="live", live="", hosts=0), [])], b"{}", {})
    assert [one.origin for one in store.fleet.hits(origins=["retro"])] == ["retro"]
    assert [one.origin for one in store.fleet.hits(origins=["live", "eve"])] == ["live"]
    assert len(store.fleet.hits()) == 2


def test_who_has_met_an_indicator_live_is_known(store: Store) -> None:
    store.retro.record([(hit(), [])])
    assert store.retro.met([EVIL]) == {}
    for buffer, at in (("dns.query", NOW), ("tls.sni", NOW - HOUR)):
        live = hit(origin="live", buffer=buffer, first_seen=at)
        store.fleet.add_hits("gate", [(live, [])], b"{}", {})
    met = Met(EVIL, "www.evil.example", "gate", "10.0.0.7")
    assert store.retro.met([EVIL, Key(IndicatorType.DOMAIN, "other.example")]) == {met: NOW - HOUR}
    assert store.retro.keys(limit=9) == [EVIL]


def test_a_hit_that_came_before_its_alert_goes(store: Store) -> None:
    store.retro.record([(hit(), []), (hit(client="10.0.0.8"), [])])
    store.fleet.add_hits("gate", [(hit(origin="live"), [])], b"{}", {})
    store.retro.record([], alerted=[hit()])
    assert {(one.origin, one.client) for one in store.fleet.hits()} == {
        ("live", "10.0.0.7"),
        ("retro", "10.0.0.8"),
    }


def test_a_count_that_sqlite_cannot_hold_is_cut(store: Store) -> None:
    store.retro.record([(hit(count=2**64 - 1), [])])
    assert store.fleet.hits()[0].count == 2**63 - 1


def pull(store: Store, source: str, *values: str) -> int:
    """Make a source list exactly these domains; return the last change."""
    if source not in {record.name for record in store.sources()}:
        store.add_source(source, "list", {}, 900)
    running = store.pull(source)
    context = Context(key="")
    for value in values:
        key = Key(IndicatorType.DOMAIN, value)
        running.take(Indicator(type=key.type, value=value, ref="", context=context))
    running.take(Fetched("", str(values)))
    running.finish(accept=True)
    return store.entries.last_change()


def build(store: Store, number: int) -> None:
    store.fleet.add_generation(
        GenerationRecord(
            number=number,
            content_id=str(number),
            parent=None,
            created_at=NOW + number * HOUR,
            change_seq=store.entries.last_change(),
        )
    )


def test_an_indicator_is_published_since_the_generation_that_holds_it(store: Store) -> None:
    first, second, third = (Key(IndicatorType.DOMAIN, f"{name}.example") for name in "abc")
    pull(store, "feed", "a.example")
    build(store, 1)  # a came in bulk, with the first pull
    pull(store, "feed", "a.example", "b.example")
    build(store, 2)
    pull(store, "feed", "a.example", "b.example", "c.example")
    assert store.retro.published([first, second, third]) == {
        first: NOW + HOUR,
        second: NOW + 2 * HOUR,
    }


def test_an_indicator_that_came_back_is_published_since_then(store: Store) -> None:
    key = Key(IndicatorType.DOMAIN, "b.example")
    pull(store, "feed", "a.example")
    for number, values in enumerate((["b.example"], [], ["b.example"]), start=1):
        pull(store, "feed", "a.example", *values)
        build(store, number)
    assert store.retro.published([key]) == {key: NOW + 3 * HOUR}


def test_another_source_that_lists_it_too_changes_nothing(store: Store) -> None:
    key = Key(IndicatorType.DOMAIN, "b.example")
    for number, (source, *values) in enumerate(
        (["one", "a.example"], ["two", "z.example"], ["one", "a.example", "b.example"]), start=1
    ):
        pull(store, source, *values)
        build(store, number)
    pull(store, "two", "z.example", "b.example")
    build(store, 4)
    pull(store, "one", "a.example")
    build(store, 5)
    assert store.retro.published([key]) == {key: NOW + 3 * HOUR}


def test_the_first_pull_of_a_second_source_is_published_with_the_next_generation(
    store: Store,
) -> None:
    pull(store, "feed", "a.example")
    build(store, 1)
    pull(store, "later", "b.example")
    late = Key(IndicatorType.DOMAIN, "b.example")
    assert store.retro.published([late]) == {}
    build(store, 2)
    assert store.retro.published([late]) == {late: NOW + 2 * HOUR}


def flip(store: Store, key: Key, *, added: bool) -> None:
    """Log what the guard logs when its verdict takes an indicator off the sensors, or back."""
    with store._db as db:
        db.execute(
            "INSERT INTO change(at, source_id, source, group_key, added, type, skey, reason, claim)"
            " VALUES('', 0, 'guard', '', ?, ?, ?, 'held', 0)",
            (added, key.type.value, to_skey(*key)),
        )


def test_what_was_held_is_published_since_its_release_whoever_lists_it(store: Store) -> None:
    key = Key(IndicatorType.DOMAIN, "b.example")
    for source in ("one", "two"):
        pull(store, source, "a.example")
        pull(store, source, "a.example", "b.example")
    build(store, 1)
    flip(store, key, added=False)
    build(store, 2)
    flip(store, key, added=True)
    build(store, 3)
    assert store.retro.published([key]) == {key: NOW + 3 * HOUR}


def test_what_its_sources_say_otherwise_of_it_does_not_move_since_when(store: Store) -> None:
    key = Key(IndicatorType.DOMAIN, "b.example")
    pull(store, "feed", "a.example")
    pull(store, "feed", "a.example", "b.example")
    build(store, 1)
    with store._db as db:
        db.execute(
            "INSERT INTO change(at, source_id, source, group_key, added, type, skey, reason, claim)"
            " VALUES('', 1, 'feed', '', 1, 'domain', ?, 'its source says other things', 0)",
            (to_skey(*key),),
        )
    pull(store, "feed", "a.example")
    pull(store, "feed", "a.example", "b.example")
    build(store, 2)
    assert store.retro.published([key]) == {key: NOW + 2 * HOUR}
