"""The answer of a hub as an agent reads it: a body with a limit, and what its head says of time."""

from __future__ import annotations

import io
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx2

_DEADLINE_S = 900.0
_RETRY_MOST_S = 600.0


class Body(io.RawIOBase):
    """The body of an answer, as a file with a limit in bytes and in time."""

    def __init__(self, answer: httpx2.Response, most: int, where: str) -> None:
        self._where = where
        self._left = most
        self._most = most
        self._chunks = answer.iter_raw()
        self._rest = memoryview(b"")
        self._until = time.monotonic() + _DEADLINE_S

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: object) -> int:
        """Read some bytes of it.

        Raises:
            OSError: It is cut off, too long, or takes too long.
        """
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        if not self._rest and not self._pull():
            return 0
        size = min(len(view), len(self._rest))
        view[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size

    def _pull(self) -> bool:
        try:
            for chunk in self._chunks:
                self._left -= len(chunk)
                if self._left < 0:
                    raise OSError(f"{self._where} sent more than {self._most:,} bytes")
                if time.monotonic() > self._until:
                    raise OSError(f"{self._where} took longer than {_DEADLINE_S:.0f} s")
                if chunk:
                    self._rest = memoryview(chunk)
                    return True
        except httpx2.TransportError as error:
            raise OSError(f"{self._where} cut its answer short: {error}") from error
        return False


def skew_s(answer: httpx2.Response) -> float | None:
    """Return our clock less the hub's, to the second."""
    try:
        date = parsedate_to_datetime(answer.headers.get("Date", ""))
    except ValueError:
        return None
    return (datetime.now(UTC) - date).total_seconds() if date.tzinfo else None


def retry_after_s(answer: httpx2.Response) -> float:
    """Return how long the hub asks to be left alone."""
    text = answer.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdecimal():
        return min(float(text), _RETRY_MOST_S)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    # Of the hub's own clock: ours may be wrong.
    try:
        now = parsedate_to_datetime(answer.headers.get("Date", ""))
    except ValueError:
        now = datetime.now(UTC)
    return min(max((moment - now).total_seconds(), 0.0), _RETRY_MOST_S)
