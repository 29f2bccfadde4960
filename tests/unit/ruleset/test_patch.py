"""What a patch costs, and what it refuses."""

from __future__ import annotations

import random

import pytest

from vedette.errors import BundleError
from vedette.ruleset.patch import apply, make

NAMES = [b"name-%06d.example\n" % number for number in range(20_000)]


def test_a_patch_is_as_large_as_the_difference() -> None:
    rng = random.Random(7)
    new = sorted(
        [*rng.sample(NAMES, len(NAMES) - 100), *(b"new-%d.example\n" % n for n in range(100))]
    )
    patch = make(b"".join(NAMES), b"".join(new), 1 << 20)
    assert patch is not None
    assert len(patch) < 4_000
    assert b"".join(apply(b"".join(NAMES), patch, 1 << 20)) == b"".join(new)


def test_lines_that_all_came_and_went_side_by_side_are_found() -> None:
    """More lines without any near relative than are looked for far away."""
    new = [b"other-%d\n" % n if n % 3 == 0 else name for n, name in enumerate(NAMES)]
    patch = make(b"".join(NAMES), b"".join(new), 1 << 20)
    assert patch is not None
    assert len(patch) < 7_000 * 20
    assert b"".join(apply(b"".join(NAMES), patch, 1 << 20)) == b"".join(new)


def test_files_that_have_nothing_in_common_have_no_patch() -> None:
    assert make(b"a\n" * 500, b"b\n" * 500, 100) is None


def test_a_patch_for_another_file_is_refused() -> None:
    patch = make(b"a\n", b"b\n", 100) or b""
    with pytest.raises(BundleError, match="for a file of 2 bytes, this one has 4"):
        list(apply(b"aaa\n", patch, 100))


def test_a_patch_that_makes_more_than_allowed_is_refused() -> None:
    patch = make(b"", b"b" * 101, 1_000) or b""
    with pytest.raises(BundleError, match="makes 101 bytes, more than 100"):
        next(apply(b"", patch, 100))


@pytest.mark.parametrize("damaged", [b"", b"GIF89a", b"VDP1", b"VDP1" + b"\xff" * 12])
def test_what_is_no_patch_is_an_error(damaged: bytes) -> None:
    with pytest.raises(BundleError, match="the patch is damaged"):
        list(apply(b"", damaged, 100))


def test_a_patch_cannot_point_behind_the_old_file() -> None:
    patch = b"VDP1" + bytes([2, 4]) + bytes([4, 0, 0])
    with pytest.raises(BundleError, match="beyond its end"):
        list(apply(b"a\n", patch, 100))
