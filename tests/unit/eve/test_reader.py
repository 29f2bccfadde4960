from __future__ import annotations

import gzip
import os
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
import zstandard

from vedette.eve.reader import Batch, follow, polling, read_all
from vedette.eve.segment import Bookmark


def once() -> bool:
    return False


def steps(*actions: Callable[[], object]) -> Callable[[], bool]:
    """A wait that does one thing each time there is nothing new, then ends."""
    remaining = list(actions)

    def wait() -> bool:
        if not remaining:
            return False
        remaining.pop(0)()
        return True

    return wait


def collect(batches: Iterator[Batch]) -> tuple[list[bytes], dict[str, int], Bookmark | None]:
    lines: list[bytes] = []
    skipped: dict[str, int] = {}
    bookmark = None
    for batch in batches:
        lines += batch.lines
        bookmark = batch.bookmark
        for reason, number in batch.skipped.items():
            skipped[reason] = skipped.get(reason, 0) + number
    return lines, skipped, bookmark


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def test_a_file_that_does_not_exist_yet_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "later" / "eve.json"

    def appear() -> None:
        path.parent.mkdir()
        append(path, b"one\n")

    assert collect(follow(path, wait=steps(lambda: None, appear)))[0] == [b"one"]


def test_half_a_line_waits_for_its_other_half(tmp_path: Path) -> None:
    path = tmp_path / "eve.json"
    append(path, b"one\ntw")
    lines, skipped, bookmark = collect(follow(path, wait=once))
    assert (lines, skipped) == ([b"one"], {})
    append(path, b"o\n")
    assert collect(follow(path, bookmark, wait=once))[0] == [b"two"]


def test_a_bookmark_survives_being_stored_as_json(tmp_path: Path) -> None:
    path = tmp_path / "eve.json"
    append(path, b"one\n")
    _, _, bookmark = collect(follow(path, wait=once))
    stored = msgspec.json.decode(msgspec.json.encode(bookmark), type=Bookmark)
    append(path, b"two\n")
    assert collect(follow(path, stored, wait=once))[0] == [b"two"]


def test_an_engine_that_still_writes_the_renamed_file_is_followed_there(tmp_path: Path) -> None:
    path, rotated = tmp_path / "eve.json", tmp_path / "eve.json.1"
    append(path, b"one\n")

    def rotate() -> None:
        path.rename(rotated)
        path.touch()

    wait = steps(
        rotate,
        lambda: append(rotated, b"two\n"),
        lambda: append(path, b"three\n"),
        lambda: append(path, b"four\n"),
    )
    assert collect(follow(path, wait=wait))[0] == [b"one", b"two", b"three", b"four"]


@pytest.mark.parametrize("name", ["eve.json.1", "eve.json-20261124", "eve.json.2026-11-24-03:00"])
@pytest.mark.parametrize("pack", ["", ".gz", ".zst"])
def test_after_a_stop_the_rotated_file_is_found_and_finished(
    tmp_path: Path, name: str, pack: str
) -> None:
    path = tmp_path / "eve.json"
    append(path, b"".join(b"line %d\n" % n for n in range(1_000)))
    _, _, bookmark = collect(follow(path, wait=once))
    append(path, b"while we were down\n")
    content = path.read_bytes()
    if pack:
        packed = gzip.compress(content) if pack == ".gz" else zstandard.compress(content)
        (tmp_path / (name + pack)).write_bytes(packed)
        path.unlink()
    else:
        path.rename(tmp_path / name)
    append(path, b"now\n")
    lines, skipped, _ = collect(follow(path, bookmark, wait=once))
    assert (lines, skipped) == ([b"while we were down", b"now"], {})


def test_several_rotations_during_a_stop_are_read_in_order(tmp_path: Path) -> None:
    path = tmp_path / "eve.json"
    append(path, b"a1\n")
    _, _, bookmark = collect(follow(path, wait=once))
    append(path, b"a2\n")
    path.rename(tmp_path / "eve.json.3")
    append(tmp_path / "eve.json.2", b"b\n")
    append(tmp_path / "eve.json.1", b"c\n")
    append(path, b"d\n")
    assert collect(follow(path, bookmark, wait=once))[0] == [b"a2", b"b", b"c", b"d"]


def test_copy_and_truncate_loses_nothing_that_the_copy_holds(tmp_path: Path) -> None:
    path = tmp_path / "eve.json"
    append(path, b"one\n")

    def rotate() -> None:
        append(path, b"two\n")
        (tmp_path / "eve.json.1").write_bytes(path.read_bytes())
        os.truncate(path, 0)
        append(path, b"three is longer than all before\n")

    lines, skipped, _ = collect(follow(path, wait=steps(rotate)))
    assert (lines, skipped) == ([b"one", b"two", b"three is longer than all before"], {})


def test_a_truncation_without_a_copy_is_a_gap_once(tmp_path: Path) -> None:
    path = tmp_path / "eve.json"
    append(path, b"one\ntwo\n")

    def truncate() -> None:
        os.truncate(path, 0)
        append(path, b"three\n")

    lines, skipped, _ = collect(follow(path, wait=steps(truncate, lambda: append(path, b"4\n"))))
    assert (lines, skipped) == ([b"one", b"two", b"three", b"4"], {"gap": 1})


def test_a_rotated_file_that_was_deleted_meanwhile_is_a_gap(tmp_path: Path) -> None:
    path = tmp_path / "eve.json"
    append(path, b"one\n")
    _, _, bookmark = collect(follow(path, wait=once))
    append(tmp_path / "eve.json.1", b"two\n")
    path.unlink()
    append(path, b"three\n")
    lines, skipped, _ = collect(follow(path, bookmark, wait=once))
    assert (lines, skipped) == ([b"two", b"three"], {"gap": 1})


def test_another_file_with_the_same_inode_is_not_taken_for_ours(tmp_path: Path) -> None:
    path = tmp_path / "eve.json"
    append(path, b"old and longer\n")
    _, _, bookmark = collect(follow(path, wait=once))
    path.write_bytes(b"new: this file was written in place, inode and all\n")
    lines, skipped, _ = collect(follow(path, bookmark, wait=once))
    assert lines == [b"new: this file was written in place, inode and all"]
    assert skipped == {"gap": 1}


def test_after_a_power_cut_that_shortened_the_file_reading_goes_on_at_its_end(
    tmp_path: Path,
) -> None:
    path = tmp_path / "eve.json"
    append(path, b"".join(b"line %d\n" % n for n in range(100)))
    _, _, bookmark = collect(follow(path, wait=once))
    os.truncate(path, 500)
    lines, skipped, _ = collect(follow(path, bookmark, wait=steps(lambda: append(path, b"on\n"))))
    assert (lines, skipped) == ([b"on"], {})


def test_rotated_files_from_before_the_first_start_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "eve.json"
    append(tmp_path / "eve.json.1", b"long ago\n")
    wait = steps(lambda: append(path, b"one\n"))
    assert collect(follow(path, wait=wait))[0] == [b"one"]


def test_a_file_beside_the_log_is_not_taken_for_a_rotated_one(tmp_path: Path) -> None:
    path = tmp_path / "eve.json"
    append(path, b"one\n")
    _, _, bookmark = collect(follow(path, wait=once))
    append(path, b"two\n")
    path.rename(tmp_path / "eve.json.1")
    for name in ("eve.json.swp", "eve.json.1.tmp", "eve-alerts.json", "eve.1.json"):
        append(tmp_path / name, b"foreign\n")
    append(path, b"three\n")
    assert collect(follow(path, bookmark, wait=once))[0] == [b"two", b"three"]


def test_an_oversized_line_is_skipped_and_counted_and_the_next_one_read(tmp_path: Path) -> None:
    path = tmp_path / "eve.json"
    append(path, b"first\n" + b"x" * 300_000 + b"\nsecond\n" + b"y" * 1_000 + b"\n")
    lines, skipped, bookmark = collect(follow(path, wait=once, batch_bytes=4096, max_line=1_000))
    assert (lines, skipped) == ([b"first", b"second", b"y" * 1_000], {"oversized": 1})
    append(path, b"third\n")
    assert collect(follow(path, bookmark, wait=once))[0] == [b"third"]


def test_an_oversized_line_at_the_start_leaves_a_place_that_is_found_again(tmp_path: Path) -> None:
    path = tmp_path / "eve.json"
    append(path, b"x" * 5_000 + b"\n")
    lines, skipped, bookmark = collect(follow(path, wait=once, batch_bytes=512, max_line=1_000))
    assert (lines, skipped) == ([], {"oversized": 1})
    append(path, b"next\n")
    lines, skipped, _ = collect(follow(path, bookmark, wait=once, max_line=1_000))
    assert (lines, skipped) == ([b"next"], {})


def test_bytes_that_are_no_text_pass_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "eve.json"
    append(path, b"\0\0\0one\n\xff\xfe\n\n\r\n")
    assert collect(follow(path, wait=once))[0] == [b"\0\0\0one", b"\xff\xfe", b"", b"\r"]


def test_a_line_that_a_finished_file_never_ended_is_counted_as_torn(tmp_path: Path) -> None:
    path = tmp_path / "eve.json"
    append(path, b"one\nhal")

    def rotate() -> None:
        path.rename(tmp_path / "eve.json.1")
        append(path, b"two\n")

    lines, skipped, _ = collect(follow(path, wait=steps(rotate)))
    assert (lines, skipped) == ([b"one", b"two"], {"torn": 1})


def test_a_damaged_rotated_file_is_counted_and_the_next_one_read(tmp_path: Path) -> None:
    path = tmp_path / "eve.json"
    append(path, b"one\n")
    _, _, bookmark = collect(follow(path, wait=once))
    path.rename(tmp_path / "eve.json.2")
    content = os.urandom(200_000).hex().encode() + b"\n"
    (tmp_path / "eve.json.1.gz").write_bytes(gzip.compress(b"two\n" + content)[:-20])
    append(path, b"three\n")
    lines, skipped, _ = collect(follow(path, bookmark, wait=once))
    assert lines == [b"two", b"three"]
    assert skipped == {"unreadable": 1, "torn": 1}


def test_a_log_that_may_not_be_read_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "eve.json"
    path.mkdir()
    with pytest.raises(OSError, match=r"eve\.json"):
        collect(follow(path, wait=once))


def test_polling_ends_when_it_is_told_to() -> None:
    stop = threading.Event()
    wait = polling(stop, interval_s=0.001)
    assert wait()
    stop.set()
    assert not wait()


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
def test_one_finished_file_is_read_to_its_last_byte(
    tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "some.jsonl"
    path.write_bytes(pack(b"one\ntwo\nlast without an end"))
    lines, skipped, _ = collect(read_all(path))
    assert (lines, skipped) == ([b"one", b"two", b"last without an end"], {})


def test_one_finished_file_says_what_it_lacks(tmp_path: Path) -> None:
    path = tmp_path / "some.jsonl.gz"
    path.write_bytes(gzip.compress(os.urandom(100_000).hex().encode())[:-9])
    _, skipped, _ = collect(read_all(path))
    assert skipped == {"unreadable": 1}


def test_memory_stays_small_with_a_line_of_many_megabytes(tmp_path: Path) -> None:
    path = tmp_path / "eve.json"
    with path.open("wb") as file:
        for _ in range(64):
            file.write(b"x" * (1 << 20))
        file.write(b"\none\n")
    tracemalloc.start()
    lines, skipped, _ = collect(follow(path, wait=once))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (lines, skipped) == ([b"one"], {"oversized": 1})
    assert peak < 32 << 20
