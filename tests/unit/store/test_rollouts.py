"""One roll-out is in force; what it took over from keeps what became of it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from vedette.store import RolloutRecord, Store
from vedette.store.rollouts import Phase


def announced(store: Store, serial: int) -> None:
    store.announcements.add(
        lambda number: (str(number), ""),
        generation=serial,
        content_id="c",
        at_ms=serial,
        who="ann",
        why="build",
    )


@pytest.mark.parametrize(
    ("state", "was", "becomes"),
    [
        ("canary", "", "superseded"),
        ("watch", "", "superseded"),
        ("paused", "watch", "superseded"),
        ("paused", "done", "done"),
        ("paused", "stopped", "stopped"),
        ("stopped", "", "stopped"),
        ("done", "", "done"),
    ],
)
def test_a_new_one_takes_over(tmp_path: Path, state: Phase, was: Phase, becomes: Phase) -> None:
    with Store(tmp_path / "db") as store:
        announced(store, 1)
        announced(store, 2)
        before = RolloutRecord(serial=1, state=state, was=was or "", started_at=10)  # type: ignore[arg-type]
        store.rollouts.begin(before)
        store.rollouts.begin(RolloutRecord(serial=2, previous=1, state="canary", started_at=20))
        new, old = store.rollouts.history()
        assert (new.serial, new.previous, new.state) == (2, 1, "canary")
        assert old.state == becomes
        assert store.rollouts.last() == new


def test_what_has_become_of_it_is_written_whole(tmp_path: Path) -> None:
    with Store(tmp_path / "db") as store:
        announced(store, 1)
        store.rollouts.begin(RolloutRecord(serial=1, state="canary", started_at=10))
        last = store.rollouts.last()
        assert last is not None
        changed = msgspec.structs.replace(
            last, state="paused", was="canary", proved_at=11, resumed_at=12, why="lunch"
        )
        store.rollouts.change(changed)
        assert store.rollouts.last() == changed


def test_a_pause_and_a_stop_hold_what_is_newer_until_somebody_lets_it_go() -> None:
    stopped = RolloutRecord(serial=1, state="stopped", started_at=1)
    assert stopped.is_held
    assert not msgspec.structs.replace(stopped, resumed_at=5).is_held
    paused = RolloutRecord(serial=1, state="paused", was="watch", started_at=1, resumed_at=5)
    assert (paused.is_held, paused.phase) == (True, "watch")
    assert not RolloutRecord(serial=1, state="done", started_at=1).is_held
