"""Saved hunts and their runs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from vedette.errors import UsageError
from vedette.store import Store
from vedette.store.hunts import FoundRow

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "vedette.db") as opened:
        yield opened


def row(value: str) -> FoundRow:
    return FoundRow("domain", value, "dns.query", f"www.{value}", "{}")


def run(store: Store, hunt: str, *found: str) -> int:
    return store.hunts.add_run(
        hunt=hunt,
        label="a list",
        started_at=NOW,
        finished_at=NOW + timedelta(seconds=2),
        body=b'{"indicators":3}',
        found=map(row, found),
    )


def test_a_hunt_is_saved_run_and_removed_with_its_runs(store: Store) -> None:
    store.hunts.save("weekly", {"path": "list.txt"})
    numbers = [run(store, "weekly", "b.example", "a.example"), run(store, "weekly")]
    (record,) = store.hunts.hunts()
    assert (record.name, record.body, record.runs) == ("weekly", {"path": "list.txt"}, 2)
    assert record.last_run == NOW + timedelta(seconds=2)
    assert [one.id for one in store.hunts.runs("weekly")] == numbers[::-1]
    assert list(store.hunts.found(numbers[0])) == [row("a.example"), row("b.example")]
    assert store.hunts.run(numbers[0]).body == {"indicators": 3}
    assert store.hunts.remove("weekly") == 2
    assert list(store.hunts.found(numbers[0])) == []
    assert (store.hunts.hunts(), store.hunts.runs()) == ([], [])


def test_names_are_checked(store: Store) -> None:
    store.hunts.save("weekly", {})
    with pytest.raises(UsageError, match="already a hunt 'weekly'"):
        store.hunts.save("weekly", {})
    with pytest.raises(UsageError, match="cannot be named"):
        store.hunts.save("a/b", {})
    with pytest.raises(UsageError, match="no hunt 'nobody'"):
        store.hunts.remove("nobody")
    with pytest.raises(UsageError, match="no run 9"):
        store.hunts.run(9)


def test_the_run_before_is_of_the_same_hunt(store: Store) -> None:
    store.hunts.save("one", {})
    store.hunts.save("two", {})
    first, _other, _nameless, last = (run(store, name) for name in ("one", "two", "", "one"))
    before = store.hunts.before(store.hunts.run(last))
    assert before is not None
    assert before.id == first
    assert store.hunts.before(before) is None
    assert [one.hunt for one in store.hunts.runs()] == ["one", "", "two", "one"]
    assert len(store.hunts.runs("")) == 1


def test_the_oldest_runs_of_a_hunt_go_and_those_of_others_stay(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.hunts.save("one", {})
    other = run(store, "", "x.example")
    numbers = [run(store, "one", "a.example") for _ in range(53)]
    kept = [one.id for one in store.hunts.runs("one", limit=99)]
    assert kept == numbers[:2:-1]
    assert list(store.hunts.found(numbers[0])) == []
    assert [one.id for one in store.hunts.runs("")] == [other]
