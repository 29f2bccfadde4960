"""A job of ``vedette run`` that goes its own way, in a thread of its own: nothing waits for it."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import ClassVar, Self

from vedette.config import Settings
from vedette.pipeline.attempts import Attempts
from vedette.pipeline.hub import Hub


class Loop(ABC):
    """Does a job again and again from entering to leaving; whatever fails is logged, then tried on.

    Args:
        settings: Its thread opens a hub of its own with them.
        stop: The event that ends everything; noticed at the latest after the present pause.
        every_s: Pause between two times.
    """

    job: ClassVar[str]
    """Its name in the log, and of the thread."""
    is_wanted: bool = True
    """Whether entering begins anything."""
    first_s: float = 0.0
    """Pause before the first time."""

    def __init__(self, settings: Settings, stop: threading.Event, every_s: float) -> None:
        self.settings = settings
        self._stop = stop
        self._every_s = every_s
        self._left = threading.Event()
        self._attempts = Attempts()
        self._thread = threading.Thread(target=self._run, name=self.job)

    def __enter__(self) -> Self:
        """Begin, if it is wanted."""
        if self.is_wanted:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End, after what is under way."""
        self._left.set()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def is_over(self) -> bool:
        """Whether it shall end."""
        return self._left.is_set() or self._stop.is_set()

    def _run(self) -> None:
        with Hub(self.settings) as hub:
            self._attempts.make(self.job, "", self.begin, hub)
            self._left.wait(self.first_s)
            while not self.is_over:
                self._attempts.make(self.job, "", self.once, hub)
                self._left.wait(self._every_s)

    def begin(self, hub: Hub) -> None:  # noqa: B027 - most have nothing to begin with
        """Do what is done once, before the first time."""

    @abstractmethod
    def once(self, hub: Hub) -> None:
        """Do the job.

        Raises:
            VedetteError: It failed; it is tried again.
        """
