"""Which lines of two large files differ, in a time that follows the difference.

Made for files in which most lines are the same in the same order (a million lines of which a
thousand changed: some tens of milliseconds). Any two files give a right answer, or none.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

_WINDOW = 1 << 16
_FIRST_STEP = 1 << 8


class Difference(NamedTuple):
    """Lines without their newline."""

    added: list[bytes]
    removed: list[bytes]


def difference(old: Path, new: Path, limit: int) -> Difference | None:
    """Return the lines that only one of the files has; None if there are more than ``limit``.

    Lines are expected to be unique. A file that was only reordered may count as over the limit.
    """
    with _bytes_of(old) as before, _bytes_of(new) as after:
        return _walk(before, after, limit)


def _walk(old: mmap.mmap | bytes, new: mmap.mmap | bytes, limit: int) -> Difference | None:
    added: list[bytes] = []
    removed: list[bytes] = []
    i = j = 0
    while True:
        same = _same_lines(old, i, new, j)
        i, j = i + same, j + same
        if i >= len(old) or j >= len(new):
            removed += old[i:].splitlines()
            added += new[j:].splitlines()
            break
        mine, theirs = _line(old, i), _line(new, j)
        in_old = old.find(b"\n" + theirs, i, i + _WINDOW)
        in_new = new.find(b"\n" + mine, j, j + _WINDOW)
        if in_old >= 0 and (in_new < 0 or in_old - i <= in_new - j):
            removed += old[i:in_old].splitlines()
            i = in_old + 1
        elif in_new >= 0:
            added += new[j:in_new].splitlines()
            j = in_new + 1
        else:
            removed.append(mine.rstrip(b"\n"))
            added.append(theirs.rstrip(b"\n"))
            i, j = i + len(mine), j + len(theirs)
        if len(added) + len(removed) > 2 * limit:
            return None
    moved = set(added) & set(removed)
    result = Difference(
        [line for line in added if line not in moved],
        [line for line in removed if line not in moved],
    )
    return result if len(result.added) + len(result.removed) <= limit else None


def _same_lines(old: mmap.mmap | bytes, i: int, new: mmap.mmap | bytes, j: int) -> int:
    """How many bytes from here on are the same whole lines in both."""
    end = min(len(old) - i, len(new) - j)
    same, step = 0, _FIRST_STEP
    while same < end:
        step = min(step, end - same)
        if old[i + same : i + same + step] == new[j + same : j + same + step]:
            same += step
            step = min(step * 2, _WINDOW)
        elif step == 1:
            break
        else:
            step //= 2
            end = same + 2 * step + 1
    last = old.rfind(b"\n", i, i + same)
    return last + 1 - i if last >= 0 else 0


def _line(data: mmap.mmap | bytes, start: int) -> bytes:
    end = data.find(b"\n", start)
    return data[start:] if end < 0 else data[start : end + 1]


@contextmanager
def _bytes_of(path: Path) -> Iterator[mmap.mmap | bytes]:
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            yield b""
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield data
