"""Files that are there, as an input: each read to its end, once, whatever it is called.

Hard rule: a last line that is not a whole event is left where it is: when the file has grown, it
is read whole.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

import msgspec
from msgspec import Struct

from vedette.eve.contents import Contents, Known
from vedette.eve.inputs import Idle, Lines
from vedette.eve.reader import BATCH_BYTES
from vedette.eve.segment import Segment
from vedette.files import open_regular

_AGAIN_S = 5.0
"""For how long files are tried again that another process reads: it may be about to end."""
_PAUSE_S = 0.1
_PADDING = b"\0 \t\r\n"


class FileOutcome(Struct, frozen=True, kw_only=True):
    """What became of one file that was offered."""

    path: str
    outcome: str
    """``read``, ``known`` (nothing new in it), ``left`` (another process reads it), ``failed``."""
    note: str = ""
    """For people: known as whose, left to whom, failed why."""
    skipped: dict[str, int] = {}
    """``torn``, ``unreadable``, ``oversized``."""
    bytes: int = 0
    """Its size on the disk."""


class Finished:
    """Any number of files, plain or compressed, one after the other."""

    kind: ClassVar[str] = "file"

    def __init__(
        self,
        paths: Iterable[Path],
        contents: Contents,
        idle: Idle,
        *,
        sensor: str,
        tell: Callable[[FileOutcome], None],
    ) -> None:
        """Take the files (asked for one by one), and whom to tell what became of each."""
        self._paths = paths
        self._contents = contents
        self._idle = idle
        self._sensor = sensor
        self._tell = tell

    def __enter__(self) -> Self:
        """Open nothing."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close nothing: :meth:`batches` does."""

    def batches(self) -> Iterator[Lines]:
        """Yield the lines of all files; what cannot be read is told, and costs no other file."""
        left: list[Path] = []
        for path in self._paths:
            yield from self._guarded(path, left.append)
        deadline = time.monotonic() + _AGAIN_S
        while left and time.monotonic() < deadline and self._idle():
            time.sleep(_PAUSE_S)
            again, left = left, []
            for path in again:
                yield from self._guarded(path, left.append)
        for path in left:
            yield from self._guarded(path, None)

    def ack(self, position: str) -> None:
        """Let others read the files that are behind us."""
        del position
        self._contents.settle()

    def _guarded(self, path: Path, defer: Callable[[Path], None] | None) -> Iterator[Lines]:
        try:
            open_regular(path).close()
            with closing(Segment(path)) as segment:
                yield from self._read(segment, defer)
        except OSError as error:
            self._say(path, "failed", note=error.strerror or str(error))

    def _read(self, given: Segment, defer: Callable[[Path], None] | None) -> Iterator[Lines]:
        path = given.path
        if not given.start():
            self._say(path, "read")
            return
        entered = self._contents.enter(given)
        if entered is None:
            if defer is None:
                self._say(path, "left", note=f"read by {self._contents.holder(given)}")
            else:
                defer(path)
            return
        with closing(entered.segment) as segment:
            begun, skipped = segment.offset, dict[str, int]()
            if not entered.complete:
                yield from self._lines(segment, skipped)
            _add(skipped, segment.take_skipped())
            known = entered.known
            if known is not None and segment.offset == begun:
                self._say(path, "known", note=self._whose(known, path), skipped=skipped)
            elif known is not None and known.sensor != self._sensor:
                note = f"the beginning is known: {self._whose(known, path)}"
                self._say(path, "read", note=note, skipped=skipped)
            else:
                self._say(path, "read", skipped=skipped)

    def _lines(self, segment: Segment, skipped: dict[str, int]) -> Iterator[Lines]:
        """Yield what is behind the offset; add what is not handed out to ``skipped``."""
        pending: Lines | None = None
        while data := segment.read(BATCH_BYTES):
            if pending is not None:
                yield pending
            pending = self._batch(segment, data, _add(skipped, segment.take_skipped()))
        if data is None:
            raise OSError("it was overwritten while it was read")
        rest = segment.carried
        last = segment.rest() if _is_whole(rest) or (segment.unfinished and not rest) else b""
        lost = segment.take_skipped()
        if not last and rest.strip(_PADDING) and not {"unreadable"} & {*lost, *skipped}:
            lost["torn"] += 1
        _add(skipped, lost)
        # What is lost at the end goes with the last line: it must be counted once, as that is.
        if pending is not None:
            _add(lost, pending.skipped)
            yield self._batch(segment, pending.data + last, lost)
        elif last:
            yield self._batch(segment, last, lost)

    def _batch(self, segment: Segment, data: bytes, skipped: Mapping[str, int]) -> Lines:
        bookmark = segment.bookmark(segment.path)
        self._contents.note(bookmark)
        return Lines(data=data, reached=bookmark, skipped=skipped)

    def _whose(self, known: Known, path: Path) -> str:
        """Say as what a file is known; empty if as itself."""
        name = known.bookmark.path if known.bookmark.path != str(path) else ""
        owner = f"sensor '{known.sensor}'" if known.sensor != self._sensor else ""
        return ", ".join(filter(None, (owner, name)))

    def _say(
        self, path: Path, outcome: str, *, note: str = "", skipped: dict[str, int] | None = None
    ) -> None:
        try:
            size = path.stat().st_size
        except OSError:
            size = 0
        self._tell(
            FileOutcome(
                path=str(path), outcome=outcome, note=note, skipped=skipped or {}, bytes=size
            )
        )


def _is_whole(line: bytes) -> bool:
    """Whether a line without its end is a whole event all the same."""
    text = line.strip(_PADDING)
    if not text.endswith(b"}"):
        return False
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except msgspec.DecodeError:
        return False
    return True


def _add(total: dict[str, int], more: Mapping[str, int]) -> Mapping[str, int]:
    for reason, n in more.items():
        total[reason] = total.get(reason, 0) + n
    return more
