"""The memory inside ``vedette run``: open it, answer others, follow each sensor's eve.json, hunt.

Everything here is apart from pulling, pushing and proving: a memory that cannot be opened delays
none of them, and one that is slow to no more than the first build.
"""

from __future__ import annotations

import queue
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self

import structlog

from vedette.config import Settings
from vedette.errors import PoolError, VedetteError
from vedette.pipeline.delivering import sensors
from vedette.pipeline.hub import Hub
from vedette.pipeline.hunter import Hunter
from vedette.pipeline.lock import exclusive
from vedette.pipeline.pooling import lock_path, need_extra
from vedette.pipeline.service import PoolService

if TYPE_CHECKING:
    from vedette.pipeline.owning import LocalMemory
    from vedette.pipeline.workers import WorkerProcess

log = structlog.get_logger(__name__)

PURPOSE = "vedette run"

_TICK_S = 0.5
_OPEN_AGAIN_S = 5.0
_START_AGAIN_S, _START_AGAIN_MAX_S = 2.0, 60.0
_EXPIRE_S = 3600.0


class Remembering:
    """The memory as a daemon has it, from entering to leaving; a thread of its own."""

    def __init__(self, settings: Settings, stop: threading.Event) -> None:
        """Take the settings, and the event that ends everything."""
        self._settings = settings
        self._stop = stop
        self._thread: threading.Thread | None = None
        self.settled = threading.Event()
        """Set when the memory can be asked, or when it is known that it cannot for now."""

    def __enter__(self) -> Self:
        """Begin, or say once why not."""
        if why := why_not(self._settings):
            log.info("memory.off", reason=why)
            self.settled.set()
        else:
            self._thread = threading.Thread(target=self._run, name="memory")
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End, commit what was read, and close."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        again = False
        while not self._stop.is_set():
            try:
                self._remember()
            except VedetteError as error:
                say = log.debug if again else log.error
                say("memory.unavailable", error=str(error), hint=error.hint)
                again = True
            except Exception:
                log.exception("memory.crashed")
            else:
                again = False
            self.settled.set()
            self._stop.wait(_OPEN_AGAIN_S)

    def _remember(self) -> None:
        """Open the memory and work until told to stop.

        Raises:
            BusyError: A command has it open; it will not be long.
            PoolError: It cannot be opened.
        """
        # These are of the extra, or slow to import.
        from vedette.pipeline.committing import Committer  # noqa: PLC0415
        from vedette.pipeline.owning import LocalMemory  # noqa: PLC0415

        settings = self._settings
        try:
            settings.pool_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise PoolError(
                f"cannot create {settings.pool_dir}: {error.strerror}",
                hint="All of the state directory must belong to the user that Vedette runs as.",
            ) from error
        with ExitStack() as stack:
            stack.enter_context(exclusive(lock_path(settings), PURPOSE))
            memory = stack.enter_context(LocalMemory.open(settings))
            memory.owner = PURPOSE
            stack.enter_context(PoolService(memory, settings))
            stack.enter_context(Committer(settings, memory))
            hub = stack.enter_context(Hub(settings))
            followers = stack.enter_context(Followers(hub))
            stack.enter_context(Hunter(settings, memory, self._stop))
            log.info("memory.opened", known=memory.known)
            self.settled.set()
            self._work(memory, followers)

    def _work(self, memory: LocalMemory, followers: Followers) -> None:
        expire_at = time.monotonic()
        while not self._stop.wait(_TICK_S):
            followers.adapt()
            if time.monotonic() >= expire_at:
                expire_at = time.monotonic() + _EXPIRE_S
                _expire(memory)


class Followers:
    """A worker for each sensor that has an eve.json; those that end are started again."""

    def __init__(self, hub: Hub) -> None:
        """Start nothing yet."""
        self._hub = hub
        self._workers: dict[tuple[str, str], WorkerProcess] = {}
        self._heard: queue.SimpleQueue[WorkerProcess] = queue.SimpleQueue()
        self._failed: dict[tuple[str, str], tuple[float, float]] = {}
        """When to start a worker again, and how long to wait if it fails once more."""

    def __enter__(self) -> Self:
        """Start nothing yet: :meth:`adapt` does."""
        return self

    def __exit__(self, *_: object) -> None:
        """End all; what they have read they spool."""
        for worker in self._workers.values():
            worker.stop()
        for worker in self._workers.values():
            worker.wait()

    def adapt(self) -> None:
        """Start and end workers, so that each sensor's eve.json has one.

        Raises:
            StoreError: The database cannot be used.
        """
        wanted = {
            (sensor.name, str(Path(sensor.eve).absolute()))
            for sensor in sensors(self._hub)
            if sensor.eve
        }
        for key, worker in list(self._workers.items()):
            if key not in wanted:
                worker.stop()
            if worker.ended:
                worker.wait()
                del self._workers[key]
                self._note_end(key, worker, wanted=key in wanted)
        for key in wanted - self._workers.keys():
            if self._failed.get(key, (0.0, 0.0))[0] <= time.monotonic():
                self._start(*key)
        while not self._heard.empty():
            self._heard.get()

    def _start(self, sensor: str, eve: str) -> None:
        from vedette.pipeline import offers  # noqa: PLC0415 - of the extra
        from vedette.pipeline.workers import WorkerProcess  # noqa: PLC0415

        offer = offers.Offer(kind="follow", address=eve, place=eve)
        job = offers.job(self._hub.settings, self._hub.store, offer, sensor=sensor, purpose=PURPOSE)
        self._workers[sensor, eve] = worker = WorkerProcess(job, self._heard)
        log.info("memory.following", sensor=sensor, eve=eve, pid=worker.pid)

    def _note_end(self, key: tuple[str, str], worker: WorkerProcess, *, wanted: bool) -> None:
        if not wanted:
            log.info("memory.left", sensor=key[0], eve=key[1])
            return
        _, wait_s = self._failed.get(key, (0.0, _START_AGAIN_S))
        self._failed[key] = time.monotonic() + wait_s, min(2 * wait_s, _START_AGAIN_MAX_S)
        log.error("memory.reader_ended", sensor=key[0], error=worker.error, hint=worker.hint)


def why_not(settings: Settings) -> str:
    """Return why nothing is remembered, for people; empty if it is."""
    if not settings.pool.enabled:
        return "[pool] enabled is false in vedette.toml"
    try:
        need_extra()
    except PoolError as error:
        return f"{error}. {error.hint}"
    return ""


def _expire(memory: LocalMemory) -> None:
    try:
        gone = memory.expire()
    except PoolError as error:
        log.error("memory.not_expired", error=str(error), hint=error.hint)  # noqa: TRY400
        return
    if gone.partitions or gone.rows:
        log.info("memory.expired", rows=gone.rows, bytes=gone.bytes)
