"""Every value that was ever seen, as 64-bit hashes in memory: what is new is known at once.

8 bytes a value. A value is wrongly taken for seen with a probability of N / 2**64 (at 50 million
values: 3 in a million million).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]

_SEGMENTS = 256
"""By the first eight bits of a key. Fresh keys move into one segment after the other, so no batch
waits for all of a large set to be copied."""
_FRESH_MAX = 1 << 17
_EDGES: Keys = np.arange(1, _SEGMENTS, dtype=np.uint64) << np.uint64(56)


class Known:
    """A set of keys: sorted segments, and the fresh keys that have not moved there yet."""

    def __init__(self, keys: Keys) -> None:
        """Take all keys, in any order, with repetitions."""
        ordered = np.sort(keys)  # np.unique hashes: 20 times slower at ten million
        if len(ordered):
            ordered = ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])]
        self._segments = [part.copy() for part in np.split(ordered, _cuts(ordered))]
        self._fresh: Keys = np.empty(0, dtype=np.uint64)
        self._next = 0
        self._count = len(ordered)

    def __len__(self) -> int:
        return self._count

    def are_new(self, keys: Keys) -> NDArray[np.bool_]:
        """Tell for each key whether it is not in the set."""
        # In order, the binary searches walk through memory once instead of jumping about.
        order = np.argsort(keys)
        asked = keys[order]
        found = _are_in(self._fresh, asked)
        cuts = pairwise([0, *_cuts(asked).tolist(), len(asked)])
        for segment, (start, end) in zip(self._segments, cuts, strict=True):
            if end > start:
                found[start:end] |= _are_in(segment, asked[start:end])
        new = np.empty(len(keys), dtype=np.bool_)
        new[order] = ~found
        return new

    def add(self, keys: Keys) -> None:
        """Add keys that are new (see :meth:`are_new`), each once."""
        self._fresh = _merged(self._fresh, np.sort(keys))
        self._count += len(keys)
        while len(self._fresh) > _FRESH_MAX:
            self._move()

    def _move(self) -> None:
        """Move the fresh keys of the next segment into it."""
        at = self._next
        self._next = (at + 1) % _SEGMENTS
        start, end = [0, *_cuts(self._fresh).tolist(), len(self._fresh)][at : at + 2]
        self._segments[at] = _merged(self._segments[at], self._fresh[start:end])
        self._fresh = np.concatenate([self._fresh[:start], self._fresh[end:]])


def _cuts(ordered: Keys) -> NDArray[np.intp]:
    """Return where the segments begin, but for the first."""
    return np.searchsorted(ordered, _EDGES)


def _merged(ordered: Keys, more: Keys) -> Keys:
    return np.insert(ordered, np.searchsorted(ordered, more), more)


def _are_in(known: Keys, asked: Keys) -> NDArray[np.bool_]:
    if not len(known):
        return np.zeros(len(asked), dtype=np.bool_)
    at = np.searchsorted(known, asked)
    at[at == len(known)] = 0
    found: NDArray[np.bool_] = known[at] == asked
    return found
