"""From the spool into the pool: one thread of whoever has the store open.

Hard rule: pool, then database, then the spool file goes. Whatever is interrupted is repeated, and
the batch's token makes the repetition one without effect.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, Self

import msgspec
import structlog

from vedette.config import Settings
from vedette.errors import PoolError, StoreError
from vedette.eve.marks import SPAN
from vedette.eve.segment import Bookmark
from vedette.observe.folded import Folded
from vedette.pool.spool import Batch, DamagedError, Name, Spool
from vedette.store import Store
from vedette.store.intake import FileRecord

log = structlog.get_logger(__name__)

_POLL_S = 0.05
_RETRY_S = 1.0
_RETRY_MAX_S = 30.0


class Target(Protocol):
    """What batches are committed to: the pool."""

    def commit(self, folded: Folded, *, sensor: str, token: str) -> int:
        """Take in a batch, once; see :meth:`vedette.pool.store.Pool.commit`."""
        ...


_HINT = (
    "It is tried again, nothing that was read is lost. If the directory was removed or moved,"
    " stop Vedette and start it again."
)


class Committer:
    """Commits what lies in the spool, and what comes, until the end of its block."""

    def __init__(self, settings: Settings, target: Target) -> None:
        """Take the store that this process has open.

        Raises:
            PoolError: The spool cannot be created.
        """
        self.spool = Spool(settings.pool_dir / "spool")
        self.counts: Counter[str] = Counter()
        """``lines``, ``events``... of what was committed since we began."""
        self.new = 0
        """Values that nobody had seen before."""
        self.failed = ""
        """Why the last commit failed; empty if it did not."""
        self._settings = settings
        self._target = target
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="committer")

    def __enter__(self) -> Self:
        """Begin."""
        self.spool.sweep()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Commit what lies in the spool, and end; what cannot be committed stays there."""
        self._stop.set()
        self._thread.join()

    @property
    def alive(self) -> bool:
        """Whether it still works."""
        return self._thread.is_alive()

    def _run(self) -> None:
        with Store(self._settings.database) as store:
            wait_s = _RETRY_S
            while True:
                stopping = self._stop.is_set()
                names = self._waiting()
                if names and self._commit_some(store, names):
                    wait_s = _RETRY_S
                elif stopping:
                    return
                elif names:
                    self._stop.wait(wait_s)
                    wait_s = min(2 * wait_s, _RETRY_MAX_S)
                else:
                    self._stop.wait(_POLL_S)

    def _waiting(self) -> list[Name]:
        try:
            return self.spool.names()
        except OSError as error:
            self._fail("", error)
            self._stop.wait(_RETRY_S)
            return []

    def _commit_some(self, store: Store, names: Sequence[Name]) -> bool:
        """Commit the oldest batch of each input, or up to the first that fails.

        One that failed, or was interrupted, comes before any other: what it found new may have been
        written, and another batch must not find the same new again.
        """
        begun = self.spool.begun()
        turns = [begun] if begun in names else _oldest(names)
        return all(self._attempt(store, name) for name in turns if name is not None)

    def _attempt(self, store: Store, name: Name) -> bool:
        try:
            self._commit(store, name)
        except (PoolError, StoreError, OSError) as error:
            self._fail(str(name), error)
        except Exception as error:
            self.failed = repr(error)
            log.exception("pool.commit_crashed", batch=str(name))
        else:
            self.failed = ""
        return not self.failed

    def _fail(self, batch: str, error: Exception) -> None:
        """Log a failure; one that stays the same at each try is said once."""
        before, self.failed = self.failed, str(error)
        hint = getattr(error, "hint", "") or _HINT
        say = log.debug if self.failed == before else log.error
        say("pool.not_committed", batch=batch, error=self.failed, hint=hint)

    def _commit(self, store: Store, name: Name) -> None:
        record = store.intake.input(name.input_id)
        if record is None:
            self._set_aside(name, "its input is unknown to this database")
            return
        if name.seq <= record.seq:
            self.spool.remove(name)
            return
        try:
            batch = self.spool.read(name)
        except DamagedError as error:
            with store.guarded():
                store.intake.count(name.input_id, {"damaged": 1})
            self._set_aside(name, str(error))
            return
        self._write(store, name, batch)

    def _write(self, store: Store, name: Name, batch: Batch) -> None:
        began = time.monotonic()
        header = batch.header
        self.spool.begin(name)
        new = self._target.commit(batch.folded, sensor=header.sensor, token=header.token)
        with store.guarded():
            store.intake.commit(
                name.input_id,
                name.seq,
                position=header.position,
                files=map(_record, header.reached),
                counts=header.counts,
            )
        self.spool.remove(name)
        self.counts.update(header.counts)
        self.new += new
        log.debug(
            "pool.committed",
            batch=str(name),
            sensor=header.sensor,
            events=header.counts.get("events", 0),
            new=new,
            seconds=round(time.monotonic() - began, 3),
        )

    def _set_aside(self, name: Name, why: str) -> None:
        aside = self.spool.set_aside(name)
        log.error(
            "spool.damaged",
            batch=str(name),
            error=f"a batch cannot be read: {why}",
            hint=f"It lies in {aside} and is missing in the memory.",
        )


def _oldest(names: Iterable[Name]) -> Iterator[Name]:
    last = None
    for name in names:
        if name.input_id != last:
            yield name
        last = name.input_id


def _record(bookmark: Bookmark) -> FileRecord:
    return FileRecord(
        head=bookmark.head if bookmark.offset >= SPAN else "",
        device=bookmark.device,
        inode=bookmark.inode,
        offset=bookmark.offset,
        bookmark=msgspec.json.encode(bookmark).decode(),
    )
