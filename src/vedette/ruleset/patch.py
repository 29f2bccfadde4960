"""The difference between two files of lines, small where few lines differ, and how it is applied.

Made for datasets: a million lines of which a thousand changed. Any two files give a patch, or none
if it would be large. Hard rule: a patch never makes more than the old file and itself together
hold; whether the result is right, only the SHA-256 of the signed manifest says.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence

from vedette.errors import BundleError

Content = bytes | mmap.mmap
"""A file, read or mapped."""

_MAGIC = b"VDP1"
_WINDOWS = (1 << 9, 1 << 12, 1 << 16)
"""How far ahead a line is looked for again, in bytes; the next one if it is not there."""
_LOST_MAX = 1_000
"""So many lines are looked for as far as that; files that differ more get short looks only."""
_STEP_LINES = 1_000
_FIRST_STEP, _LAST_STEP = 1 << 8, 1 << 16
_VARINT_BYTES = 9
_MORE = 0x80  # the bit of a byte that says that another follows
_HINT = (
    "Whole files are fetched instead. If it comes again: remove the directory 'artifacts' in the"
    " hub's state."
)


def make(old: Content, new: Content, most: int) -> bytes | None:
    """Return a patch from one file to the other, None if it is longer than ``most`` bytes.

    The time follows the difference: 0.1 s for a thousand changed lines in a million.
    """
    parts = [_MAGIC, _varint(len(old)), _varint(len(new))]
    size = sum(map(len, parts))
    for copied, skipped, inserted in walk(old, new):
        part = _varint(copied) + _varint(skipped) + _varint(len(inserted)) + inserted
        size += len(part)
        if size > most:
            return None
        parts.append(part)
    return b"".join(parts)


def apply(old: Content, patch: bytes, most: int) -> Iterator[bytes]:
    """Yield the new file in pieces.

    Args:
        old: The file that the patch was made from.
        patch: As :func:`make` returned it.
        most: A result of more bytes is refused before the first piece.

    Raises:
        BundleError: The patch is damaged, is for another file, or its result is too large.
    """
    if not patch.startswith(_MAGIC):
        raise _damaged("it does not begin like one")
    before, at = _number(patch, len(_MAGIC))
    after, at = _number(patch, at)
    if before != len(old):
        raise BundleError(
            f"the patch is for a file of {before:,} bytes, this one has {len(old):,}", hint=_HINT
        )
    if after > most:
        raise BundleError(f"the patch makes {after:,} bytes, more than {most:,}", hint=_HINT)
    place = made = 0
    while at < len(patch):
        copied, at = _number(patch, at)
        skipped, at = _number(patch, at)
        inserted, at = _number(patch, at)
        made += copied + inserted
        if place + copied + skipped > before or at + inserted > len(patch) or made > after:
            raise _damaged("it reaches beyond its end")
        if copied:
            yield old[place : place + copied]
        if inserted:
            yield patch[at : at + inserted]
        place += copied + skipped
        at += inserted
    if place != before or made != after:
        raise _damaged("it ends too soon")


def walk(old: Content, new: Content) -> Iterator[tuple[int, int, bytes]]:
    """Yield how many bytes stay, how many of the old file go then, and what comes in their place.

    Changed lines without one in between that stays are one step, or several if they are many:
    whoever has seen enough of a difference need not wait for its end.
    """
    i = j = lost = 0
    while i < len(old) or j < len(new):
        same = _same_lines(old, i, new, j)
        i, j = i + same, j + same
        start_old, start_new, left = i, j, _STEP_LINES
        while i < len(old) and j < len(new) and left:
            left -= 1
            windows = _WINDOWS if lost < _LOST_MAX else _WINDOWS[:-1]
            gone, come = _next_same(old, i, new, j, windows)
            if gone == come == 0:
                break
            lost += bool(gone and come)
            i, j = i + gone, j + come
        else:
            if left:
                i, j = len(old), len(new)
        yield same, i - start_old, new[start_new:j]


def _next_same(
    old: Content, i: int, new: Content, j: int, windows: Sequence[int]
) -> tuple[int, int]:
    """Return how many bytes to leave out here and there up to lines that may be the same.

    Both are 0 where the lines are the same.
    """
    mine, theirs = _line(old, i), _line(new, j)
    if mine == theirs and mine.endswith(b"\n"):
        return 0, 0
    for window in windows:
        in_old = old[i : i + window].find(b"\n" + theirs)
        in_new = new[j : j + window].find(b"\n" + mine)
        if in_old >= 0 and (in_new < 0 or in_old <= in_new):
            return in_old + 1, 0
        if in_new >= 0:
            return 0, in_new + 1
    return len(mine), len(theirs)


def _same_lines(old: Content, i: int, new: Content, j: int) -> int:
    """Return how many bytes from here on are the same whole lines in both."""
    end = min(len(old) - i, len(new) - j)
    same, step = 0, _FIRST_STEP
    while same < end:
        step = min(step, end - same)
        if old[i + same : i + same + step] == new[j + same : j + same + step]:
            same += step
            step = min(step * 2, _LAST_STEP)
        elif step == 1:
            break
        else:
            step //= 2
            end = same + 2 * step + 1  # the difference is not behind here
    last = old.rfind(b"\n", i, i + same)
    return last + 1 - i if last >= 0 else 0


def _line(data: Content, start: int) -> bytes:
    end = data.find(b"\n", start)
    return data[start:] if end < 0 else data[start : end + 1]


def _varint(number: int) -> bytes:
    """Spell a number in groups of seven bits, the lowest first."""
    groups = bytearray()
    while number >= _MORE:
        groups.append(number & 0x7F | _MORE)
        number >>= 7
    groups.append(number)
    return bytes(groups)


def _number(data: bytes, at: int) -> tuple[int, int]:
    """Read a number; return it and where it ends."""
    number = 0
    for shift, byte in enumerate(data[at : at + _VARINT_BYTES]):
        number |= (byte & 0x7F) << 7 * shift
        if byte < _MORE:
            return number, at + shift + 1
    raise _damaged("a number is cut off")


def _damaged(why: str) -> BundleError:
    return BundleError(f"the patch is damaged: {why}", hint=_HINT)
