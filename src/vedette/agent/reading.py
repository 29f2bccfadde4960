"""Follow the engine's EVE: keep what the hub needs in the spool, count alerts, measure the lag."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import structlog

from vedette.agent.backoff import Backoff
from vedette.agent.sieve import Sieve
from vedette.agent.situation import Situation
from vedette.agent.spool import Place, Spool
from vedette.buffers import Profile
from vedette.errors import SensorError
from vedette.eve.reader import Batch, follow
from vedette.eve.segment import Bookmark
from vedette.sensor.wire import EveState

log = structlog.get_logger(__name__)

_POLL_S = 0.25
_SAVE_EVERY_S = 10.0
_UNKNOWN_S = 1.0


class Rules(NamedTuple):
    """Which alerts are ours, and what their engine cannot compare."""

    sid_base: int
    profile: Profile | None


class EveReading:
    """Reads one eve.json; of one thread.

    Args:
        path: The file that the engine writes.
        spool: Where the place is kept, and what the hub needs.
        situation: Told rates and lag.
        rules: Returns None as long as no generation is known; nothing is read until then.
        sends: Whether the hub gets hits.
    """

    def __init__(
        self,
        path: Path,
        spool: Spool,
        situation: Situation,
        rules: Callable[[], Rules | None],
        *,
        sends: bool,
    ) -> None:
        """Read nothing yet."""
        self._path = path
        self._spool = spool
        self._situation = situation
        self._rules = rules
        self._sends = sends
        self._backoff = Backoff(most_s=30.0)
        self._stop = threading.Event()
        self._sieve: Sieve | None = None
        self._known: Rules | None = None
        self._unsaved: Place | None = None
        self._saved_at = time.monotonic()
        self._state = EveState()
        self.problem = ""
        """Why EVE cannot be read; ``""``: it can."""

    def run(self, stop: threading.Event) -> None:
        """Read until ``stop`` is set."""
        self._stop = stop
        while not stop.is_set():
            try:
                self.drain(lambda: not stop.wait(_POLL_S))
            except (OSError, SensorError) as error:
                self._fail(error)
                stop.wait(self._backoff.failed())

    def drain(self, wait: Callable[[], bool] = lambda: False) -> None:
        """Read what is there, and go on as long as ``wait`` says so.

        Raises:
            OSError: EVE may not be read.
            SensorError: The spool cannot be written; nothing is lost yet.
        """
        while self._rules() is None:
            if not wait() or self._stop.wait(_UNKNOWN_S):
                return

        def idle() -> bool:
            self._save()
            self._tell()
            return wait()

        for batch in follow(self._path, self._spool.place.bookmark, wait=idle):
            self._take(batch)
        self._save(now=True)
        self._tell()

    def _take(self, batch: Batch) -> None:
        sieve = self._current_sieve()
        kept = sieve.feed(batch.data)
        for reason, count in batch.skipped.items():
            log.warning("eve.skipped", reason=reason, count=count)
        place = Place(bookmark=batch.bookmark, waiting=sieve.waiting)
        if kept.lines and self._sends:
            self._add(kept.lines, kept.alerts, place)
            self._unsaved = None
        else:
            self._unsaved = place
        self._situation.count(kept.minutes)
        self._measure(kept.last_at, batch.bookmark)
        if self.problem:
            log.info("eve.found", path=str(self._path))
            self.problem = ""
        self._backoff.worked()
        self._save()

    def _add(self, lines: bytes, alerts: int, place: Place) -> None:
        """Keep lines; wait for room on the disk, because EVE itself is kept for longer."""
        while True:
            try:
                self._spool.add(lines, alerts, place)
            except SensorError as error:
                self._fail(error)
                if self._stop.wait(self._backoff.failed()):
                    raise
            else:
                return

    def _current_sieve(self) -> Sieve:
        rules = self._rules() or self._known
        if self._sieve is None or rules != self._known:
            assert rules is not None  # noqa: S101 - drain() has waited for them
            waiting = self._sieve.waiting if self._sieve else self._spool.place.waiting
            self._sieve = Sieve(rules.sid_base, rules.profile, waiting)
            self._known = rules
        return self._sieve

    def _save(self, *, now: bool = False) -> None:
        due = now or time.monotonic() - self._saved_at >= _SAVE_EVERY_S
        if self._unsaved is not None and due:
            self._spool.move(self._unsaved)
            self._unsaved = None
            self._saved_at = time.monotonic()

    def _measure(self, last_at: datetime | None, bookmark: Bookmark | None) -> None:
        lag_s = (datetime.now(UTC) - last_at).total_seconds() if last_at else self._state.lag_s
        self._state = EveState(
            lag_s=round(lag_s, 3),
            behind_bytes=self._behind(bookmark),
            last_event_at=last_at or self._state.last_event_at,
        )

    def _behind(self, bookmark: Bookmark | None) -> int:
        try:
            status = os.stat(self._path)  # noqa: PTH116 - after each block
        except OSError:
            return 0
        if bookmark is None or status.st_ino != bookmark.inode:
            return status.st_size
        return max(0, status.st_size - bookmark.offset)

    def _tell(self) -> None:
        state = EveState(
            lag_s=self._state.lag_s,
            behind_bytes=self._state.behind_bytes,
            last_event_at=self._state.last_event_at,
            waiting=self._spool.waiting,
        )
        if state != self._situation.facts.eve:
            self._situation.note(lambda facts: setattr(facts, "eve", state))

    def _fail(self, error: Exception) -> None:
        said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        said = f"cannot read {self._path}: {said}" if isinstance(error, OSError) else said
        if said != self.problem:
            log.warning("eve.unreadable", error=said)
        self.problem = said
