from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from vedette.eve.claims import Claims
from vedette.eve.contents import Contents, Known
from vedette.eve.reader import read_all
from vedette.eve.segment import Bookmark, Segment

LINES = b"".join(b'{"number":%07d,"text":"%0150d"}\n' % (n, n) for n in range(2000))


def read(path: Path) -> Bookmark:
    *_, last = read_all(path)
    assert last.bookmark is not None
    return last.bookmark


@contextmanager
def entering(directory: Path, path: Path, *known: Bookmark) -> Iterator[tuple[int, bytes, bool]]:
    """Where reading goes on, what comes there, and whether nothing is left."""
    claims = Claims(directory / "claims", "a test")
    contents = Contents(claims, lambda _: [Known(mark, "north") for mark in known], "north")
    entered = contents.enter(Segment(path))
    assert entered is not None
    with closing(entered.segment) as segment:
        offset = segment.offset
        rest = b"" if entered.complete else segment.read(1 << 30) or b""
        yield offset, rest, entered.complete
    claims.release()


@pytest.fixture(params=["plain", "packed"])
def packed(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "packed")


def write(path: Path, data: bytes, *, packed: bool) -> Path:
    path.write_bytes(gzip.compress(data) if packed else data)
    return path


def test_what_nobody_knows_is_read_from_its_start(tmp_path: Path, packed: bool) -> None:
    path = write(tmp_path / "a", LINES, packed=packed)
    with entering(tmp_path, path) as (offset, data, complete):
        assert (offset, data, complete) == (0, LINES, False)


@pytest.mark.parametrize("share", [0.001, 0.3, 0.999])
def test_a_file_that_has_grown_is_read_from_where_it_ended(
    tmp_path: Path, packed: bool, share: float
) -> None:
    end = LINES.index(b"\n", int(share * len(LINES))) + 1
    known = read(write(tmp_path / "before", LINES[:end], packed=False))
    path = write(tmp_path / "after", LINES, packed=packed)
    with entering(tmp_path, path, known) as (offset, data, complete):
        assert (offset, data, complete) == (end, LINES[end:], False)


def test_a_shorter_copy_has_nothing_new(tmp_path: Path, packed: bool) -> None:
    known = read(write(tmp_path / "whole", LINES, packed=False))
    path = write(tmp_path / "half", LINES[: len(LINES) // 2], packed=packed)
    with entering(tmp_path, path, known) as (_, _, complete):
        assert complete


def test_a_shorter_file_that_only_begins_alike_is_not_taken_for_a_copy(
    tmp_path: Path, packed: bool
) -> None:
    known = read(write(tmp_path / "one", LINES, packed=False))
    other = LINES[:400] + LINES[100_000:200_000]
    path = write(tmp_path / "other", other, packed=packed)
    with entering(tmp_path, path, known) as (offset, data, complete):
        assert (offset, complete) == (0, False)
        assert data == other[: other.rindex(b"\n") + 1]


def test_of_several_places_the_furthest_counts(tmp_path: Path, packed: bool) -> None:
    ends = [LINES.index(b"\n", at) + 1 for at in (1000, 200_000, 50_000)]
    known = [read(write(tmp_path / str(end), LINES[:end], packed=False)) for end in ends]
    path = write(tmp_path / "all", LINES, packed=packed)
    with entering(tmp_path, path, *known) as (offset, _, _):
        assert offset == max(ends)


def test_what_we_have_read_ourselves_counts_before_it_is_durable(tmp_path: Path) -> None:
    path, copy = tmp_path / "a", tmp_path / "b"
    for one in (path, copy):
        one.write_bytes(LINES)
    claims = Claims(tmp_path / "claims", "a test")
    contents = Contents(claims, lambda _: [], "north")
    with closing(Segment(path)) as first, closing(Segment(copy)) as second:
        assert contents.enter(first) is not None
        contents.note(read(path))
        assert contents.enter(second) is not None
        assert second.offset == len(LINES)
    claims.release()


def other_process(directory: Path, head: str) -> subprocess.Popen[bytes]:
    script = (
        "import sys; from pathlib import Path; from vedette.eve.claims import Claims\n"
        "c = Claims(Path(sys.argv[1]), 'another test'); print(c.take(sys.argv[2]), flush=True)\n"
        "sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(directory), head],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"True\n"
    return process


def test_what_another_process_reads_cannot_be_entered_until_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(LINES)
    claims = Claims(tmp_path / "claims", "a test")
    contents = Contents(claims, lambda _: [], "north")
    with closing(Segment(path)) as segment:
        with other_process(tmp_path / "claims", read(path).head) as other:
            assert contents.enter(segment) is None
            assert contents.holder(segment) == f"process {other.pid} (another test)"
            other.kill()
        assert contents.enter(segment) is not None
    claims.release()


def test_claims_leave_no_files_and_keep_what_they_shall(tmp_path: Path) -> None:
    claims = Claims(tmp_path, "a test")
    assert all(claims.take(name) for name in ("a", "b", "c", "b"))
    claims.release(keep="b")
    assert [path.name for path in tmp_path.iterdir()] == ["b.lock"]
    others = Claims(tmp_path, "others")
    assert not others.take("b")
    assert others.take("a")
    claims.release()
    assert others.take("b")
