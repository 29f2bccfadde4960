"""Which files lie in a directory of logs, in the order in which they were written."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from vedette.errors import UsageError
from vedette.eve.segment import Segment
from vedette.files import open_regular

PATTERN = "eve*.json*"
_TIME = re.compile(rb'"timestamp" ?: ?"([^"]{19,40})"')


class Found(Struct, frozen=True):
    """A file that is to be read."""

    path: Path
    start: bytes
    """Its first 256 bytes, unpacked; empty if it cannot be read."""
    at: float
    """When it begins: its first event, else its last change; seconds since 1970."""
    size: int
    """Bytes on the disk."""


def listed(place: Path) -> list[Path]:
    """Return a file, or the logs in a directory.

    Raises:
        UsageError: There is nothing.
    """
    if not place.is_dir():
        if not place.exists():
            raise UsageError(f"there is no {place}", hint="Give a file or a directory.")
        return [place]
    try:
        found = [path for path in place.glob(PATTERN) if path.is_file()]
    except OSError as error:
        raise UsageError(
            f"cannot look into {place}: {error.strerror}", hint="Check its permissions."
        ) from error
    if not found:
        raise UsageError(
            f"there is no {PATTERN} in {place}",
            hint="Give the files themselves, if named otherwise.",
        )
    return found


def grouped(paths: Iterable[Path]) -> list[list[Found]]:
    """Return files in the order of time; those that begin alike stand in one group.

    They may be copies of one another, so one reader has to read them, one after the other.
    """
    looked = sorted((_look(path) for path in paths), key=lambda found: (found.start, found.at))
    groups: list[list[Found]] = []
    for found in looked:
        first = groups[-1][0].start if groups else b""
        if first and found.start.startswith(first):
            groups[-1].append(found)
        else:
            groups.append([found])
    return sorted(groups, key=lambda group: min(found.at for found in group))


def _look(path: Path) -> Found:
    try:
        stat = path.stat()
        open_regular(path).close()
        with closing(Segment(path)) as segment:
            start = segment.start()
    except OSError:
        return Found(path, b"", 0.0, 0)  # whoever reads it says why not
    return Found(path, start, _time(start) or stat.st_mtime, stat.st_size)


def _time(start: bytes) -> float | None:
    if not (match := _TIME.search(start)):
        return None
    try:
        at = datetime.fromisoformat(match[1].decode("ascii", "replace"))
    except ValueError:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
