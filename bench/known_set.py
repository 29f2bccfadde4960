"""The set of known values alone: ``python -m bench.known_set KEYS BATCHES WAY``; prints JSON.

A batch is what 10,000 events of bench.eve hold: 12,500 distinct values, 4,000 of them never seen.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bench.cost import BenchError
from bench.pools import rss_mib
from vedette.pool.known import Known

Keys = NDArray[np.uint64]
KEYS, NEW = 12_500, 4_000


class Way(Protocol):
    """Answers which keys of a batch are new, and knows them afterwards."""

    def take(self, keys: Keys) -> int:
        """Return how many were new."""
        ...


class Ours:
    """Vedette's."""

    def __init__(self, keys: Keys) -> None:
        self._known = Known(keys)

    def take(self, keys: Keys) -> int:
        """Ask, then add what was new."""
        new = self._known.are_new(keys)
        self._known.add(keys[new])
        return int(np.count_nonzero(new))


class PythonSet:
    """A set of Python's integers."""

    def __init__(self, keys: Keys) -> None:
        self._known: set[int] = set(keys.tolist())

    def take(self, keys: Keys) -> int:
        """Ask, then add what was new."""
        asked: set[int] = set(keys.tolist())
        new = asked - self._known
        self._known |= new
        return len(new)


WAYS: dict[str, Callable[[Keys], Way]] = {"ours": Ours, "set": PythonSet}


def _batches(known: Keys, count: int, rng: np.random.Generator) -> Iterator[Keys]:
    for _ in range(count):
        old = (
            rng.choice(known, KEYS - NEW, replace=False)
            if len(known) < 1 << 20
            else (known[np.unique(rng.integers(0, len(known), 2 * KEYS))[: KEYS - NEW]])
        )
        yield np.concatenate([old, _random(rng, NEW)])


def _random(rng: np.random.Generator, count: int) -> Keys:
    return rng.integers(0, 2**64 - 1, count, dtype=np.uint64)


def main() -> int:
    size, count, way = int(sys.argv[1]), int(sys.argv[2]), WAYS[sys.argv[3]]
    rng = np.random.default_rng(size)
    keys = _random(rng, size)
    asked = list(_batches(keys, count, rng))
    before = rss_mib()
    began = time.perf_counter()
    known = way(keys)
    start_s = time.perf_counter() - began
    times = []
    for batch in asked:
        began = time.perf_counter()
        new = known.take(batch)
        times.append((time.perf_counter() - began) * 1000)
        if new != NEW:
            raise BenchError(f"{new} keys were new, not {NEW}")
    found = {"start_s": start_s, "ms": times, "rss_mib": rss_mib(), "before_mib": before}
    json.dump(found, sys.stdout)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
