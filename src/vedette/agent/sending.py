"""Send the spool to the hub, oldest first; the hub's cursor says what it has counted."""

from __future__ import annotations

import threading

import structlog

from vedette.agent.backoff import Backoff
from vedette.agent.failures import CursorError, UnacceptedError
from vedette.agent.hub import Hub
from vedette.agent.spool import Batch, Spool
from vedette.errors import HubError, VedetteError

log = structlog.get_logger(__name__)

_IDLE_S = 30.0
_TRIES = 3


class Sender:
    """Sends batches; of one thread.

    Args:
        hub: A connection of its own.
        spool: What is to be sent.
    """

    def __init__(self, hub: Hub, spool: Spool) -> None:
        """Send nothing yet."""
        self._hub = hub
        self._spool = spool
        self._backoff = Backoff()
        self._refused = 0

    def run(self, stop: threading.Event) -> None:
        """Send until ``stop`` is set."""
        while not stop.is_set():
            if wait_s := self.once():
                stop.wait(wait_s)
            else:
                self._spool.filled.wait(_IDLE_S)

    def once(self) -> float:
        """Send all that waits; return the seconds to wait if that failed."""
        try:
            tried = 0, 0
            while (batch := self._spool.head()) is not None:
                tried = batch.number, 1 + (tried[1] if tried[0] == batch.number else 0)
                if tried[1] > _TRIES:
                    raise HubError("the hub names another place each time")
                self._send(batch)
        except VedetteError as error:
            if not self._backoff.failures:
                log.warning("hits.unsent", error=str(error), waiting=self._spool.waiting)
            return self._backoff.failed(getattr(error, "wait_s", 0.0))
        if self._backoff.worked():
            log.info("hits.sent")
        return 0.0

    def _send(self, batch: Batch) -> None:
        try:
            cursor = self._hub.hits(batch.body, batch.start, batch.end)
        except CursorError as error:
            if error.cursor == batch.start:
                raise
            self._spool.resume(error.cursor)
        except UnacceptedError as error:
            self._refused += 1
            if self._refused < _TRIES:
                raise
            log.warning("hits.refused", error=str(error), alerts=batch.alerts)
            self._refused = 0
            self._spool.refused(batch)
        else:
            self._refused = 0
            if cursor in {"", batch.end}:
                self._spool.taken(batch)
            else:
                self._spool.resume(cursor)
