"""The same file is read once, whatever it is called: known by its content, claimed while read."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec import Struct

from vedette.eve.claims import Claims
from vedette.eve.marks import SPAN, digest
from vedette.eve.segment import Bookmark, Place, Segment


class Known(Struct, frozen=True):
    """Up to where some file has been read."""

    bookmark: Bookmark
    sensor: str


Lookup = Callable[[str], Iterable[Known]]
"""Gives all that may begin with these 256 bytes (their digest); more does no harm."""


class Entered(Struct, frozen=True):
    """A file that is ours to read."""

    segment: Segment
    """At the place where reading goes on; it replaces the one that was given."""
    known: Known | None = None
    """What had been read of it before, under whatever name."""
    complete: bool = False
    """Nothing is left: this is the beginning of a file of which more has been read."""


class Contents:
    """What one reader may read, and from where on."""

    def __init__(self, claims: Claims, lookup: Lookup, sensor: str) -> None:
        self._claims = claims
        self._lookup = lookup
        self.sensor = sensor
        """Whose what we read is."""
        self._read: dict[str, Bookmark] = {}
        """What we have read that is not durable yet."""
        self._current = ""

    def enter(self, segment: Segment) -> Entered | None:
        """Find the place behind all that is known of a file; None if another process reads it.

        The segment is at its start, or where this reader had stopped.

        Raises:
            OSError: It cannot be read.
        """
        before = segment.bookmark(segment.path) if segment.offset else None
        segment = segment.reopened()
        head = digest(segment.start())
        if not self._claims.take(head):
            return None
        self._current = head
        least = before.offset if before else 0
        for known in self._candidates(head, least):
            place = segment.seek(known.bookmark)
            if place is not Place.ELSEWHERE:
                return Entered(segment, known, complete=place is Place.BEYOND)
            segment = segment.reopened()
        if before is not None and not segment.offset:
            segment.seek(before)
        return Entered(segment)

    def holder(self, segment: Segment) -> str:
        """Say who reads a file that could not be entered; the segment is at its start."""
        return self._claims.holder(digest(segment.start()))

    def note(self, bookmark: Bookmark) -> None:
        """Remember what was read, until it is durable."""
        self._read[bookmark.head] = bookmark

    def settle(self) -> None:
        """Let others read on: all that was noted is durable."""
        self._read.clear()
        self._claims.release(keep=self._current)

    def _candidates(self, head: str, least: int) -> list[Known]:
        """Return what may be the beginning of a file, the longest first."""
        ours = [Known(bookmark, self.sensor) for bookmark in self._read.values()]
        found = [
            known
            for known in [*ours, *self._lookup(head)]
            if known.bookmark.offset > least
            and (known.bookmark.head == head or known.bookmark.offset < SPAN)
        ]
        return sorted(found, key=lambda known: -known.bookmark.offset)
