"""From inputs to committed batches: workers read and fold, the owner of the store commits."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import structlog
from msgspec import Struct

from vedette.config import Settings
from vedette.errors import BusyError
from vedette.eve.finished import FileOutcome
from vedette.pipeline import offers
from vedette.pipeline.committing import Committer, Target
from vedette.pipeline.hub import Hub
from vedette.pipeline.lock import exclusive
from vedette.pipeline.pooling import lock_path
from vedette.pipeline.workers import WorkerProcess
from vedette.pool.spool import Spool
from vedette.store.records import check_name

__all__ = ["FileOutcome", "Ingested", "Progress", "ingest"]

log = structlog.get_logger(__name__)

_PURPOSE = "vedette pool ingest"
_TICK_S = 0.2
_PAUSE_S = 0.05
_FAILING_S = 60.0
_OWNER_CHECK_S = 2.0


class Progress(Struct, frozen=True, kw_only=True):
    """How far an ingest is; everything since it began."""

    bytes: int = 0
    """Read, uncompressed."""
    bytes_done: int = 0
    """Of ``bytes_total``: as they lie on the disk, what was known already included."""
    bytes_total: int = 0
    """Of all files that are to be read; 0 for sockets and queues."""
    files_done: int = 0
    files_total: int = 0
    counts: dict[str, int] = {}
    """``lines``, ``events``, and what was skipped by reason; as read, not as committed."""
    committed: dict[str, int] = {}
    """The same of what this process has committed; empty if a daemon commits."""
    new: int = 0
    """Values that nobody had seen before; only if this process commits."""
    pending: int = 0
    """Batches that lie in the spool."""
    seconds: float = 0.0

    @property
    def events_per_s(self) -> float:
        """Events read in each second, on average."""
        return self.counts.get("events", 0) / self.seconds if self.seconds else 0.0


class Ingested(Struct, frozen=True, kw_only=True):
    """What an ingest brought, when it ended."""

    progress: Progress
    files: tuple[FileOutcome, ...] = ()
    """Those that were not simply read to their end."""
    error: str = ""
    hint: str = ""


def ingest(
    hub: Hub,
    pool: Target | None,
    places: Sequence[str],
    *,
    sensor: str,
    stop: threading.Event | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Ingested:
    """Read places into the memory, and return when they are read to the end and committed.

    Sockets and queues have no end: they are read until ``stop`` is set.

    Args:
        hub: The open state directory.
        pool: The open store; None: a daemon has it, which commits what we lay into its spool.
        places: ``FILE``, ``DIR``, ``unix:PATH``, ``unixgram:PATH``, ``redis://...``.
        sensor: Who wrote them.
        stop: Set it to end early; what was read so far is committed.
        on_progress: Called a few times a second, from this thread.

    Raises:
        UsageError: A place is none, or is offered in a way that cannot be read.
        PoolError: The spool cannot be used.
    """
    check_name("sensor", sensor)
    plan = offers.plan(places)
    with ExitStack() as stack:
        committer = stack.enter_context(Committer(hub.settings, pool)) if pool else None
        run = _Run(
            hub,
            plan,
            committer,
            sensor=sensor,
            stop=stop or threading.Event(),
            on_progress=on_progress,
        )
        try:
            run.start()
            run.read()
        finally:
            run.end()
        run.settle()
    return run.result()


class _Run:
    """One ingest."""

    def __init__(
        self,
        hub: Hub,
        plan: offers.Plan,
        committer: Committer | None,
        *,
        sensor: str,
        stop: threading.Event,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._hub = hub
        self._plan = plan
        self._sensor = sensor
        self._stop = stop
        self._committer = committer
        self._on_progress = on_progress
        self._spool = Spool(hub.settings.pool_dir / "spool")
        self._heard: queue.SimpleQueue[WorkerProcess] = queue.SimpleQueue()
        self._workers: list[WorkerProcess] = []
        self._groups = deque(plan.groups)
        self._under_way: dict[int, tuple[int, int]] = {}
        """By input: what its worker had read when it got its files, and their size."""
        self._outcomes: list[FileOutcome] = []
        self._began = time.monotonic()
        self._next_at = 0.0
        self._error = self._hint = ""

    def start(self) -> None:
        """Start a worker for each socket and queue, and as many for files as are of use."""
        wanted = list(self._plan.endless)
        most = self._hub.settings.pool.workers or os.cpu_count() or 1
        wanted += [
            offers.files(self._plan.files_place, number)
            for number in range(min(most, len(self._groups)))
        ]
        for offer in wanted:
            job = offers.job(
                self._hub.settings, self._hub.store, offer, sensor=self._sensor, purpose=_PURPOSE
            )
            self._workers.append(WorkerProcess(job, self._heard))

    def read(self) -> None:
        """Give out files and listen until all workers have ended, or shall end."""
        while not self._stop.is_set() and not all(worker.ended for worker in self._workers):
            self._listen()

    def end(self) -> None:
        """End the workers; they spool what they have."""
        for worker in self._workers:
            worker.stop()
        for worker in self._workers:
            while not worker.ended:
                self._listen()
            worker.wait()
            self._collect(worker)
            if worker.error and not self._error:
                self._error, self._hint = worker.error, worker.hint

    def settle(self) -> None:
        """Wait until what was spooled is committed, as long as there is hope."""
        check_at = time.monotonic() + _OWNER_CHECK_S
        failing_since: float | None = None
        while self._waiting():
            now = time.monotonic()
            self._report()
            if self._committer is not None:
                failing_since = (failing_since or now) if self._committer.failed else None
                if failing_since and (self._stop.is_set() or now - failing_since > _FAILING_S):
                    self._left_behind(self._committer.failed)
                    return
            elif now >= check_at:
                check_at = now + _OWNER_CHECK_S
                if _is_ownerless(self._hub.settings):
                    self._left_behind("the process that had the memory open has ended")
                    return
            time.sleep(_PAUSE_S)

    def result(self) -> Ingested:
        """Say what came of it."""
        special = [
            one for one in self._outcomes if one.outcome != "read" or one.note or one.skipped
        ]
        return Ingested(
            progress=self._progress(), files=tuple(special), error=self._error, hint=self._hint
        )

    def _listen(self) -> None:
        try:
            worker = self._heard.get(timeout=_TICK_S)
        except queue.Empty:
            pass
        else:
            self._collect(worker)
            if worker.wants:
                self._give(worker)
        self._report()

    def _give(self, worker: WorkerProcess) -> None:
        group = self._groups.popleft() if self._groups and not self._stop.is_set() else ()
        self._under_way[worker.job.input_id] = worker.bytes, sum(found.size for found in group)
        worker.give([str(found.path) for found in group])

    def _collect(self, worker: WorkerProcess) -> None:
        while not worker.said.empty():
            if (file := worker.said.get().file) is not None:
                self._outcomes.append(file)
                _, size = self._under_way.get(worker.job.input_id, (0, 0))
                self._under_way[worker.job.input_id] = worker.bytes, max(0, size - file.bytes)

    def _waiting(self) -> set[int]:
        """Return the inputs of ours of which batches lie in the spool."""
        ours = {worker.job.input_id for worker in self._workers}
        return ours & {name.input_id for name in self._spool.names()}

    def _left_behind(self, why: str) -> None:
        if not self._error:
            count = len(self._spool.names())
            self._error = f"{count} batches are read and not committed: {why}"
            self._hint = "They lie in the spool and are committed by the next vedette that can."

    def _report(self) -> None:
        if time.monotonic() >= self._next_at:
            self._on_progress(self._progress())
            self._next_at = time.monotonic() + _TICK_S

    def _progress(self) -> Progress:
        counts: Counter[str] = Counter()
        for worker in self._workers:
            counts.update(worker.counts)
        under_way = sum(
            min(worker.bytes - begun, size)
            for worker in self._workers
            for begun, size in [self._under_way.get(worker.job.input_id, (0, 0))]
        )
        committer = self._committer
        return Progress(
            bytes=sum(worker.bytes for worker in self._workers),
            bytes_done=under_way + sum(one.bytes for one in self._outcomes),
            bytes_total=sum(found.size for group in self._plan.groups for found in group),
            files_done=len(self._outcomes),
            files_total=sum(map(len, self._plan.groups)),
            counts=dict(counts),
            committed=dict(committer.counts) if committer else {},
            new=committer.new if committer else 0,
            pending=len(self._spool.names()),
            seconds=time.monotonic() - self._began,
        )


def _is_ownerless(settings: Settings) -> bool:
    try:
        with exclusive(lock_path(settings), "a look"):
            return True
    except BusyError:
        return False
