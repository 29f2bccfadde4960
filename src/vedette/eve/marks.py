"""Digests at fixed places of a file: whether a shorter file is the beginning of a longer one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b

SPAN = 256
"""Bytes that one digest is about."""

_FIRST = 512
_FACTOR = 4


def digest(data: bytes) -> str:
    """Return 16 hex digits that stand for some bytes."""
    return blake2b(data, digest_size=8).hexdigest()


def places() -> Iterator[int]:
    """Yield the offsets of all marks: 512 bytes, 2 KiB, 8 KiB..."""
    place = _FIRST
    while True:
        yield place
        place *= _FACTOR


class Marks:
    """The digests of the 256 bytes before each place that reading has passed."""

    def __init__(self) -> None:
        self._places = places()
        self._next = next(self._places)
        self._digests: list[str] = []

    @property
    def digests(self) -> tuple[str, ...]:
        """In the order of places; empty where the bytes were not seen."""
        return tuple(self._digests)

    def skip(self, offset: int, known: Sequence[str] = ()) -> None:
        """Go on behind an offset without having seen the bytes before it."""
        while self._next <= offset:
            number = len(self._digests)
            self._note(known[number] if number < len(known) else "")

    def see(self, before: int, seen: bytes) -> None:
        """Take note of bytes that begin at an offset; those up to there were seen or skipped."""
        while self._next <= before + len(seen):
            end = self._next - before
            self._note(digest(seen[end - SPAN : end]) if end >= SPAN else "")

    def _note(self, found: str) -> None:
        self._digests.append(found)
        self._next = next(self._places)


def begins_like(known: Sequence[str], size: int, read: Callable[[int, int], bytes]) -> bool:
    """Whether a file of ``size`` bytes has the same digests, at those places that it has.

    Args:
        known: Digests as :attr:`Marks.digests`.
        size: Of the file to look at, in bytes.
        read: Returns a number of its bytes from an offset on.
    """
    return all(
        place > size or not expected or digest(read(SPAN, place - SPAN)) == expected
        for place, expected in zip(places(), known, strict=False)
    )
