"""Write realistic EVE at great speed: ``python -m bench.eve --events N --out FILE``.

Shapes and sizes are those of lines of Suricata 7.0.10 (``--dns 2``) and 8.0.7 (``--dns 3``).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from bench.eve_lines import MIX, Lines
from bench.eve_world import Numbers, Shape, World

START_S = 1_767_225_600
"""The first event: 2026-01-01T00:00:00Z."""

_BLOCK = 20_000
_LATE_S = 20.0  # mean delay of those that come late: the age at which flows are logged
_DAY_S = 86_400
_FRACTIONS = [f"{number:04d}" for number in range(10_000)]


def blocks(shape: Shape) -> Iterator[bytes]:
    """Yield whole lines, some megabytes at a time; the same for the same shape."""
    rng = np.random.default_rng(shape.seed)
    lines = Lines(World(shape), shape)
    step = shape.days * _DAY_S / shape.events
    edges = np.cumsum(list(MIX.values()))
    for first in range(0, shape.events, _BLOCK):
        count = min(_BLOCK, shape.events - first)
        late = rng.exponential(_LATE_S, count) * (rng.random(count) < shape.late)
        times = START_S + (first + np.arange(count)) * step - late
        kinds = np.searchsorted(edges, rng.random(count) * edges[-1], side="right")
        written = _written(np.maximum(times, START_S))
        block = np.empty(count, dtype=object)
        for number, kind in enumerate(MIX):
            chosen = kinds == number
            block[chosen] = lines.of(kind, written[chosen].tolist(), rng)
        yield ("\n".join(block.tolist()) + "\n").encode()


def write(shape: Shape, path: Path) -> int:
    """Write the events to a file; return its size in bytes."""
    with path.open("wb") as file:
        for block in blocks(shape):
            file.write(block)
        return file.tell()


def _written(times: Numbers) -> Numbers:
    """Times as Suricata writes them; seconds are formatted once each, as most are met often."""
    seconds = times.astype(np.int64)
    fractions = ((times - seconds) * 10_000).astype(np.int64).tolist()
    distinct, where = np.unique(seconds, return_inverse=True)
    stamps = [time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)) for second in distinct]
    texts = np.empty(len(times), dtype=object)
    texts[:] = [
        f"{stamps[second]}.{_FRACTIONS[fraction]}17+0000"
        for second, fraction in zip(where.tolist(), fractions, strict=True)
    ]
    return texts


def main(arguments: Sequence[str] | None = None) -> int:
    default = Shape()
    parser = argparse.ArgumentParser(prog="python -m bench.eve")
    parser.add_argument("--events", type=int, default=default.events)
    parser.add_argument("--names", type=int, default=default.names)
    parser.add_argument("--hosts", type=int, default=default.hosts)
    parser.add_argument("--days", type=float, default=default.days)
    parser.add_argument("--dns", type=int, choices=(2, 3), default=default.dns)
    parser.add_argument("--seed", type=int, default=default.seed)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    given = parser.parse_args(arguments)
    shape = Shape(
        events=given.events,
        names=given.names,
        hosts=given.hosts,
        days=given.days,
        dns=given.dns,
        seed=given.seed,
    )
    began = time.process_time()
    size = write(shape, given.out)
    spent = time.process_time() - began
    print(f"{shape.events:,} events, {size:,} bytes in {spent:.1f} s of CPU")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
