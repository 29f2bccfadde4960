"""Every value that was ever seen, as 64-bit hashes in memory: what is new is known at once.

8 bytes a value. A value is wrongly taken for seen with a probability of N / 2**64 (at 50 million
values: 3 in a million million).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]

_FRESH_MIN = 1 << 18
_FRESH_SHARE = 16


class Known:
    """A set of keys: a large sorted array, and a small one that is merged into it now and then."""

    def __init__(self, keys: Keys) -> None:
        """Take all keys, in any order, with repetitions."""
        self._sorted: Keys = np.unique(keys)
        self._fresh: Keys = np.empty(0, dtype=np.uint64)

    def __len__(self) -> int:
        return len(self._sorted) + len(self._fresh)

    def are_new(self, keys: Keys) -> NDArray[np.bool_]:
        """Tell for each key whether it is not in the set."""
        # In order, the binary searches walk through memory once instead of jumping about.
        order = np.argsort(keys)
        asked = keys[order]
        found = _are_in(self._sorted, asked) | _are_in(self._fresh, asked)
        new = np.empty(len(keys), dtype=np.bool_)
        new[order] = ~found
        return new

    def add(self, keys: Keys) -> None:
        """Add keys that are new (see :meth:`are_new`)."""
        self._fresh = np.union1d(self._fresh, keys)
        if len(self._fresh) > max(_FRESH_MIN, len(self._sorted) // _FRESH_SHARE):
            at = np.searchsorted(self._sorted, self._fresh)
            self._sorted = np.insert(self._sorted, at, self._fresh)
            self._fresh = self._fresh[:0]


def _are_in(known: Keys, asked: Keys) -> NDArray[np.bool_]:
    if not len(known):
        return np.zeros(len(asked), dtype=np.bool_)
    at = np.searchsorted(known, asked)
    at[at == len(known)] = 0
    found: NDArray[np.bool_] = known[at] == asked
    return found
