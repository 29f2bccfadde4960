"""Serials rise whatever the clock says, and nothing is half announced."""

from __future__ import annotations

from pathlib import Path

import pytest

from vedette.store import RolloutRecord, Store


def signed(serial: int) -> tuple[str, str]:
    return f"document {serial}", f"signature {serial}"


def add(store: Store, at_ms: int, generation: int = 1) -> int:
    def then(serial: int) -> None:
        record = RolloutRecord(serial=serial, state="watch", started_at=at_ms // 1_000)
        store.rollouts.begin(record)

    return store.announcements.add(
        signed,
        generation=generation,
        content_id="c",
        at_ms=at_ms,
        who="ann",
        why="build",
        then=then,
    ).serial


def test_the_serial_is_the_time_and_rises_even_if_the_clock_goes_back(tmp_path: Path) -> None:
    with Store(tmp_path / "db") as store:
        assert add(store, 5_000) == 5_000
        assert add(store, 5_000) == 5_001
        assert add(store, 1) == 5_002
        assert add(store, 9_000) == 9_000
        assert [one.serial for one in store.announcements.history()] == [9_000, 5_002, 5_001, 5_000]
        assert store.announcements.last() == store.announcements.get(9_000)
        assert store.announcements.get(7) is None


def test_what_is_stored_is_what_was_signed(tmp_path: Path) -> None:
    with Store(tmp_path / "db") as store:
        serial = add(store, 77_000, generation=4)
        record = store.announcements.get(serial)
        assert record is not None
        assert (record.document, record.signature) == signed(serial)
        assert (record.generation, record.at, record.who) == (4, 77, "ann")


def test_two_stores_never_choose_the_same_serial(tmp_path: Path) -> None:
    with Store(tmp_path / "db") as one, Store(tmp_path / "db") as other:
        serials = [add(store, 1_000) for store in (one, other, one, other)]
    assert serials == [1_000, 1_001, 1_002, 1_003]


def test_a_signature_that_fails_announces_nothing(tmp_path: Path) -> None:
    def fails(_serial: int) -> tuple[str, str]:
        raise RuntimeError("no key")

    with Store(tmp_path / "db") as store:
        with pytest.raises(RuntimeError):
            store.announcements.add(
                fails, generation=1, content_id="c", at_ms=1, who="ann", why="build"
            )
        assert store.announcements.last() is None
        assert add(store, 1) == 1


def test_a_roll_out_that_cannot_be_written_takes_the_announcement_with_it(tmp_path: Path) -> None:
    def fails(_serial: int) -> None:
        raise RuntimeError("killed here")

    with Store(tmp_path / "db") as store:
        with pytest.raises(RuntimeError):
            store.announcements.add(
                signed, generation=1, content_id="c", at_ms=1, who="ann", why="build", then=fails
            )
        assert store.announcements.last() is None
