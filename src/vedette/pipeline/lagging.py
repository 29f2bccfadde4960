"""How far behind reading of each sensor's eve.json is, between the threads that read and report."""

from __future__ import annotations

import re
import threading
from datetime import UTC, datetime
from pathlib import Path

from vedette.eve.reader import Batch
from vedette.eve.segment import Bookmark
from vedette.sensor.wire import EveState

_TIMESTAMP = re.compile(rb'"timestamp"\s*:\s*"([^"\\]{10,40})"')


class Lags:
    """What was measured last, by sensor; safe to share between threads."""

    def __init__(self) -> None:
        self._states: dict[str, EveState] = {}
        self._lock = threading.Lock()

    def of(self, sensor: str) -> EveState | None:
        """Return what is known; None: its EVE is not read here."""
        with self._lock:
            return self._states.get(sensor)

    def measure(self, sensor: str, path: Path, batch: Batch) -> None:
        """Note that a batch was read just now."""
        before = self.of(sensor) or EveState()
        last_at = _last_at(batch.data)
        lag_s = (datetime.now(UTC) - last_at).total_seconds() if last_at else before.lag_s
        state = EveState(
            lag_s=round(lag_s, 3),
            behind_bytes=_behind(path, batch.bookmark),
            last_event_at=last_at or before.last_event_at,
        )
        with self._lock:
            self._states[sensor] = state


def _last_at(data: bytes) -> datetime | None:
    """Return when the last event happened, by the engine's clock."""
    start = data.rfind(b"\n", 0, max(0, len(data) - 1)) + 1
    match = _TIMESTAMP.search(data, start)
    if match is None:
        return None
    try:
        moment = datetime.fromisoformat(match[1].decode())
    except (ValueError, UnicodeDecodeError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _behind(path: Path, bookmark: Bookmark | None) -> int:
    try:
        status = path.stat()
    except OSError:
        return 0
    if bookmark is None or status.st_ino != bookmark.inode:
        return status.st_size
    return max(0, status.st_size - bookmark.offset)
