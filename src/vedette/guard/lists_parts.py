"""Thousands of words, anywhere in a million values.

All values are one long text. With NumPy every place in it is compared at once with the first
letters of all words; without, the text is searched for each word. Both find the same.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from itertools import accumulate

HAS_NUMPY = find_spec("numpy") is not None
"""It comes with ``vedette[hub]``; imported where it is used, since every command would pay."""

_TEXT_MAX = 1 << 20
_HEADS = (8, 4)
"""So many first letters are compared; words shorter than the last are searched for one by one."""
_SPREAD = 0x9E3779B97F4A7C15
_SHIFT = 48
Place = tuple[int, int]
"""Where a word begins, and its number."""


class Words:
    """Words to look for."""

    def __init__(self, words: Iterable[str], *, vectorized: bool = HAS_NUMPY) -> None:
        self._words = [word.encode("utf-8", "surrogatepass") for word in words]
        self._heads: dict[int, dict[int, list[int]]] = {size: {} for size in _HEADS}
        self._others = []
        for number, word in enumerate(self._words):
            size = next((n for n in _HEADS if len(word) >= n), 0) if vectorized else 0
            if size:
                head = int.from_bytes(word[:size], "little")
                self._heads[size].setdefault(head, []).append(number)
            else:
                self._others.append(number)

    def find(self, values: Sequence[str]) -> Iterator[tuple[int, int]]:
        """Yield the position of each value with a word in it, and the number of the word."""
        if not self._words:
            return
        for first, chunk in _chunks(values):
            text = "\n".join(chunk).encode("utf-8", "surrogatepass") + b"\n"
            if places := list(self._places(text)):
                lines = (value.encode("utf-8", "surrogatepass") for value in chunk)
                starts = [0, *accumulate(len(line) + 1 for line in lines)]
                seen = {(bisect_right(starts, at) - 1, number) for at, number in places}
                yield from ((first + position, number) for position, number in sorted(seen))

    def _places(self, text: bytes) -> Iterator[Place]:
        for number in self._others:
            yield from _each(text, self._words[number], number)
        for size, heads in self._heads.items():
            if heads and len(text) >= size:
                yield from self._compared(text, size, heads)

    def _compared(self, text: bytes, size: int, heads: dict[int, list[int]]) -> Iterator[Place]:
        import numpy as np  # noqa: PLC0415

        there = np.zeros(1 << 64 - _SHIFT, dtype=bool)
        there[[(head * _SPREAD & (1 << 64) - 1) >> _SHIFT for head in heads]] = True
        shape = (len(text) - size + 1,)
        letters = np.ndarray(shape, dtype=f"<u{size}", buffer=text, strides=(1,))
        slots = letters.astype(np.uint64)
        slots *= np.uint64(_SPREAD)
        slots >>= np.uint64(_SHIFT)
        for at in np.flatnonzero(there[slots]).tolist():
            for number in heads.get(int.from_bytes(text[at : at + size], "little"), ()):
                if text.startswith(self._words[number], at):
                    yield at, number


def _each(text: bytes, word: bytes, number: int) -> Iterator[Place]:
    at = text.find(word)
    while at >= 0:
        yield at, number
        at = text.find(word, at + 1)


def _chunks(values: Sequence[str]) -> Iterator[tuple[int, Sequence[str]]]:
    """Parts of a long list, about a megabyte each, with where they start."""
    ends = [*accumulate(map(len, values))]
    first = 0
    while first < len(values):
        before = ends[first - 1] if first else 0
        last = max(bisect_right(ends, before + _TEXT_MAX), first + 1)
        yield first, values[first:last]
        first = last
