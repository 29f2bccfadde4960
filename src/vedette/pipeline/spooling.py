"""From lines to batches in the spool, and from what lies there to where reading goes on."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event

import msgspec
import structlog

from vedette.errors import StoreError
from vedette.eve.contents import Known
from vedette.eve.inputs import Lines
from vedette.eve.marks import SPAN
from vedette.eve.segment import Bookmark
from vedette.observe.folded import Fold
from vedette.pipeline.link import Job
from vedette.pool.spool import DamagedError, Header, Spool
from vedette.store.intake import reading

log = structlog.get_logger(__name__)

PENDING_MAX = 4
"""Batches of one input that may lie in the spool; with more, reading waits for the pool."""
PENDING_ALL_MAX = 32
_SLOW, _SLOW_FACTOR = 2, 10
_PAUSE_S = 0.02
_RETRY_S = 1.0
_FILES_MAX = 200
"""Files of which one batch may hold something: its header is read again and again."""


class Spooler:
    """Collects what one input gives, and makes batches of it."""

    def __init__(
        self, spool: Spool, job: Job, fold: Fold, *, seq: int, position: str, stop: Event
    ) -> None:
        """Go on behind a batch.

        Args:
            spool: Where batches go.
            job: Whose, and how large.
            fold: What makes observations of lines.
            seq: Of the last batch.
            position: Of the input, behind it.
            stop: Set when we shall end: then nothing is waited for.
        """
        self.seq = seq
        self.bytes = 0
        """Read since we began."""
        self.counts: Counter[str] = Counter()
        """Spooled since we began."""
        self.durable: Callable[[str], None] = lambda _: None
        """Told each position up to which everything is spooled."""
        self._given_up = False
        """Whether lines were dropped: a position behind them must not be spooled any more."""
        self._spool = spool
        self._job = job
        self._fold = fold
        self._position = position
        self._stop = stop
        self._begin()

    def _begin(self) -> None:
        self._since: float | None = None
        self._skipped: Counter[str] = Counter()
        self._reached: list[Bookmark] = []

    def take(self, lines: Lines) -> None:
        """Take in lines and the place behind them."""
        if self._since is None:
            self._since = time.monotonic()
        try:
            self._fold.add(lines.data)
        except BaseException:
            self._given_up = True  # some of the lines may be in the fold
            raise
        self.bytes += len(lines.data)
        self._skipped.update(lines.skipped)
        self._position = lines.position
        if (reached := lines.reached) is None:
            return
        if self._reached and _same_file(self._reached[-1], reached):
            self._reached.pop()
        self._reached.append(reached)

    @property
    def due(self) -> bool:
        """Whether it is time to make a batch."""
        if self._since is None:
            return False
        if len(self._fold) >= self._job.batch_rows or len(self._reached) >= _FILES_MAX:
            return True
        waited = time.monotonic() - self._since
        if waited < self._job.commit_every_s:
            return False
        # With a pool that is slow, fewer and larger batches are what helps.
        return self._pending() < _SLOW or waited >= _SLOW_FACTOR * self._job.commit_every_s

    def flush(self) -> None:
        """Make a batch of what was taken in, and wait until it is durable.

        A full disk is waited for; if we shall stop meanwhile, the batch is given up, and what can
        be read again will be. After that, or a failure, nothing more is spooled: the next batch
        would say that this one was read.
        """
        if self._since is None or self._given_up:
            return
        self._given_up = True
        folded = self._fold.take()
        counts = Counter(folded.counts) + self._skipped
        header = Header(
            input_id=self._job.input_id,
            seq=self.seq + 1,
            sensor=self._job.sensor,
            position=self._position,
            reached=tuple(self._reached),
            counts=dict(counts),
        )
        self._wait_for_room()
        failed = False
        while True:
            try:
                self._spool.write(header, folded)
            except OSError as error:
                if not failed:
                    log.error(  # noqa: TRY400 - the text says it all
                        "spool.failed", error=str(error), hint="Make room; nothing is lost."
                    )
                failed = True
            else:
                break
            if self._stop.wait(_RETRY_S):
                log.error("spool.given_up", place=self._job.place, lines=counts["lines"])
                return
        if failed:
            log.info("spool.recovered", place=self._job.place)
        self._given_up = False
        self.seq += 1
        self.counts.update(counts)
        self._begin()
        self.durable(header.position)

    def _pending(self) -> int:
        return sum(1 for name in self._spool.names() if name.input_id == self._job.input_id)

    def _wait_for_room(self) -> None:
        while not self._stop.is_set() and self._is_full():
            time.sleep(_PAUSE_S)

    def _is_full(self) -> bool:
        return self._pending() >= PENDING_MAX or len(self._spool.names()) >= PENDING_ALL_MAX


def resume(spool: Spool, database: Path, input_id: int) -> tuple[int, str]:
    """Return number and position of the last batch of an input, spooled or committed.

    Raises:
        StoreError: The database does not know the input, or cannot be read.
    """
    # First the spool: a batch that is committed in between is then found twice, not never.
    seq, position = 0, ""
    for name in spool.names():
        if name.input_id != input_id:
            continue
        seq = name.seq
        with suppress(DamagedError):
            if header := spool.header(name):
                position = header.position
    with reading(database) as intake:
        record = intake.input(input_id)
    if record is None:
        raise StoreError(f"the database does not know input {input_id}")
    if record.seq >= seq:
        return record.seq, record.position
    return seq, position


def known_files(spool: Spool, database: Path, head: str) -> Iterable[Known]:
    """Return up to where files that may begin like this one have been read.

    Raises:
        StoreError: The database cannot be read.
    """
    found = list(_spooled(spool))
    with reading(database) as intake:
        found += [
            Known(msgspec.json.decode(record.bookmark, type=Bookmark), record.sensor)
            for record in intake.files(head)
        ]
    return found


def _spooled(spool: Spool) -> Iterator[Known]:
    for header in spool.headers():
        for bookmark in header.reached:
            yield Known(bookmark, header.sensor)


def _same_file(before: Bookmark, after: Bookmark) -> bool:
    """Whether a place is one further on in the same file."""
    if (before.device, before.inode) != (after.device, after.inode):
        return False
    if after.offset < before.offset:
        return False
    return before.offset < SPAN or before.head == after.head
