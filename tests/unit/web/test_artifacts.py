"""What is made to be served: whole or not at all, and only where it says the same as the file."""

from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from vedette.errors import BundleError, StoreError
from vedette.web.artifacts import Made, Making, decoded, find, make


def lines(path: Path, *values: bytes) -> Path:
    path.write_bytes(b"".join(base64.b64encode(value) + b"\n" for value in values))
    return path


def test_text_is_the_values_as_they_are(tmp_path: Path) -> None:
    values = (b"a.example", b" blanks ", b"# no comment", "é".encode(), b"tab\t", b"=")
    text = b"".join(decoded(lines(tmp_path / "x.lst", *values)))
    assert text == b"".join(value + b"\n" for value in values)


@pytest.mark.parametrize("value", [b"two\nlines", b"carriage return\r"])
def test_a_value_that_cannot_be_a_line_is_refused(tmp_path: Path, value: bytes) -> None:
    with pytest.raises(BundleError, match="cannot be lines") as refused:
        list(decoded(lines(tmp_path / "x.lst", b"fine", value)))
    assert "/o/" in refused.value.hint


def test_what_fails_in_the_middle_leaves_nothing_and_is_made_the_next_time(tmp_path: Path) -> None:
    path = tmp_path / "made/file"

    def broken() -> Iterator[bytes]:
        yield b"half"
        raise BundleError("the source is gone")

    with pytest.raises(BundleError):
        make(path, broken)
    assert find(path) is None
    assert [one.name for one in path.parent.iterdir()] == [".lock"]
    assert make(path, lambda: [b"whole"]).size == 5
    assert path.read_bytes() == b"whole"


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "made").write_text("a file")
    with pytest.raises(StoreError) as refused:
        make(tmp_path / "made/file", lambda: [b"x"])
    assert "Make room" in refused.value.hint


@pytest.mark.parametrize("how", ["shorter", "without digests", "digests cut"])
def test_what_a_crash_left_damaged_is_made_again(tmp_path: Path, how: str) -> None:
    path = tmp_path / "file"
    make(path, lambda: [b"content"])
    digests = tmp_path / "file.digests"
    match how:
        case "shorter":
            path.write_bytes(b"con")
        case "without digests":
            digests.unlink()
        case _:
            digests.write_bytes(digests.read_bytes()[:10])
    assert find(path) is None
    assert make(path, lambda: [b"content"]).size == 7
    assert path.read_bytes() == b"content"


def test_who_goes_away_does_not_end_it_for_the_others(tmp_path: Path) -> None:
    path = tmp_path / "file"
    begun, going_on = threading.Event(), threading.Event()
    calls = []

    def slow() -> Made:
        calls.append(1)
        begun.set()
        going_on.wait(10)
        return make(path, lambda: [b"x"])

    async def job() -> Made:
        making = Making()
        first = asyncio.create_task(making.once(path, slow, asyncio.to_thread))
        second = asyncio.create_task(making.once(path, slow, asyncio.to_thread))
        assert await asyncio.to_thread(begun.wait, 10)
        first.cancel()
        going_on.set()
        return await second

    assert asyncio.run(job()).size == 1
    assert calls == [1]
