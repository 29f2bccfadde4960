"""Jobs on sensors, side by side: one that does not answer delays no other.

Hard rule: of one kind of job there is never more than one at a time for a sensor.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self, TypeVar

from vedette.config import Settings
from vedette.pipeline.hub import Hub

T = TypeVar("T")

WORKERS = 8


class SideBySide:
    """Runs jobs in threads of its own, each with a hub of its own; leaving waits for them."""

    def __init__(self, settings: Settings, name: str, workers: int = WORKERS) -> None:
        self._settings = settings
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix=name)
        self._busy: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def begin(self, kind: str, sensor: str, job: Callable[[Hub, str], object]) -> bool:
        """Begin a job, unless the last one of its kind on this sensor is not over yet.

        Args:
            kind: Of the job: ``push``.
            sensor: Its name.
            job: Called with a hub and that name; what it raises is lost, so it should not.

        Returns:
            Whether it begins.
        """
        key = kind, sensor
        with self._lock:
            if key in self._busy:
                return False
            self._busy.add(key)
        future = self._pool.submit(self._run, sensor, job)
        future.add_done_callback(lambda _: self._over(key))
        return True

    def _over(self, key: tuple[str, str]) -> None:
        with self._lock:
            self._busy.discard(key)

    def all(
        self, sensors: Iterable[str], job: Callable[[Hub, str], T]
    ) -> list[tuple[str, Future[T]]]:
        """Do a job on each sensor and wait; each has its own result or error."""
        begun = [(name, self._pool.submit(self._run, name, job)) for name in sensors]
        for _, future in begun:
            future.exception()
        return begun

    def _run(self, sensor: str, job: Callable[[Hub, str], T]) -> T:
        with Hub(self._settings) as hub:
            return job(hub, sensor)
