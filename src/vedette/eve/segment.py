"""One file of the log, and the place in it up to which lines have been handed out.

A place is known by content, not by name: rename, copy-and-truncate, compression and reuse of an
inode all leave the bytes before the offset as they were, or the place is not there any more.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from enum import Enum
from io import BufferedReader, BytesIO
from pathlib import Path

from msgspec import Struct

from vedette.eve.marks import SPAN as _SPAN
from vedette.eve.marks import Marks, begins_like
from vedette.eve.marks import digest as _digest
from vedette.files import UnpackError, open_decompressed

_STEP = 1 << 20
_COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")

MAX_LINE = 8 << 20
"""Longer lines are skipped and counted."""


class Bookmark(Struct, frozen=True, kw_only=True):
    """Up to where a log has been read; always behind a complete line."""

    path: str
    device: int
    inode: int
    offset: int
    """In bytes of the uncompressed file."""
    head: str
    """Digest of the first bytes, at most 256 and at most ``offset``."""
    tail: str
    """Digest of the last bytes before ``offset``, at most 256."""
    modified_ns: int
    """When the file was last written, at the time of reading."""
    marks: tuple[str, ...] = ()
    """Digests at 512 bytes, 2 KiB, 8 KiB...: see :mod:`vedette.eve.marks`."""


class Place(Enum):
    """Where a bookmark is in a file."""

    HERE = "here"
    BEYOND = "beyond"
    """The same log, cut before the offset: a copy made before we had read further."""
    ELSEWHERE = "elsewhere"


class Segment:
    """A file of the log, open for reading whole lines."""

    def __init__(self, path: Path, *, max_line: int = MAX_LINE) -> None:
        """Open it at its start.

        Raises:
            OSError: It is not there or may not be read.
        """
        self.path = path
        self._file = path.open("rb", buffering=0)
        self._unpacked: BufferedReader | None = None
        try:
            if os.pread(self._file.fileno(), 4, 0).startswith(_COMPRESSED):
                self._unpacked = open_decompressed(path, max_bytes=sys.maxsize)
        except BaseException:
            self._file.close()
            raise
        self._max_line = max_line
        self._head = b""
        self._tail = b""
        self._marks = Marks()
        self._carry = b""
        self._skipped = 0
        """Bytes of an oversized line that were read and dropped."""
        self._probe = b""
        """First bytes behind the offset, to notice that the file was replaced under us."""
        self.offset = 0
        self._uncounted: Counter[str] = Counter()
        stat = os.fstat(self._file.fileno())
        self.device, self.inode = stat.st_dev, stat.st_ino

    def close(self) -> None:
        """Let go of the file."""
        if self._unpacked is not None:
            self._unpacked.close()
        self._file.close()

    @property
    def unfinished(self) -> bool:
        """Whether bytes without an end of line have been read."""
        return bool(self._carry or self._skipped)

    @property
    def modified_ns(self) -> int:
        """When the file was last written."""
        return os.fstat(self._file.fileno()).st_mtime_ns

    def take_skipped(self) -> Counter[str]:
        """Return what was not handed out since the last call, by reason."""
        skipped, self._uncounted = self._uncounted, Counter()
        return skipped

    @property
    def carried(self) -> bytes:
        """What was read behind the last end of line."""
        return b"" if self._skipped else self._carry

    def rest(self) -> bytes:
        """Return a last line that lacks its end, with an end; the file is finished."""
        if self._skipped:
            self._uncounted["oversized"] += 1
            return b""
        line = self._carry
        self._advance(len(line))
        return line and line + b"\n"

    def reopened(self) -> Segment:
        """Return the same file at its start again; this one is closed."""
        if self._unpacked is None:
            return self
        self.close()
        return Segment(self.path, max_line=self._max_line)

    def start(self) -> bytes:
        """Return the first bytes of the file; of a compressed one only before reading."""
        if self._unpacked is not None:
            self._carry = self._carry or self._pull(_SPAN)
            return self._carry[:_SPAN]
        return os.pread(self._file.fileno(), _SPAN, 0)

    def bookmark(self, name: Path) -> Bookmark:
        """Return the place behind the last line handed out."""
        return Bookmark(
            path=str(name),
            device=self.device,
            inode=self.inode,
            offset=self.offset,
            head=_digest(self._head),
            tail=_digest(self._tail),
            modified_ns=self.modified_ns,
            marks=self._marks.digests,
        )

    def seek(self, bookmark: Bookmark) -> Place:
        """Go behind the last line that was handed out, if this is the file it came from."""
        span = min(_SPAN, bookmark.offset)
        if _digest(self.start()[:span]) != bookmark.head:
            return Place.ELSEWHERE
        if self._unpacked is None:
            tail = os.pread(self._file.fileno(), span, bookmark.offset - span)
            if len(tail) == span and _digest(tail) == bookmark.tail:
                self._file.seek(bookmark.offset)
                self._head, self._tail = self.start()[:span], tail
                self.offset = bookmark.offset
                self._marks.skip(self.offset, bookmark.marks)
                return Place.HERE
            size = os.fstat(self._file.fileno()).st_size
            cut = size < bookmark.offset and begins_like(bookmark.marks, size, self._pread)
            return Place.BEYOND if cut else Place.ELSEWHERE
        return self._seek_through(bookmark)

    def seek_end(self) -> None:
        """Go to the end of a live file that lost its last bytes (a power cut): go on from there."""
        if self._unpacked is not None:
            return  # nothing will be written behind it
        self.offset = self._file.seek(0, os.SEEK_END)
        span = min(_SPAN, self.offset)
        self._head = self.start()[:span]
        self._tail = os.pread(self._file.fileno(), span, self.offset - span)
        self._marks.skip(self.offset)

    def _pread(self, size: int, offset: int) -> bytes:
        return os.pread(self._file.fileno(), size, offset)

    def _seek_through(self, bookmark: Bookmark) -> Place:
        while len(self._carry) < bookmark.offset - self.offset:
            self._advance(len(self._carry))
            if not (fresh := self._pull(min(_STEP, bookmark.offset - self.offset))):
                passed = zip(self._marks.digests, bookmark.marks, strict=False)
                cut = all(ours == known or not known for ours, known in passed)
                return Place.BEYOND if cut else Place.ELSEWHERE
            self._carry = fresh
        self._advance(bookmark.offset - self.offset)
        return Place.HERE if _digest(self._tail) == bookmark.tail else Place.ELSEWHERE

    def read(self, size: int) -> bytes | None:
        """Return complete lines that have not been handed out, about ``size`` bytes.

        Returns:
            ``b""`` at the end (a line without its end stays for later), None when the bytes before
            the offset have changed: the file was truncated, what was read now is not used.
        """
        while True:
            fresh = self._pull(size)
            if not self.intact():
                return None
            self._carry += fresh
            if not self._drop_oversized():
                self._probe = self._carry[:_SPAN]
                if end := self._carry.rfind(b"\n") + 1:
                    lines = self._carry[:end]
                    self._advance(end)
                    return lines
            if not fresh:
                return b""

    def intact(self) -> bool:
        """Whether the bytes around the offset are still those that we read."""
        if self._unpacked is not None:
            return True
        expected = self._tail + self._probe
        at = self.offset - len(self._tail)
        descriptor = self._file.fileno()
        return (
            os.pread(descriptor, len(expected), at) == expected
            and os.pread(descriptor, len(self._head), 0) == self._head
        )

    def _drop_oversized(self) -> bool:
        """Skip a line that is too long; True while its end has not been read."""
        end = self._carry.find(b"\n")
        if self._skipped + (end if end >= 0 else len(self._carry)) <= self._max_line:
            return False
        if not self._skipped:
            self._probe = self._carry[:_SPAN]
        if end < 0:
            self._skipped += len(self._carry) - _SPAN
            self._carry = self._carry[-_SPAN:]
            return True
        self._head = (self._head + self._probe)[:_SPAN]
        self.offset += self._skipped
        self._marks.skip(self.offset)
        self._tail = b""
        self._skipped = 0
        self._advance(end + 1)
        self._uncounted["oversized"] += 1
        return False

    def _advance(self, count: int) -> None:
        """Count bytes of the carry as handed out."""
        gone, self._carry = self._carry[:count], self._carry[count:]
        if len(self._head) < _SPAN:
            self._head = (self._head + gone)[:_SPAN]
        self._marks.see(self.offset - len(self._tail), self._tail + gone)
        self._tail = (self._tail + gone[-_SPAN:])[-_SPAN:]
        self._probe = self._carry[:_SPAN]
        self.offset += count

    def _pull(self, size: int) -> bytes:
        if self._unpacked is None:
            return self._file.read(size) or b""
        parts: list[bytes] = []
        try:
            while size > 0 and (part := self._unpacked.read1(size)):
                parts.append(part)
                size -= len(part)
        except UnpackError:
            self._uncounted["unreadable"] = 1
            self._unpacked = BufferedReader(BytesIO())
        return b"".join(parts)
