"""Which indicators ever fired: "see which of 12,000 indicators ever fired"."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from vedette.model import Context, Fetched, Hit, Indicator, IndicatorType, Key
from vedette.store import Store, Wanted

T = IndicatorType
START = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "vedette.db") as opened:
        lists(opened, "a", "one.example", "two.example", "three.example", "four.example")
        lists(opened, "b", "two.example", "five.example", "six.example")
        yield opened


def lists(store: Store, source: str, *names: str) -> None:
    store.add_source(source, "list", {}, 900)
    pull = store.pull(source)
    for event in ("e1", "e2"):  # each twice: claims are not indicators
        for name in names:
            pull.take(Indicator(type=T.DOMAIN, value=name, ref=event, context=Context(key=event)))
        pull.take(Fetched(event, "1"))
    pull.finish()


def meets(store: Store, name: str, *clients: str, days: int = 0, count: int = 1) -> None:
    at = START + timedelta(days=days)
    hits = [
        Hit(
            key=Key(T.DOMAIN, name),
            observed=name,
            buffer="dns.query",
            sensor="gate",
            client=client,
            server="192.0.2.53",
            origin="live",
            first_seen=at,
            last_seen=at + timedelta(hours=1),
            count=count,
        )
        for client in clients
    ]
    store.fleet.add_hits("gate", ((hit, []) for hit in hits), b"{}", {})


def test_which_ever_fired_and_which_never(store: Store) -> None:
    meets(store, "two.example", "10.0.0.1", "10.0.0.2", count=5)
    meets(store, "two.example", "10.0.0.1", days=3)
    meets(store, "six.example", "10.0.0.1", days=1)
    meets(store, "gone.example", "10.0.0.1")
    fired = store.firing.ever(Wanted())
    assert [(one.value, one.count, one.clients) for one in fired] == [
        ("two.example", 11, 2),
        ("six.example", 1, 1),
    ]
    assert fired[0].first_seen == START
    assert fired[0].last_seen == START + timedelta(days=3, hours=1)
    assert fired[0].sources == ("a", "b")
    never = {key.value for key in store.firing.never(Wanted())}
    assert never == {"one.example", "three.example", "four.example", "five.example"}
    assert store.firing.counts(Wanted()) == (6, 2)
    assert store.firing.counts(Wanted(source="a")) == (4, 1)
    assert [one.value for one in store.firing.ever(Wanted(source="a"))] == ["two.example"]


def test_one_indicator_tells_its_own_hits(store: Store) -> None:
    meets(store, "two.example", "10.0.0.1", "10.0.0.2", count=5)
    found = store.firing.of(Key(T.DOMAIN, "two.example"))
    assert found is not None
    assert (found.count, found.retro, found.clients) == (10, 0, 2)
    assert store.firing.of(Key(T.HOSTNAME, "two.example")) is None
