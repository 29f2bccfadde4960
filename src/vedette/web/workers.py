"""Threads that each have a hub of their own open: SQLite connections are not shared."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NamedTuple, TypeVar

from vedette.config import Settings
from vedette.errors import StoreError
from vedette.pipeline.hub import Hub

T = TypeVar("T")


class _Task(NamedTuple):
    job: Callable[[Hub], Any]
    done: Future[Any]


class Workers:
    """A few threads for jobs that read or write the store, in the order of their arrival.

    Args:
        settings: Of the state directory.
        threads: How many.
        name: Of the threads, for whoever looks at the process.
    """

    def __init__(self, settings: Settings, *, threads: int, name: str) -> None:
        self._settings = settings
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    async def run(self, job: Callable[[Hub], T]) -> T:
        """Do a job in one of the threads and return its result, or raise its error."""
        return await asyncio.wrap_future(self.submit(job))

    def submit(self, job: Callable[[Hub], T]) -> Future[T]:
        """Queue a job, from any thread."""
        task = _Task(job, Future())
        self._tasks.put(task)
        return task.done

    def close(self) -> None:
        """Finish what is queued, close the hubs and end the threads."""
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        hub: Hub | None = None
        while (task := self._tasks.get()) is not None:
            if not task.done.set_running_or_notify_cancel():
                continue
            try:
                hub = hub or Hub(self._settings)
                with hub.store.guarded():
                    result = task.job(hub)
            except BaseException as error:  # noqa: BLE001 - whoever asked gets it
                task.done.set_exception(error)
                if isinstance(error, StoreError) and hub is not None:
                    hub.store.close()
                    hub = None  # the file may be another one by now
            else:
                task.done.set_result(result)
        if hub is not None:
            hub.store.close()
