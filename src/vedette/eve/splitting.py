"""Whole lines out of what comes in pieces."""

from __future__ import annotations

from vedette.eve.segment import MAX_LINE


class Splitter:
    """The line that is not whole yet, of one connection."""

    def __init__(self, max_line: int = MAX_LINE) -> None:
        """Longer lines are skipped and counted."""
        self._max_line = max_line
        self._pieces: list[bytes] = []
        self._size = 0
        self.oversized = 0
        """Lines that were skipped since this was last set to 0."""

    def feed(self, data: bytes) -> bytes:
        """Take what came; return the lines that are whole now, each with its end."""
        end = data.rfind(b"\n") + 1
        if not end:
            self._carry(data)
            return b""
        first = data.find(b"\n") + 1
        start = self._close(data[:first])
        self._carry(data[end:])
        return start + data[first:end]

    def torn(self) -> bool:
        """Whether the connection ends within a line."""
        return self._size > 0

    def _close(self, end: bytes) -> bytes:
        size, pieces = self._size + len(end), self._pieces
        self._pieces, self._size = [], 0
        if size - 1 > self._max_line:
            self.oversized += 1
            return b""
        return b"".join(pieces) + end

    def _carry(self, data: bytes) -> None:
        if not data:
            return
        self._size += len(data)
        if self._size > self._max_line:
            self._pieces = []  # only its length matters from here on
        else:
            self._pieces.append(data)
