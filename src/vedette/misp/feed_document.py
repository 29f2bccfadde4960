"""One document of a feed, and how long it may be."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import IO, NamedTuple, Protocol

from vedette.misp.validators import Validators

EVENT_MAX_BYTES = 256 * 2**20
"""Longest event or manifest, unpacked: 450,000 attributes of 570 bytes. It is read into memory."""

_BLOCK = 1 << 20

MISSING = "named in the manifest, but missing"


class Unreadable(NamedTuple):
    """An event that could not be read while others could."""

    reason: str


class NotModified(NamedTuple):
    """The manifest is the one that we hold."""


Document = bytes | Unreadable


class Feed(Protocol):
    """A feed that is open for reading."""

    @property
    def validators(self) -> Validators:
        """What the server says of the manifest that was read; of a file: nothing."""
        ...

    def manifest(self) -> bytes | NotModified | None:
        """The manifest, or ``None`` where there is none."""
        ...

    def read(self, keys: Collection[str]) -> Iterator[tuple[str, Document]]:
        """Yield each event of the manifest that is asked for, exactly once."""
        ...

    def read_all(self) -> Iterator[tuple[str, Document]]:
        """Yield every JSON document with its name, where there is no manifest."""
        ...


def read_bounded(stream: IO[bytes]) -> Document:
    """Read an event from a stream, but never more than an event can be."""
    document = bytearray()
    while block := stream.read(_BLOCK):
        document += block
        if len(document) > EVENT_MAX_BYTES:
            return Unreadable(f"longer than {EVENT_MAX_BYTES:,} bytes")
    return bytes(document)
