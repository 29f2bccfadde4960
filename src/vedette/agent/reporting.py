"""Say what is known: to the hub, at once on a change and else in a rhythm, and into a file here."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import structlog
from msgspec import Struct

from vedette.agent.backoff import Backoff
from vedette.agent.hub import Hub
from vedette.agent.situation import Situation
from vedette.errors import VedetteError
from vedette.files import write_atomically
from vedette.sensor.wire import Report

log = structlog.get_logger(__name__)

FILE = "status.json"
_SETTLE_S = 0.02
_SOON_S = 1.0


class Status(Struct, frozen=True, kw_only=True):
    """``status.json``: what ``vedette agent status`` shows."""

    pid: int
    report: Report
    """The newest, with the newest proof."""
    heard_at: datetime | None = None
    """When the hub answered last."""
    problem: str = ""
    """Why the hub could not be told; ``""``: it was."""
    skew_s: float | None = None
    """Our clock less the hub's."""
    lost: dict[str, int] = {}
    """Alerts that the hub will not get, by reason."""


class Reporter:
    """Sends reports; of one thread.

    Args:
        hub: A connection of its own; None: there is no hub.
        situation: What is known.
        state: The agent's state directory.
        heard: Told the serial that the hub wants of us.
        lost: Returns alerts that are lost, by reason.
    """

    def __init__(
        self,
        hub: Hub | None,
        situation: Situation,
        state: Path,
        heard: Callable[[int], None],
        lost: Callable[[], dict[str, int]],
    ) -> None:
        """Say nothing yet."""
        self._hub = hub
        self._situation = situation
        self._path = state / FILE
        self._heard = heard
        self._lost = lost
        self._backoff = Backoff()
        self._heard_at: datetime | None = None
        self._skew_s: float | None = None
        self.problem = ""
        """Why the hub could not be told; ``""``: it was."""

    def run(self, stop: threading.Event, rhythm_s: float) -> None:
        """Report until ``stop`` is set."""
        settle_s = _SETTLE_S
        while not stop.is_set():
            wait_s = self.once()
            if wait_s:
                stop.wait(wait_s)  # a hub that is away is not asked more often for a change here
                continue
            began = time.monotonic()
            self._situation.changed.wait(rhythm_s)
            # Changes come in pairs; one after the other, for ever, only if the hub makes them.
            is_soon = time.monotonic() - began < _SOON_S
            settle_s = min(2 * settle_s, _SOON_S) if is_soon else _SETTLE_S
            stop.wait(settle_s)

    def once(self) -> float:
        """Report; return the seconds to wait if the hub was not reached."""
        self._situation.changed.clear()
        report = self._situation.report()
        wait_s = self._send(report) if self._hub else 0.0
        self._write(report)
        return wait_s

    def _send(self, report: Report) -> float:
        assert self._hub is not None  # noqa: S101 - for mypy
        try:
            answer = self._hub.report(report)
        except VedetteError as error:
            if str(error) != self.problem:
                log.warning("report.unsent", error=str(error), hint=error.hint)
            self.problem = str(error)
            return self._backoff.failed(getattr(error, "wait_s", 0.0))
        now = datetime.now(UTC)
        if self.problem:
            log.info("report.sent")
        self.problem = ""
        self._backoff.worked()
        self._situation.arrived(report)
        self._heard_at = now
        if answer.time is not None:
            self._skew_s = round((now - answer.time).total_seconds(), 3)
        self._heard(answer.serial)
        return 0.0

    def _write(self, report: Report) -> None:
        status = Status(
            pid=os.getpid(),
            report=msgspec.structs.replace(report, proof=self._situation.facts.proof),
            heard_at=self._heard_at,
            problem=self.problem,
            skew_s=self._skew_s,
            lost=self._lost(),
        )
        try:
            write_atomically(self._path, [msgspec.json.encode(status)])
        except OSError as error:
            log.warning("status.not_written", error=str(error))


def read_status(state: Path) -> Status | None:
    """Return what an agent wrote last; None if there was none, or it cannot be read.

    Raises:
        OSError: It may not be read.
    """
    try:
        return msgspec.json.decode((state / FILE).read_bytes(), type=Status)
    except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
        return None
