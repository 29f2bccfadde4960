"""Batches in order, each once, bounded, whoever is killed."""

from __future__ import annotations

from pathlib import Path

import pytest
import zstandard

from vedette.agent.spool import Batch, Place, Spool
from vedette.errors import SensorError
from vedette.eve.segment import Bookmark

MOST = 1 << 20


def place(offset: int) -> Place:
    mark = Bookmark(
        path="eve.json", device=1, inode=1, offset=offset, head="", tail="", modified_ns=0
    )
    return Place(bookmark=mark, waiting=(f"alert {offset}",))


def head(spool: Spool) -> Batch:
    found = spool.head()
    assert found is not None
    return found


def lines(batch: Batch) -> bytes:
    return zstandard.ZstdDecompressor().decompress(batch.body)


def test_batches_are_sent_in_order_and_each_begins_where_the_last_one_ended(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MOST)
    for number in range(3):
        spool.add(b"line %d\n" % number, 1, place(number))
    ends = [""]
    for number in range(3):
        batch = head(spool)
        assert (lines(batch), batch.start) == (b"line %d\n" % number, ends[-1])
        spool.taken(batch)
        ends.append(batch.end)
    assert spool.head() is None
    assert len(set(ends)) == 4


def test_another_process_goes_on_where_this_one_was_killed(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MOST)
    spool.add(b"a\n", 1, place(1))
    spool.add(b"b\n", 1, place(2))
    assert Spool(tmp_path, MOST).place == place(2), "the place is in the batch itself"
    spool.taken(head(spool))
    again = Spool(tmp_path, MOST)
    assert (again.waiting, again.place, lines(head(again))) == (1, place(2), b"b\n")
    again.move(place(9))
    assert Spool(tmp_path, MOST).place == place(9)
    again.taken(head(again))
    again.add(b"c\n", 1, place(10))
    assert Spool(tmp_path, MOST).place == place(10)


def test_numbers_are_never_given_twice(tmp_path: Path) -> None:
    ends = set()
    for number in range(5):
        spool = Spool(tmp_path, MOST)
        spool.add(b"x\n", 1, place(number))
        batch = head(spool)
        ends.add(batch.end)
        spool.taken(batch)
    assert len(ends) == 5


def test_where_the_hub_is_further_what_it_has_is_not_sent_again(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MOST)
    for number in range(3):
        spool.add(b"%d\n" % number, 1, place(number))
    second_end = head(spool).end.rpartition("-")[0] + "-2"
    spool.resume(second_end)
    assert (lines(head(spool)), head(spool).start) == (b"2\n", second_end)


def test_where_the_hub_is_elsewhere_it_is_taken_on_from_there(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MOST)
    spool.add(b"a\n", 1, place(1))
    spool.resume("of an old backup")
    assert (lines(head(spool)), head(spool).start) == (b"a\n", "of an old backup")


def test_what_does_not_fit_is_counted_and_reading_goes_on(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 150)
    spool.add(b"a\n", 1, place(1))
    spool.add(b"b\n" * 7, 7, place(2))
    assert spool.waiting == 1
    assert spool.lost == {"spool_full": 7}
    again = Spool(tmp_path, 150)
    assert (again.place, again.lost) == (place(2), {"spool_full": 7})
    again.taken(head(again))
    again.add(b"c\n", 1, place(3))
    assert lines(head(again)) == b"c\n"


def test_a_batch_that_the_hub_never_takes_is_counted(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MOST)
    spool.add(b"a\n", 3, place(1))
    spool.refused(head(spool))
    assert spool.head() is None
    assert spool.lost == {"refused": 3}


def test_damaged_files_are_counted_and_do_not_stop_the_others(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MOST)
    spool.add(b"a\n", 1, place(1))
    spool.add(b"b\n", 1, place(2))
    first = min(tmp_path.glob("*.batch"))
    first.write_bytes(first.read_bytes()[:-5])
    assert lines(head(spool)) == b"b\n"
    assert spool.lost == {"damaged": 1}
    (tmp_path / "place.json").write_bytes(b"{")
    assert Spool(tmp_path, MOST).place == place(2)


def test_a_place_that_may_not_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SensorError, match="cannot use the spool"):
        Spool(tmp_path / "file", MOST)


def test_looking_changes_nothing(tmp_path: Path) -> None:
    assert Spool.looked_at(tmp_path / "absent", MOST) is None
    spool = Spool(tmp_path, MOST)
    spool.add(b"a\n", 1, place(1))
    before = sorted(path.name for path in tmp_path.iterdir())
    seen = Spool.looked_at(tmp_path, MOST)
    assert seen is not None
    assert seen.waiting == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == before
