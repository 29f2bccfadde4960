"""What a worker and whoever started it say to each other: one JSON document a line."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import msgspec
import structlog
from msgspec import Struct

from vedette.eve.finished import FileOutcome

_TELL_EVERY_S = 0.2


class Job(Struct, frozen=True, kw_only=True):
    """What one worker does."""

    kind: str
    """``follow``, ``file``, ``unix``, ``unixgram`` or ``redis``."""
    address: str
    """Where to read; may hold a password."""
    place: str
    """The same for people."""
    sensor: str
    input_id: int
    spool: str
    database: str
    skip: tuple[str, ...]
    home: tuple[str, ...]
    batch_rows: int
    commit_every_s: float
    poll_s: float
    purpose: str


class Told(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a worker is told after its job."""

    paths: tuple[str, ...] = ()
    """Files to read next; none: there are no more."""


class Said(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a worker says; what is empty is not meant."""

    want: bool = False
    """It wants to be told the next files."""
    bytes: int = 0
    """Read since it began, uncompressed."""
    counts: dict[str, int] = {}
    """Spooled since it began: ``lines``, ``events`` and what was skipped, by reason."""
    seq: int = 0
    """Of its last batch."""
    file: FileOutcome | None = None
    log: dict[str, Any] = {}
    """An event for the log: ``level``, ``event`` and fields."""
    error: str = ""
    hint: str = ""


class Link:
    """A worker's end."""

    def __init__(self, inp: IO[bytes], out: IO[bytes], stop: threading.Event) -> None:
        """Read the job; ``stop`` is set when the other end goes away.

        Raises:
            msgspec.DecodeError: It is no job.
        """
        self._out = out
        self._encode = msgspec.json.Encoder().encode
        self._lock = threading.Lock()
        self._told: queue.SimpleQueue[Told | None] = queue.SimpleQueue()
        self._next_at = 0.0
        self._last: tuple[int, int] = (0, 0)
        self.job = msgspec.json.decode(inp.readline(), type=Job)
        self._stop = stop
        threading.Thread(target=self._listen, args=(inp,), daemon=True).start()

    def _listen(self, inp: IO[bytes]) -> None:
        for line in inp:
            self._told.put(msgspec.json.decode(line, type=Told))
        self._stop.set()
        self._told.put(None)

    def say(self, said: Said) -> None:
        """Say something; nobody listens any more: we shall stop."""
        try:
            with self._lock:
                self._out.write(self._encode(said) + b"\n")
        except BrokenPipeError:
            self._stop.set()

    def tell(self, read: int, counts: Mapping[str, int], seq: int, *, now: bool = False) -> None:
        """Say how far we are, not too often."""
        if (read, seq) != self._last and (now or time.monotonic() >= self._next_at):
            self._next_at = time.monotonic() + _TELL_EVERY_S
            self._last = (read, seq)
            self.say(Said(bytes=read, counts=dict(counts), seq=seq))

    def paths(self) -> Iterator[Path]:
        """Yield the files to read as we are told them, one by one."""
        while not self._stop.is_set():
            self.say(Said(want=True))
            told = self._told.get()
            if told is None or not told.paths:
                return
            for path in told.paths:
                if self._stop.is_set():
                    return
                yield Path(path)

    def file(self, outcome: FileOutcome) -> None:
        """Say what became of a file."""
        self.say(Said(file=outcome))

    def log(
        self, _: object, level: str, event: structlog.typing.EventDict
    ) -> structlog.typing.ProcessorReturnValue:
        """Let the other end write the log: a last processor of structlog."""
        plain = {
            key: value if isinstance(value, int | str) else str(value)
            for key, value in event.items()
        }
        self.say(Said(log={**plain, "level": level}))
        raise structlog.DropEvent
