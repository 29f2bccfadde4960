"""Bytes of anything as lines of text: any line end, UTF-8 or UTF-16, bounded."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import BinaryIO

from vedette.errors import UsageError

LINE_MAX = 1 << 20
"""Longest line in characters; a longer one is cut where it has white space or a comma."""
DOCUMENT_MAX = 1 << 28
"""Bytes of the largest JSON document that is taken as a whole; a larger one is read as text."""

_BLOCK = 1 << 18
_SAMPLE_LINES = 200
_BAD_MAX = 0.1
_STEERING = re.compile(r"\x1b\[[0-9;:?]*[ -/]*[@-~]")
"""What colours text on a terminal: its last letter is no part of the word behind it."""
_CONTROL = dict.fromkeys(set(range(0x20)) - {0x09, 0x0A, 0x0B, 0x0C, 0x0D}, None)
_ENCODINGS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class Text:
    """The lines of a stream of bytes, its first ones known in advance.

    Raises:
        UsageError: It is no text.
        OSError: It cannot be read.
    """

    def __init__(self, stream: BinaryIO, where: str) -> None:
        self._stream = stream
        head = _read(stream, _BLOCK)
        mark, encoding = next(
            (pair for pair in _ENCODINGS if head.startswith(pair[0])), (b"", "utf-8")
        )
        self._head = head.removeprefix(mark)
        self._encoding = encoding
        start = self._head.decode(encoding, "replace")
        _refuse_binary(start, where)
        begin = start[:512].lstrip().lower()
        self.is_json = begin.startswith(("{", "["))
        self.is_html = begin.startswith(("<!doctype", "<html", "<head", "<?xml", "<!--"))
        self._sample = start.splitlines()[:_SAMPLE_LINES]

    def sample(self) -> list[str]:
        """Return the first lines."""
        return self._sample

    def whole(self) -> bytes | None:
        """Return all of it as UTF-8; None if it is too much, and then :meth:`lines` gives it."""
        parts, size = [self._head], len(self._head)
        while size <= DOCUMENT_MAX and (block := self._stream.read(_BLOCK)):
            parts.append(block)
            size += len(block)
        self._head = b"".join(parts)
        if size > DOCUMENT_MAX:
            return None
        if self._encoding == "utf-8":
            return self._head
        return self._head.decode(self._encoding, "replace").encode()

    def lines(self) -> Iterator[tuple[int, str]]:
        """Yield every line with its number; can be called once.

        Raises:
            OSError: The stream cannot be read to its end.
        """
        number = 0
        for coloured in self._texts():
            text = _STEERING.sub("", coloured) if "\x1b" in coloured else coloured
            for line in text.split("\n"):
                number += 1
                # A return alone ends a line too, as it did on old Macs.
                if "\r" not in line:
                    yield number, line
                else:
                    yield from ((number, part) for part in line.split("\r"))

    def _texts(self) -> Iterator[str]:
        """Yield runs of whole lines."""
        decoder = codecs.getincrementaldecoder(self._encoding)("replace")
        rest, block = "", self._head
        self._head = b""
        while block:
            text = rest + decoder.decode(block)
            end = text.rfind("\n")
            if end < 0 and len(text) > LINE_MAX:
                end = max(text.rfind(mark) for mark in " \t,\r") % len(text)
            if end >= 0:
                yield text[: end + (text[end] != "\n")]
            rest = text[end + 1 :]
            block = self._stream.read(_BLOCK)
        if rest := rest + decoder.decode(b"", final=True):
            yield rest


def _read(stream: BinaryIO, size: int) -> bytes:
    """Read a head even of a pipe, which gives a little at a time."""
    parts, length = [], 0
    while length < size and (block := stream.read(size - length)):
        parts.append(block)
        length += len(block)
    return b"".join(parts)


def _refuse_binary(start: str, where: str) -> None:
    bad = len(start) - len(start.translate(_CONTROL).replace("\N{REPLACEMENT CHARACTER}", ""))
    if start.startswith("%PDF-") or bad > len(start) * _BAD_MAX:
        raise UsageError(
            f"{where or 'the list'} is no text",
            hint="Give a list, a table, JSON or prose; save a PDF or a spreadsheet as text first.",
        )
