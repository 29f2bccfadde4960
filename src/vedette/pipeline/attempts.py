"""Jobs that are tried again and again: whatever one raises is logged and must not end the others.

Hard rule: a problem that lasts is said once, again each hour, and once when it is over; whoever
reads the log at night must find the other one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple, ParamSpec

import structlog

from vedette.errors import BusyError, VedetteError

log = structlog.get_logger(__name__)
P = ParamSpec("P")

AGAIN_S = 3_600.0
"""A problem that lasts is said again after so long."""


class _Failing(NamedTuple):
    error: str
    said_at: float
    times: int


class Attempts:
    """Tries jobs and remembers which of them fail; safe to use from several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start without any that fails."""
        self._clock = clock
        self._failing: dict[tuple[str, str], _Failing] = {}

    def make(
        self, job: str, of: str, work: Callable[P, object], *args: P.args, **kwargs: P.kwargs
    ) -> bool:
        """Do one job and return whether it went well; ``of`` is its source or sensor, if any."""
        about = {"of": of} if of else {}
        try:
            work(*args, **kwargs)
        except BusyError as error:
            log.info("job.postponed", job=job, **about, error=str(error))
            return False
        except VedetteError as error:
            self._fail((job, of), error)
            return False
        except Exception:
            log.exception("job.crashed", job=job, **about)
            return False
        if (over := self._failing.pop((job, of), None)) is not None:
            log.info("job.recovered", job=job, **about, after=over.times, was=over.error)
        return True

    def _fail(self, key: tuple[str, str], error: VedetteError) -> None:
        now, text = self._clock(), str(error)
        before = self._failing.get(key, _Failing("", now, 0))
        is_news = text != before.error or now - before.said_at >= AGAIN_S
        times = before.times + 1
        self._failing[key] = _Failing(text, now if is_news else before.said_at, times)
        say = log.error if is_news else log.debug
        job, of = key
        about = {"of": of} if of else {}
        say("job.failed", job=job, **about, error=text, hint=error.hint, times=times)
