"""A million indicators against what the network has said, and one value: beside the naive ways."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.cost import BenchError
from bench.eve import write
from bench.eve_world import Shape
from bench.indicators import write_unseen
from bench.options import Options
from bench.pools import measured
from bench.report import Table

_TARGETS: Mapping[str, str] = {
    "hunt exact": "3 s",
    "hunt subdomains": "10 s",
    "one value, popular": "50 ms",
    "one value, rare": "50 ms",
    "who, popular": "1 s",
    "who, rare": "1 s",
}
TITLES: Mapping[str, str] = {
    "open": "open the store, with the set of known values",
    "hunt exact": "{n} indicators, exact",
    "hunt subdomains": "{n} domains, with all names below them",
    "hunt mixed": "{n} indicators of seven types",
    "hunt networks": "{m} networks",
    "hunt 1,000": "1,000 indicators of seven types: what a feed brings",
    "prevalence": "prevalence of {n} candidates in 30 days",
    "naive: tuple IN": "naive: (field, value) IN, no hosts",
    "naive: semi join": "naive: SEMI JOIN, no hosts",
    "one value, popular": "one value that many met: first, last, count, hosts",
    "one value, rare": "one value that one host met",
    "who, popular": "who and when, of the former",
    "who, rare": "who and when, of the latter",
    "days, popular": "timeline, of the former",
    "days, rare": "timeline, of the latter",
}


def tables(options: Options) -> list[Table]:
    """Fill one store, ask it everything, and let grep look through EVE."""
    keys = options.size(10_000_000, 20_000)
    observations = options.size(102_000_000, 60_000)
    indicators = options.size(1_000_000, 5_000)
    state = options.scratch / "state"
    arguments = ("--observations", observations, "--batches", options.size(100, 4))
    filled = measured("asked", "fill", state, keys, *arguments)
    asking = ("--indicators", indicators, "--repeat", options.size(5, 1), "--naive")
    asked = measured("asked", "ask", state, keys, *asking)
    rows = [row(name, asked[name], indicators, _TARGETS.get(name, "")) for name in asked]
    notes = (
        "milliseconds: median, extremes in brackets; the first question is asked of a cold cache",
        (
            f"{filled['observations.rows']:,.0f} rows of observations;"
            f" {filled['commit_s']:.0f} s of commits filled it"
        ),
        (
            "a hundredth of the indicators was met, of the domains one in 500, of all candidates a"
            " hundredth; answers of hunts have the hosts of every value, from the observations"
        ),
    )
    title = f"{keys:,} sightings"
    columns = ("question", "ms", "answers", "peak RSS MiB", "target")
    return [Table(title, columns, rows, notes), _grep(options, indicators)]


def row(name: str, found: Mapping[str, Any], indicators: int, target: str) -> Sequence[object]:
    """Return the row of one question."""
    times = sorted(found["ms"])
    shown = f"{times[len(times) // 2]:,.0f}"
    if len(times) > 1:
        shown += f" ({times[0]:,.0f}-{times[-1]:,.0f})"
    title = TITLES[name].format(n=f"{indicators:,}", m=f"{indicators // 100:,}")
    return (title, shown, f"{found['answers']:,}", f"{found['rss_mib']:.0f}", target)


def _grep(options: Options, indicators: int) -> Table:
    """Look for the same indicators in EVE itself, as people do who have no memory of it."""
    path, listed = options.scratch / "eve.json", options.scratch / "indicators"
    events = options.size(1_000_000, 10_000)
    size = write(Shape(events=events, names=options.size(100_000, 1_000)), path)
    write_unseen(listed, indicators)
    rows = []
    for count in (indicators // 100, indicators):
        patterns = options.scratch / f"first-{count}"
        with listed.open() as file:
            patterns.write_text("".join(line for line, _ in zip(file, range(count), strict=False)))
        rows.append((f"{count:,}", *_grepped(patterns, path, size)))
    return Table(
        f"grep -F -f over {size / 2**30:.2f} GiB of EVE ({events:,} events), from memory",
        ("indicators", "s", "s for each GiB"),
        rows,
        ("it finds lines, in any field, also inside other values; no subdomains, no who",),
    )


def _grepped(patterns: Path, path: Path, size: int) -> tuple[str, str]:
    began = time.perf_counter()
    command = ["grep", "-c", "-F", "-f", str(patterns), str(path)]
    done = subprocess.run(command, env={"LC_ALL": "C"}, capture_output=True, check=False)
    spent = time.perf_counter() - began
    if done.returncode not in {0, 1}:
        raise BenchError(f"grep failed: {done.stderr.decode(errors='replace')[:200]}")
    return f"{spent:.1f}", f"{spent / (size / 2**30):.1f}"
