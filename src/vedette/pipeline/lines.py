"""Lines of JSON in the bodies of HTTP, as streams: nothing is held twice.

Only a line feed ends a line: values from the network hold every other separator there is.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from vedette.errors import UsageError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

LINE_MAX = 1 << 20
"""Bytes of the longest line that a question may have."""

CHUNK = 1 << 16


def chunks(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Join lines to chunks that are worth sending."""
    pending: list[bytes] = []
    size = 0
    for line in lines:
        pending.append(line)
        size += len(line) + 1
        if size >= CHUNK:
            yield b"\n".join(pending) + b"\n"
            pending, size = [], 0
    if pending:
        yield b"\n".join(pending) + b"\n"


def split(received: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the lines of what comes in, without their ends."""
    rest = b""
    for chunk in received:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
    if rest:
        yield rest


def read(body: io.BufferedIOBase) -> Iterator[bytes]:
    """Yield the lines of a question.

    Raises:
        UsageError: One is longer than any question can be.
        ConnectionError: Whoever asks went away before the end.
    """
    while line := body.readline(LINE_MAX):
        if len(line) == LINE_MAX:
            raise UsageError(f"a line of the question has more than {LINE_MAX:,} bytes")
        yield line


class Body(io.RawIOBase):
    """The body of a request, chunked or of a given length, as a raw stream."""

    def __init__(
        self, received: io.BufferedIOBase, *, length: str = "", encoding: str = ""
    ) -> None:
        """Take what comes after the headers, and what two of them say."""
        self._input = received
        self._chunked = encoding.lower() == "chunked"
        self._left = int(length) if length.isdigit() and not self._chunked else 0
        self._ended = not (self._chunked or self._left)

    def readable(self) -> bool:
        """Whether it can be read: always."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read what is there, at least a byte unless it has ended."""
        if self._left == 0 and not self._ended:
            self._start_chunk()
        if self._ended:
            return 0
        view = memoryview(buffer).cast("B")
        data = self._input.read(min(len(view), self._left))
        if not data:
            raise ConnectionError("the question breaks off")
        view[: len(data)] = data
        self._left -= len(data)
        if self._left == 0:
            self._end_chunk()
        return len(data)

    def _start_chunk(self) -> None:
        try:
            self._left = int(self._input.readline(64).split(b";")[0], 16)
        except ValueError:
            raise ConnectionError("the question breaks off") from None
        if self._left == 0:
            self._input.readline(64)
            self._ended = True

    def _end_chunk(self) -> None:
        if self._chunked:
            self._input.readline(64)
        else:
            self._ended = True
