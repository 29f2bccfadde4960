"""Follow eve.json: every complete line exactly once, whatever rotates, truncates or stops.

Hard rule: what may be missing is said. A place that cannot be found again is a ``gap``, counted.
"""

from __future__ import annotations

import os
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path

import structlog
from msgspec import Struct

from vedette.eve.contents import Contents
from vedette.eve.marks import SPAN
from vedette.eve.rotation import Family
from vedette.eve.segment import MAX_LINE, Bookmark, Segment

log = structlog.get_logger(__name__)

BATCH_BYTES = 1 << 20
_PATIENCE = 8
"""How often a file waits for its first 256 bytes, by which it is known, before it is read."""

Wait = Callable[[], bool]
"""Called when there is nothing new; returns False to end."""


class Batch(Struct, frozen=True, kw_only=True):
    """Complete lines and the place behind them: store both in one transaction.

    A batch that is read again after a crash then counts once, because what it said was stored
    together with its bookmark or not at all.
    """

    data: bytes
    """Whole lines, each with its end of line."""
    bookmark: Bookmark | None
    """None only as long as no line was complete."""
    skipped: Mapping[str, int]
    """What was not handed out, by reason: ``oversized``, ``torn``, ``unreadable``, ``gap``."""

    @property
    def lines(self) -> list[bytes]:
        """The lines, without their ends."""
        return self.data.split(b"\n")[:-1]


def polling(stop: threading.Event, interval_s: float = 0.25) -> Wait:
    """Look again every ``interval_s`` until ``stop`` is set."""
    return lambda: not stop.wait(interval_s)


def follow(
    path: Path,
    bookmark: Bookmark | None = None,
    *,
    wait: Wait,
    contents: Contents | None = None,
    batch_bytes: int = BATCH_BYTES,
    max_line: int = MAX_LINE,
) -> Iterator[Batch]:
    """Yield the lines of a log from a bookmark on (else from the start of the file).

    The log may not exist yet, be renamed, be copied and truncated, and be compressed afterwards.
    Without a bookmark the rotated files that are there already are left alone.

    Args:
        path: The file that the engine writes.
        bookmark: Of the last batch that was stored.
        wait: The policy at the end of the file: sleep and return True, or return False to end.
        contents: What others have read of these files is not read again, and what they read now
            is waited for. None: nobody else is asked.
        batch_bytes: About how much one batch holds.
        max_line: Longer lines are skipped and counted as ``oversized``.

    Raises:
        OSError: The file is there and may not be read.
    """
    follower = _Follower(Family(path, max_line), path, bookmark, contents, batch_bytes)
    try:
        while True:
            yield from follower.drain()
            if not follower.moved() and not wait():
                return
    finally:
        follower.close()


def read_all(path: Path, *, batch_bytes: int = BATCH_BYTES) -> Iterator[Batch]:
    """Yield all lines of one finished file, plain or compressed; the last may lack its end.

    Raises:
        OSError: It cannot be opened.
    """
    segment = Segment(path)
    try:
        while data := segment.read(batch_bytes):
            yield Batch(data=data, bookmark=segment.bookmark(path), skipped=segment.take_skipped())
        if rest := segment.rest():
            yield Batch(data=rest, bookmark=segment.bookmark(path), skipped={})
        if skipped := segment.take_skipped():
            yield Batch(data=b"", bookmark=segment.bookmark(path), skipped=skipped)
    finally:
        segment.close()


class _Follower:
    """The files that are still to be read, oldest first; the last one is (or was) the live one."""

    def __init__(
        self,
        family: Family,
        path: Path,
        bookmark: Bookmark | None,
        contents: Contents | None,
        batch_bytes: int,
    ) -> None:
        self._contents = contents
        self._entered: Segment | None = None
        self._patience = _PATIENCE
        self._waiting_for = ""
        """Who reads the file that we would."""
        self._family = family
        self._path = path
        self._bookmark = bookmark
        self._batch_bytes = batch_bytes
        self._skipped: Counter[str] = Counter()
        self._queue: deque[Segment] = deque()
        self._old: frozenset[bytes] = frozenset()
        """How the rotated files begin that were there before us."""
        self._lost: Bookmark | None = None
        """The place that was not found, so that it is reported once."""
        if bookmark is None:
            segments = family.all()
            self._old = frozenset(s.start() for s in segments if s.path != path) - {b""}
            for segment in segments:
                segment.close()
        self._locate()

    def close(self) -> None:
        while self._queue:
            self._queue.popleft().close()

    def drain(self) -> Iterator[Batch]:
        """Yield what is there now."""
        while self._queue and self._enter():
            segment = self._queue[0]
            fresh = segment.offset == 0 and len(self._queue) == 1
            data = segment.read(self._batch_bytes)
            if data is None or (data and fresh and self._family.changed()):
                # Also when the copy of what we never saw came between: it must come first.
                self._locate()
            elif data:
                yield self._batch(segment, data)
            elif any(newer.start() for newer in islice(self._queue, 1, None)):
                self._finish(self._queue.popleft())
            else:
                self._skipped.update(segment.take_skipped())
                break
        if self._skipped:
            yield self._batch(self._queue[0] if self._queue else None, b"")

    def _enter(self) -> bool:
        """Whether the oldest file may be read; if so it is at the place to read from."""
        segment = self._queue[0]
        if self._contents is None or segment is self._entered:
            return True
        start, last = segment.start(), len(self._queue) == 1
        if len(start) < SPAN and last and (not start or self._patience):
            self._patience -= bool(start)
            return False
        if start:
            entered = self._contents.enter(segment)
            if entered is None:
                self._say_waiting(segment)
                return False
            self._waiting_for = ""
            if entered.known is not None and entered.known.sensor != self._contents.sensor:
                known_of = entered.known.sensor
                log.warning("eve.known", path=str(self._path), of_sensor=known_of)
            self._queue[0] = segment = entered.segment
            if entered.complete:
                segment.seek_end()
        self._entered = segment
        self._patience = _PATIENCE
        return True

    def _say_waiting(self, segment: Segment) -> None:
        """Say once that another process reads this file."""
        if self._contents is None:
            return
        holder = self._contents.holder(segment)
        if holder != self._waiting_for:
            log.warning("eve.waiting", path=str(segment.path), reader=holder)
        self._waiting_for = holder

    def moved(self) -> bool:
        """Whether there is another file to read by now."""
        live = self._queue[0] if self._queue else None
        try:
            stat = os.stat(self._path)  # noqa: PTH116 - four times a second, forever
        except FileNotFoundError:
            return False
        same = live is not None and (stat.st_dev, stat.st_ino) == (live.device, live.inode)
        if live is None or not live.intact() or (same and self._unread_copies(live)):
            self._locate()
            return True
        if same or stat.st_size == 0:
            return False  # an empty new file is logrotate's: the engine still writes the old one
        while len(self._queue) > 1:
            self._queue.pop().close()
        self._queue.extend(self._family.after(live))
        log.debug("eve.rotated", path=str(self._path), files=len(self._queue) - 1)
        return True

    def _unread_copies(self, live: Segment) -> bool:
        """Whether a file of which nothing was read may have been copied away and begun anew."""
        return live.offset == 0 and self._family.changed()

    def _locate(self) -> None:
        self.close()
        if self._bookmark is None:
            self._queue.extend(self._all_new())
            return
        found, gap = self._family.since(self._bookmark)
        self._queue.extend(found)
        if gap and self._bookmark is not self._lost:
            self._lost = self._bookmark
            self._skipped["gap"] += 1
            log.warning("eve.gap_found", path=str(self._path), offset=self._bookmark.offset)

    def _all_new(self) -> list[Segment]:
        """Open all but the rotated files that were there before us."""
        segments = self._family.all()
        new = [s for s in segments if s.path == self._path or s.start() not in self._old]
        if segments and not new:
            segments[-1].seek_end()  # the live file is not begun yet
            new = segments[-1:]
        for segment in segments:
            if segment not in new:
                segment.close()
        return new

    def _finish(self, segment: Segment) -> None:
        self._skipped.update(segment.take_skipped())
        if segment.unfinished:
            self._skipped["torn"] += 1
        segment.close()

    def _batch(self, segment: Segment | None, data: bytes) -> Batch:
        if segment is not None:
            self._skipped.update(segment.take_skipped())
            if segment.offset:
                self._bookmark = segment.bookmark(self._path)
        skipped, self._skipped = dict(self._skipped), Counter()
        return Batch(data=data, bookmark=self._bookmark, skipped=skipped)
