"""All patches that lead from one release to another, in one stream: what an agent fetches.

    4 bytes ``VDPS``, the length of the index in 4 bytes (big endian), the index (JSON),
    then the bodies in its order

It is compressed on its way and not signed itself: what it makes is compared with the signed
manifest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Annotated, BinaryIO

import msgspec
from msgspec import Meta, Struct

from vedette.errors import BundleError

FORMAT = 1
INDEX_MAX = 1 << 20
"""Bytes of an index; one of a thousand files has 100,000."""
WHOLE_MAX = 1 << 20
"""A file up to so many bytes is sent in the stream where no patch is smaller."""

_MAGIC = b"VDPS"
_HINT = "Whole files are fetched instead. If it comes again, look at the hub's log."


class How(StrEnum):
    """How one file of the new release is made."""

    SAME = "same"
    """It is the file of this name of the old release."""
    PATCH = "patch"
    """The body is a patch (:mod:`vedette.ruleset.patch`) of the file of this name."""
    WHOLE = "whole"
    """The body is the file."""
    FETCH = "fetch"
    """It is fetched for itself: ``/bundle/<generation>/datasets/<name>.zst``."""


class Piece(Struct, frozen=True, kw_only=True):
    """One file of the new release."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,199}$")]
    """As in :class:`vedette.sensor.release.Release`."""
    how: How
    size: Annotated[int, Meta(ge=0)] = 0
    """Bytes of its body."""


class PatchSet(Struct, frozen=True, kw_only=True):
    """The index."""

    format: int = FORMAT
    before: str
    """``content_id`` of the release that is there."""
    after: str
    generation: int
    """Of the release that comes."""
    target: str
    pieces: tuple[Piece, ...]


def pack(index: PatchSet, bodies: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the stream; the bodies are in the order of the index, those without any left out."""
    text = msgspec.json.encode(index)
    yield _MAGIC + len(text).to_bytes(4, "big") + text
    yield from bodies


def read_index(stream: BinaryIO) -> PatchSet:
    """Read the index from the start of an (uncompressed) stream.

    Raises:
        BundleError: It is no such stream, or one of a later format.
    """
    start = _exactly(stream, len(_MAGIC) + 4)
    length = int.from_bytes(start[len(_MAGIC) :], "big")
    if not start.startswith(_MAGIC) or length > INDEX_MAX:
        raise BundleError("what came is no set of patches", hint=_HINT)
    try:
        index = msgspec.json.decode(_exactly(stream, length), type=PatchSet)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BundleError(f"the index of the patches is damaged: {error}", hint=_HINT) from error
    if index.format > FORMAT:
        raise BundleError(
            f"the patches have format {index.format}, this Vedette reads up to {FORMAT}",
            hint="Upgrade Vedette here; until then whole files are fetched.",
        )
    return index


def read_body(stream: BinaryIO, piece: Piece, most: int) -> bytes:
    """Read the body of the next piece.

    Raises:
        BundleError: It is cut off, or has more than ``most`` bytes.
    """
    if piece.size > most:
        raise BundleError(f"the patch of {piece.name} has {piece.size:,} bytes", hint=_HINT)
    return _exactly(stream, piece.size)


def _exactly(stream: BinaryIO, size: int) -> bytes:
    parts: list[bytes] = []
    while size:
        if not (part := stream.read(size)):
            raise BundleError("the patches are cut off", hint=_HINT)
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
