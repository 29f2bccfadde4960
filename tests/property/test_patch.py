"""A patch applied to the old file is the new file, whatever both are; a damaged one never lies."""

from __future__ import annotations

import mmap
import tempfile
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.errors import BundleError
from vedette.ruleset.patch import apply, make

MOST = 1 << 20

lines = st.binary(max_size=6).map(lambda line: line.replace(b"\n", b"") + b"\n")
repetitive = st.sampled_from([b"\n", b"a\n", b"ab\n", b"b\n", b"", b"a", b"aa\n"])
files = st.one_of(
    st.binary(max_size=200),
    st.lists(lines, max_size=40).map(b"".join),
    st.lists(repetitive, max_size=40).map(b"".join),
)


@st.composite
def edited(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A file of many lines, and the same with a few that came, went or moved."""
    old = [b"line-%d\n" % number for number in range(draw(st.integers(0, 3_000)))]
    new = list(old)
    for _ in range(draw(st.integers(0, 12))):
        place = draw(st.integers(0, len(new)))
        match draw(st.sampled_from(["add", "remove", "replace"])):
            case "add":
                new[place:place] = draw(st.lists(lines, max_size=5))
            case "remove":
                del new[place : place + draw(st.integers(1, 400))]
            case _:
                new[place : place + 1] = [draw(lines)]
    if draw(st.booleans()) and new:
        new[-1] = new[-1].rstrip(b"\n")
    return b"".join(old), b"".join(new)


@given(files, files)
def test_a_patch_between_any_two_files_makes_the_second(old: bytes, new: bytes) -> None:
    patch = make(old, new, MOST)
    assert patch is not None
    assert b"".join(apply(old, patch, len(new))) == new


@given(edited())
def test_a_patch_of_few_changes_makes_the_new_file(pair: tuple[bytes, bytes]) -> None:
    old, new = pair
    patch = make(old, new, MOST)
    assert patch is not None
    assert b"".join(apply(old, patch, len(new))) == new


@given(edited(), st.data())
def test_a_damaged_patch_is_an_error_or_never_makes_more_than_it_says(
    pair: tuple[bytes, bytes], data: st.DataObject
) -> None:
    old, new = pair
    patch = bytearray(make(old, new, MOST) or b"")
    for _ in range(data.draw(st.integers(1, 3))):
        patch[data.draw(st.integers(0, len(patch) - 1))] ^= data.draw(st.integers(1, 255))
    made = 0
    with suppress(BundleError):
        for piece in apply(old, bytes(patch), len(new)):
            made += len(piece)
    assert made <= len(new)


@given(edited(), st.data())
def test_a_patch_that_is_cut_off_is_an_error(
    pair: tuple[bytes, bytes], data: st.DataObject
) -> None:
    old, new = pair
    patch = make(old, new, MOST)
    assert patch is not None
    cut = patch[: data.draw(st.integers(0, len(patch) - 1))]
    with pytest.raises(BundleError, match="patch"):
        list(apply(old, cut, len(new)))


@given(edited())
def test_files_that_are_mapped_give_the_same_patch(pair: tuple[bytes, bytes]) -> None:
    old, new = pair
    if not old or not new:
        return
    with tempfile.TemporaryFile() as first, tempfile.TemporaryFile() as second:
        for file, content in ((first, old), (second, new)):
            file.write(content)
            file.flush()
        with (
            mmap.mmap(first.fileno(), 0, access=mmap.ACCESS_READ) as before,
            mmap.mmap(second.fileno(), 0, access=mmap.ACCESS_READ) as after,
        ):
            patch = make(before, after, MOST)
            assert patch == make(old, new, MOST)
            assert b"".join(apply(before, patch or b"", MOST)) == new
