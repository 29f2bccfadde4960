"""The past of a source: pulls and removals, the newest first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vedette.model import Context, Fetched, Indicator, Key
from vedette.model import IndicatorType as T
from vedette.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "vedette.db") as opened:
        opened.add_source("a", "list", {}, 900)
        opened.add_source("b", "list", {}, 900)
        yield opened


def pull(store: Store, source: str, *names: str) -> None:
    running = store.pull(source)
    context = Context(key="")
    for name in names:
        running.take(Indicator(type=T.DOMAIN, value=name, ref="", context=context))
    running.take(Fetched("", "-".join(names)))
    running.finish(accept=True)


def test_pulls_and_removals_are_those_of_the_source_the_newest_first(store: Store) -> None:
    pull(store, "a", "x.example", "y.example", "z.example")
    pull(store, "b", "x.example", "other.example")
    pull(store, "a", "y.example", "z.example")
    pull(store, "a", "z.example")
    pull(store, "b", "x.example")
    assert [(p.added, p.removed) for p in store.past.pulls("a", 10)] == [(0, 1), (0, 1), (3, 0)]
    assert len(store.past.pulls("a", 2)) == 2
    found = store.past.removals("a", 10)
    assert [row.key for row in found] == [Key(T.DOMAIN, "y.example"), Key(T.DOMAIN, "x.example")]
    assert {row.reason for row in found} == {"updated by the source"}
    assert found[0].at >= found[1].at
    assert len(store.past.removals("a", 1)) == 1


def test_what_was_never_pulled_has_no_past(store: Store) -> None:
    assert store.past.pulls("a", 10) == []
    assert store.past.removals("nobody", 10) == []
