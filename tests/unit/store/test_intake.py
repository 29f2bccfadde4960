from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vedette.errors import StoreError
from vedette.store import Store, intake
from vedette.store.intake import FileRecord, InputRecord, reading


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "vedette.db") as opened:
        yield opened


def file(offset: int, *, head: str = "aa", inode: int = 7) -> FileRecord:
    body = f'{{"offset":{offset}}}'
    return FileRecord(head=head, device=1, inode=inode, offset=offset, bookmark=body)


def test_an_input_is_known_by_kind_place_and_sensor(store: Store) -> None:
    first = store.intake.open("follow", "/var/log/eve.json", "north", position="start")
    assert (first.seq, first.position) == (0, "start")
    assert store.intake.open("follow", "/var/log/eve.json", "north", position="other") == first
    assert store.intake.open("follow", "/var/log/eve.json", "south").id != first.id


def test_a_batch_is_noted_with_its_place_its_files_and_its_counts(store: Store) -> None:
    one = store.intake.open("file", "/x", "north")
    store.intake.commit(one.id, 1, position="p1", files=[file(500)], counts={"lines": 3})
    store.intake.commit(one.id, 2, position="p2", files=[file(900)], counts={"lines": 4, "torn": 1})
    record = store.intake.input(one.id)
    assert record is not None
    assert (record.seq, record.position) == (2, "p2")
    assert [(f.offset, f.sensor) for f in store.intake.files("aa")] == [(900, "north")]
    (total,) = store.intake.totals()
    assert total.counts == {"lines": 7, "torn": 1}


def test_a_file_that_was_read_further_before_keeps_its_place(store: Store) -> None:
    one = store.intake.open("file", "/x", "north")
    store.intake.commit(one.id, 1, position="", files=[file(900)], counts={})
    store.intake.commit(one.id, 2, position="", files=[file(500)], counts={})
    assert max(f.offset for f in store.intake.files("aa")) == 900


def test_a_clock_that_jumps_back_takes_no_place_back(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = store.intake.open("file", "/x", "north")
    for seq, year in ((1, 2030), (2, 2020)):
        monkeypatch.setattr(intake, "_now", lambda year=year: f"{year}-01-01T00:00:00+00:00")
        store.intake.commit(one.id, seq, position=f"p{seq}", files=[], counts={"lines": 1})
    record = store.intake.input(one.id)
    assert record is not None
    assert (record.seq, record.position) == (2, "p2")
    (total,) = store.intake.totals()
    assert (total.counts, total.updated_at.year) == ({"lines": 2}, 2020)


def test_files_too_short_for_a_head_are_candidates_for_every_head(store: Store) -> None:
    one = store.intake.open("file", "/x", "north")
    files = [file(90, head=""), file(900, head="bb", inode=8)]
    store.intake.commit(one.id, 1, position="", files=files, counts={})
    assert [f.offset for f in store.intake.files("cc")] == [90]
    assert {f.offset for f in store.intake.files("bb")} == {90, 900}


def test_all_readers_of_one_place_are_shown_as_one(store: Store) -> None:
    for kind, lines in (("file", 3), ("file/1", 4)):
        one = store.intake.open(kind, "/var/log", "north")
        store.intake.commit(one.id, 1, position="", files=[], counts={"lines": lines})
    (total,) = store.intake.totals()
    assert (total.kind, total.counts) == ("file", {"lines": 7})


def test_files_in_which_nothing_was_new_are_not_shown(store: Store) -> None:
    store.intake.open("file", "/var/log", "north")
    store.intake.open("follow", "/var/log/eve.json", "north")
    assert [total.kind for total in store.intake.totals()] == ["follow"]


def test_an_input_that_is_not_there_is_none(store: Store) -> None:
    assert store.intake.input(5) is None


def test_what_is_counted_apart_from_a_batch_moves_no_place(store: Store) -> None:
    one = store.intake.open("file", "/x", "north")
    store.intake.count(one.id, {"damaged": 1})
    (total,) = store.intake.totals()
    assert total.counts == {"damaged": 1}
    assert store.intake.input(one.id) == one


def test_others_look_things_up_while_the_owner_writes(store: Store, tmp_path: Path) -> None:
    one = store.intake.open("follow", "/x", "north")
    with reading(tmp_path / "vedette.db") as intake:
        store.intake.commit(one.id, 1, position="p", files=[], counts={"lines": 1})
        assert intake.input(one.id) == InputRecord(
            id=one.id, kind="follow", place="/x", sensor="north", seq=1, position="p"
        )
    with pytest.raises(StoreError, match="cannot read"), reading(tmp_path / "none.db"):
        pass
