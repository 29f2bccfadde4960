"""The lines of a list: bounded, decoded one by one where need be, sniffed before they are read."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import NamedTuple

from vedette.errors import SourceError

LINE_MAX = 65_536
"""Longest line, in bytes; of a longer one only the beginning is kept, to show it."""

_SURELY_SHORT = LINE_MAX // 4  # in characters, of at most four bytes
_HEAD = 1 << 16
_BLOCK = 1 << 18
_SAMPLE_LINES = 200
_SHOWN = 200
_BOM = b"\xef\xbb\xbf"
_FOREIGN = (
    (b"PK\x03\x04", "a zip archive", "Unpack it, or name the file inside it."),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "Unpack it first."),
    (b"\xfd7zXZ\x00", "xz data", "Vedette unpacks gz and zst; unpack xz first."),
    (b"BZh", "bzip2 data", "Vedette unpacks gz and zst; unpack bz2 first."),
    (b"%PDF", "a PDF", "Take the list that the publisher offers for machines."),
    (b"SQLite format 3", "a database", "Export it as CSV."),
    (b"\xff\xfe", "UTF-16 text", "Save it as UTF-8."),
    (b"\xfe\xff", "UTF-16 text", "Save it as UTF-8."),
)
_TAR_PLACE = 257
_WEB = (b"<!doctype html", b"<html", b"<head", b"<script", b"<?xml", b"<!--")
_JSON = (b"{", b"[{", b'["', b"[\n", b"[]")


class Unreadable(NamedTuple):
    """A line that is no text."""

    text: str
    """Its beginning, as far as it can be shown."""
    reason: str


class Text:
    """The lines of a stream of bytes, its first lines known in advance.

    Args:
        stream: At its start, unpacked.
        where: What an error calls it.

    Raises:
        SourceError: It is a web page, JSON, an archive: anything but a list.
        OSError: It cannot be read.
    """

    def __init__(self, stream: io.BufferedReader, where: str) -> None:
        self._stream = stream
        self._head = stream.read(_HEAD)
        refuse_foreign(self._head, where)
        self._head = self._head.removeprefix(_BOM)

    def sample(self) -> list[str]:
        """Return the first lines, whole ones only."""
        lines = self._head.decode("utf-8", "replace").split("\n")
        if len(self._head) >= _HEAD - len(_BOM) and len(lines) > 1:
            del lines[-1]
        return [line.rstrip("\r") for line in lines[:_SAMPLE_LINES]]

    def lines(self) -> Iterator[tuple[int, str | Unreadable]]:
        """Yield every line with its number; can be called once.

        Raises:
            OSError: The stream cannot be read to its end.
        """
        number = 0
        for block in self._blocks():
            for line in _decode(block):
                number += 1
                yield number, line

    def _blocks(self) -> Iterator[bytes]:
        """Yield runs of whole lines; a line that is too long stands alone and cut off."""
        rest, block = b"", self._head
        while block:
            data = rest + block
            end = data.rfind(b"\n") + 1
            if end:
                yield data[: end - 1]
            rest = data[end:]
            if len(rest) > LINE_MAX:
                yield rest[: LINE_MAX + 1]
                rest = self._skip_line()
            block = self._stream.read1(_BLOCK)
        if rest:
            yield rest

    def _skip_line(self) -> bytes:
        while block := self._stream.read1(_BLOCK):
            _line, newline, rest = block.partition(b"\n")
            if newline:
                # What follows is a part of a block: it may hold many lines.
                return rest
        return b""


def _decode(block: bytes) -> Iterator[str | Unreadable]:
    try:
        lines = block.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        yield from map(_decode_line, block.split(b"\n"))
        return
    if max(map(len, lines)) <= _SURELY_SHORT:
        yield from lines
    else:
        yield from map(_decode_line, block.split(b"\n"))


def _decode_line(line: bytes) -> str | Unreadable:
    if len(line) > LINE_MAX:
        return Unreadable(line[:_SHOWN].decode("utf-8", "replace"), "line too long")
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return Unreadable(line[:_SHOWN].decode("utf-8", "replace").strip(), "not UTF-8")


def refuse_foreign(head: bytes, where: str) -> None:
    """Refuse what is certainly no list.

    Raises:
        SourceError: It says what it is instead.
    """
    if head[_TAR_PLACE:].startswith(b"ustar"):
        raise SourceError(f"{where} is a tar archive, not a list", hint="Unpack it first.")
    for magic, what, hint in _FOREIGN:
        if head.startswith(magic):
            raise SourceError(f"{where} is {what}, not a list", hint=hint)
    text = head.removeprefix(_BOM).lstrip()[:_SHOWN].lower()
    if text.startswith(_WEB):
        raise SourceError(
            f"{where} is a web page, not a list",
            hint="Open it in a browser: a login, a licence to accept, or a moved address?",
        )
    if text.startswith(_JSON):
        raise SourceError(
            f"{where} is JSON, not a list",
            hint="For a MISP feed use the kind misp-feed; else take the list as text or CSV.",
        )
