"""Alerts on their way to the hub: one durable file a batch, in order, until the hub has them.

A batch holds the place in EVE behind it, so that each line is in exactly one batch, whoever is
killed. Hard rule: bounded; what does not fit is counted, by reason, and said.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec
import structlog
import zstandard
from msgspec import Struct

from vedette.errors import SensorError
from vedette.eve.segment import Bookmark
from vedette.files import write_atomically

log = structlog.get_logger(__name__)

_SUFFIX = ".batch"
_PLACE = "place.json"
_UNPACKED_MAX = 64 << 20


class Place(Struct, frozen=True, kw_only=True):
    """Up to where EVE was read, and what was left in the middle."""

    bookmark: Bookmark | None = None
    waiting: tuple[str, ...] = ()
    """Alerts whose event had not come yet."""


class _State(Struct, kw_only=True):
    """``place.json``."""

    id: str
    """Of this spool; a new one begins a new count."""
    taken: int = 0
    """Number of the last batch that the hub has taken."""
    cursor: str = ""
    """What the hub calls the place behind it."""
    number: int = 0
    """Of the last batch that was written when the place was."""
    place: Place = Place()
    lost: dict[str, int] = {}
    """Alerts that were not kept, by reason, ever."""


class _Head(Struct, frozen=True, kw_only=True):
    """The first line of a batch."""

    alerts: int
    place: Place


class Batch(NamedTuple):
    """What is to be sent next."""

    number: int
    start: str
    """The hub's cursor before it."""
    end: str
    body: bytes
    """Lines, compressed with zstd."""
    alerts: int


class Spool:
    """The batches and the place; used by the thread that reads EVE and the one that sends.

    Args:
        path: Their directory; it is created.
        most_bytes: Of all batches together.
        tidy: Remove what a killed agent left.
    """

    def __init__(self, path: Path, most_bytes: int, *, tidy: bool = True) -> None:
        """Read what is there.

        Raises:
            SensorError: It cannot be read or written.
        """
        self._path = path
        self._most = most_bytes
        self._lock = threading.Lock()
        self.filled = threading.Event()
        """Set when there is something to send."""
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._state = self._read()
            self._sizes = {int(file.stem): file.stat().st_size for file in path.glob(f"*{_SUFFIX}")}
            if tidy:
                for leftover in path.glob(".*.tmp"):
                    leftover.unlink()
                self._drop_taken()
        except OSError as error:
            raise SensorError(
                f"cannot use the spool {path}: {error.strerror}",
                hint="The agent must be able to write there.",
            ) from error
        self.place = self._last_place()
        if self._sizes:
            self.filled.set()

    @classmethod
    def looked_at(cls, path: Path, most_bytes: int) -> Spool | None:
        """Open the spool of an agent that may be running, to be read only; None: there is none.

        Raises:
            SensorError: It cannot be read.
        """
        return cls(path, most_bytes, tidy=False) if path.is_dir() else None

    @property
    def waiting(self) -> int:
        """Batches that the hub has not taken yet."""
        return len(self._sizes)

    @property
    def size(self) -> int:
        """What they take on the disk."""
        return sum(self._sizes.values())

    @property
    def lost(self) -> Mapping[str, int]:
        """Alerts that were not kept, by reason."""
        return dict(self._state.lost)

    def add(self, lines: bytes, alerts: int, place: Place) -> None:
        """Keep lines and the place behind them, in one file.

        Where the spool is full, the lines are counted as lost and only the place moves on.

        Raises:
            SensorError: The disk is full, or may not be written; the place is where it was.
        """
        head = msgspec.json.encode(_Head(alerts=alerts, place=place))
        data = zstandard.ZstdCompressor(3).compress(head + b"\n" + lines)
        with self._lock:
            if self.size + len(data) > self._most:
                self._lose("spool_full", alerts, place)
                return
            number = self._next
            try:
                write_atomically(self._path / f"{number:012}{_SUFFIX}", [data], mode=0o600)
            except OSError as error:
                raise _unwritable(self._path, error) from error
            self._sizes[number] = len(data)
            self.place = place
        self.filled.set()

    def move(self, place: Place) -> None:
        """Keep a place behind lines of which none matters.

        Raises:
            SensorError: It cannot be written; the lines will be read again.
        """
        with self._lock:
            self._write(place)

    def head(self) -> Batch | None:
        """Return the oldest batch; None if the hub has all."""
        with self._lock:
            while self._sizes:
                number = min(self._sizes)
                try:
                    head, lines = self._unpack(number)
                except (OSError, zstandard.ZstdError, ValueError) as error:
                    log.warning("batch.damaged", number=number, error=str(error))
                    self._state.lost["damaged"] = self._state.lost.get("damaged", 0) + 1
                    self._forget(number)
                    continue
                body = zstandard.ZstdCompressor(3).compress(lines)
                end = self._cursor(number)
                return Batch(number, self._state.cursor, end, body, head.alerts)
            self.filled.clear()
            return None

    def taken(self, batch: Batch) -> None:
        """Forget a batch that the hub has counted.

        Raises:
            SensorError: That cannot be written; it will be sent again, and counted once.
        """
        with self._lock:
            self._advance(batch.number, batch.end)

    def refused(self, batch: Batch) -> None:
        """Count a batch as lost that the hub will never take, and go on behind it.

        Raises:
            SensorError: That cannot be written.
        """
        with self._lock:
            lost = self._state.lost.get("refused", 0)
            self._state.lost["refused"] = lost + batch.alerts
            self._advance(batch.number, batch.start)

    def resume(self, cursor: str) -> None:
        """Go on from where the hub says it is.

        A place that no batch here ends at is another state of the hub's (an old backup): the next
        batch is sent from there.

        Raises:
            SensorError: That cannot be written.
        """
        with self._lock:
            known = [n for n in self._sizes if self._cursor(n) == cursor]
            if not known:
                log.warning("cursor.unknown", of_hub=cursor, ours=self._state.cursor)
            self._advance(known[0] if known else self._state.taken, cursor)

    # -- files --------------------------------------------------------------------------

    @property
    def _next(self) -> int:
        return 1 + max([self._state.taken, self._state.number, *self._sizes])

    def _cursor(self, number: int) -> str:
        return f"{self._state.id}-{number}"

    def _read(self) -> _State:
        try:
            return msgspec.json.decode((self._path / _PLACE).read_bytes(), type=_State)
        except FileNotFoundError:
            pass
        except (msgspec.DecodeError, UnicodeError) as error:
            log.warning("place.damaged", path=str(self._path / _PLACE), error=str(error))
        return _State(id=secrets.token_hex(8))

    def _last_place(self) -> Place:
        """Return the place of the last batch, if that was written after the other one."""
        newest = max(self._sizes, default=0)
        if newest <= self._state.number:
            return self._state.place
        try:
            return self._unpack(newest)[0].place
        except (OSError, zstandard.ZstdError, ValueError):
            return self._state.place

    def _unpack(self, number: int) -> tuple[_Head, bytes]:
        first, newline, lines = self._whole(number).partition(b"\n")
        if not newline:
            raise ValueError("it has no head")
        return msgspec.json.decode(first, type=_Head), lines

    def _whole(self, number: int) -> bytes:
        data = (self._path / f"{number:012}{_SUFFIX}").read_bytes()
        return zstandard.ZstdDecompressor().decompress(data, max_output_size=_UNPACKED_MAX)

    def _lose(self, reason: str, alerts: int, place: Place) -> None:
        before = self._state.lost.get(reason, 0)
        self._state.lost[reason] = before + alerts
        try:
            self._write(place)
        except SensorError:
            self._state.lost[reason] = before  # they are read again
            raise
        if not before:
            log.error("alerts.lost", reason=reason, size=self.size)

    def _advance(self, number: int, cursor: str) -> None:
        self._state.taken, self._state.cursor = number, cursor
        self._write(self.place)
        self._drop_taken()

    def _drop_taken(self) -> None:
        for number in [n for n in self._sizes if n <= self._state.taken]:
            self._forget(number)

    def _forget(self, number: int) -> None:
        (self._path / f"{number:012}{_SUFFIX}").unlink(missing_ok=True)
        del self._sizes[number]

    def _write(self, place: Place) -> None:
        self._state.place = place
        self._state.number = max([self._state.number, *self._sizes])
        try:
            write_atomically(self._path / _PLACE, [msgspec.json.encode(self._state)], mode=0o600)
        except OSError as error:
            raise _unwritable(self._path, error) from error
        self.place = place


def _unwritable(path: Path, error: OSError) -> SensorError:
    return SensorError(
        f"cannot write to the spool {path}: {error.strerror}",
        hint="Alerts wait in eve.json; if that is rotated away before there is room, they are lost"
        " to the hub.",
    )
