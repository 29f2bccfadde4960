"""The same figures at 1, 10 and 50 million known values, in one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from shutil import rmtree
from statistics import median
from typing import Any

from bench.hunt import TITLES
from bench.options import Options
from bench.pools import measured
from bench.report import Table

_QUESTIONS = (
    *("commit", "new", "new by SQL", "open"),
    *("hunt exact", "hunt subdomains", "hunt networks", "hunt 1,000", "prevalence"),
    *("one value, popular", "one value, rare", "who, popular", "who, rare"),
)
_OWN: Mapping[str, str] = {
    "commit": "commit of a batch of 10,000 events, all tables",
    "new": "new values of the batch, by the set in memory",
    "new by SQL": "the same by the engine's SQL",
}


def tables(options: Options) -> list[Table]:
    """Fill and ask a store of each size; the bytes and the times as rows, sizes as columns."""
    sizes = options.size((1_000_000, 10_000_000, 50_000_000), (10_000, 40_000))
    indicators = options.size(1_000_000, 2_000)
    filled: list[Mapping[str, Any]] = []
    asked: list[Mapping[str, Any]] = []
    for size in sizes:
        state = options.scratch / f"state-{size}"
        batches = max(4, size // 500_000)
        arguments = ("--observations", 3 * size, "--batches", batches)
        filled.append(measured("asked", "fill", state, size, *arguments))
        asking = ("--indicators", indicators, "--repeat", options.size(3, 1))
        asking += ("--commits", options.size(30, 3))
        asked.append(measured("asked", "ask", state, size, *asking))
        rmtree(state)
    rows = [*_bytes(filled), *_times(asked, indicators)]
    columns = ("what", *(f"{size:,} keys" for size in sizes))
    notes = (
        (
            "milliseconds are medians, the slowest in brackets; sizes are on disk, merged as far as"
            " the engine does by itself"
        ),
        (
            "an event has 3.3 values on average; how many rows they are depends on how often a"
            " client shows the same value on a day"
        ),
        f"{indicators:,} indicators, candidates or domains, a hundredth as many networks",
    )
    return [Table("The store as it grows", columns, rows, notes)]


def _bytes(filled: Sequence[Mapping[str, Any]]) -> list[Sequence[object]]:
    def line(title: str, values: Sequence[float], digits: int = 0) -> Sequence[object]:
        return (title, *(f"{value:,.{digits}f}" for value in values))

    return [
        line("observations, rows", [one["observations.rows"] for one in filled]),
        line("bytes a sighting", [one["sightings.bytes"] / one["keys"] for one in filled], 1),
        line(
            "bytes a new sighting (the list of what is new)",
            [one["new_sightings.bytes"] / one["keys"] for one in filled],
            1,
        ),
        line(
            "bytes a row of observations",
            [one["observations.bytes"] / one["observations.rows"] for one in filled],
            1,
        ),
        line("bytes an event, all tables", [_all(one) / one["events"] for one in filled], 1),
        line("all tables, MiB", [_all(one) / 2**20 for one in filled]),
        line("filling: s of commits", [one["commit_s"] for one in filled]),
        line("filling: peak RSS MiB", [one["rss_mib"] for one in filled]),
    ]


def _all(filled: Mapping[str, Any]) -> float:
    tables = ("sightings", "observations", "new_sightings", "coverage")
    return float(sum(filled[f"{table}.bytes"] for table in tables))


def _times(asked: Sequence[Mapping[str, Any]], indicators: int) -> list[Sequence[object]]:
    rows: list[Sequence[object]] = []
    for name in _QUESTIONS:
        title = _OWN.get(name) or TITLES[name]
        title = title.format(n=f"{indicators:,}", m=f"{indicators // 100:,}")
        cells = [f"{median(one[name]['ms']):,.1f} ({max(one[name]['ms']):,.1f})" for one in asked]
        rows.append((f"{title}, ms", *cells))
    last = _QUESTIONS[-1]
    rows.append(("all that: peak RSS MiB", *(f"{one[last]['rss_mib']:,.0f}" for one in asked)))
    return rows
