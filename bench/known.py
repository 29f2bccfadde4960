"""Which values of a batch of 10,000 events had never been seen, at 1, 10 and 50 million known.

The set alone; what the same costs as a part of a commit is in the table of growth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from bench.cost import alternate
from bench.known_set import KEYS, NEW
from bench.options import Options
from bench.pools import measured
from bench.report import Table

_TARGET_MS = 50
_TITLES = {"ours": "**Vedette**", "set": "a Python set of integers"}


def tables(options: Options) -> list[Table]:
    """Measure each way at each size, in turn, as processes of their own."""
    sizes = options.size((1_000_000, 10_000_000, 50_000_000), (10_000, 100_000))
    batches = options.size(400, 20)
    ways = {
        (size, way): partial(measured, "known_set", size, batches, way)
        for size in sizes
        for way in ("ours", "set")
        if way == "ours" or size < sizes[-1]  # 50 million integers of Python are 4 GiB
    }
    found = alternate({f"{size} {way}": run for (size, way), run in ways.items()}, options.repeat)
    rows = [_row(size, way, found[f"{size} {way}"]) for size, way in ways]
    columns = ("known", "what", "start s", "batch ms, median", "99 of 100", "slowest", "MiB")
    notes = (
        f"target: {_TARGET_MS} ms a batch, whatever is known",
        f"{batches} batches of {KEYS:,} distinct values, {NEW:,} of them new; asked and added",
        "start: from hashes in no order, as the store gives them; memory is of the process",
    )
    return [Table("New values in a batch of 10,000 events", columns, rows, notes)]


def _row(size: int, way: str, runs: Sequence[Mapping[str, Any]]) -> Sequence[object]:
    times = sorted(ms for run in runs for ms in run["ms"])
    return (
        f"{size:,}",
        _TITLES[way],
        f"{min(run['start_s'] for run in runs):.2f}",
        f"{times[len(times) // 2]:.1f}",
        f"{times[len(times) * 99 // 100]:.1f}",
        f"{times[-1]:.1f}",
        f"{max(run['rss_mib'] for run in runs):.0f}",
    )
