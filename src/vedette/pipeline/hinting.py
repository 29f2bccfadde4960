"""Which sources should be pulled before their interval is over, because their server says so."""

from __future__ import annotations

import threading
from collections.abc import Iterable

import structlog

from vedette.errors import SourceError
from vedette.misp.hints import listen
from vedette.store import SourceRecord

log = structlog.get_logger(__name__)


class Hints:
    """Listens for each source with a ``zmq`` setting, in a thread of its own.

    Whatever happens to a publisher, sources are pulled on their interval.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hinted: set[str] = set()
        self._listening: dict[tuple[str, str], tuple[threading.Event, threading.Thread]] = {}

    def follow(self, records: Iterable[SourceRecord]) -> None:
        """Listen for these sources, and no longer for those that are gone or changed."""
        wanted = {
            (record.name, address)
            for record in records
            if (address := str(record.settings.get("zmq") or ""))
        }
        for gone in self._listening.keys() - wanted:
            ended, thread = self._listening.pop(gone)
            ended.set()
            thread.join()
        for new in wanted - self._listening.keys():
            ended = threading.Event()
            thread = threading.Thread(target=self._listen, args=(*new, ended), name=f"zmq-{new[0]}")
            self._listening[new] = (ended, thread)
            thread.start()

    def take(self) -> set[str]:
        """Names of the sources to pull now; each hint is given once."""
        with self._lock:
            hinted, self._hinted = self._hinted, set()
        return hinted

    def end(self) -> None:
        """Stop listening."""
        self.follow(())

    def _listen(self, name: str, address: str, ended: threading.Event) -> None:
        try:
            for _ in listen(address, ended):
                log.info("source.hinted", source=name)
                with self._lock:
                    self._hinted.add(name)
        except SourceError as error:
            log.warning("source.unhinted", source=name, error=str(error), hint=error.hint)
        except Exception:
            log.exception("source.unhinted", source=name)
