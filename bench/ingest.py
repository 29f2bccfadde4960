"""From an EVE file to committed sightings and observations, beside what others do with the file.

Each way is a process of its own (or several); Vedette's is the real command in a fresh state.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path

from bench.cost import BenchError, Cost, alternate, middle, run, spread
from bench.eve import write
from bench.eve_world import Shape
from bench.ingest_peers import tenzir
from bench.options import Options
from bench.pools import measured
from bench.report import Table
from bench.subject import Vedette

_TARGET_PER_S, _TARGET_MIB = 150_000, 1024
_PEERS: Mapping[str, str] = {
    "count_lines": "limit: read it and count lines",
    "parse_simdjson": "limit: simdjson (pysimdjson), one key read, nothing kept",
    "fold_json": "stdlib json, a dict of first, last, count and client",
    "fold_orjson": "orjson, the same",
    "surimisp": "surimisp's loop: decode, look three values up, keep nothing",
    "duckdb_once": "DuckDB, one statement into its file, both cores",
    "tenzir_parse": "Tenzir: read, count events",
    "tenzir_fold": "Tenzir: read, one field's first, last, count by client",
    "tenzir_import": "Tenzir: import into its node's store",
    "fold_python": "Vedette's fold in Python alone, all fields",
    "fold_native": "Vedette's native fold alone, all fields",
}
_FEW = ("parse_simdjson", "duckdb_once", "fold_python", "fold_native")
"""Of the second table: what differs with the version is how much there is to parse."""

_OURS = "**vedette pool ingest**"
_COLUMNS = (
    "what",
    "events/s",
    "wall s",
    "CPU s",
    "us CPU an event",
    "peak RSS MiB",
    "of it own",
    "speed, to Vedette's",
)
_STAGES = ("read", "parse and fold", "take: sort, tables", "spool", "insert", "merge")


def tables(options: Options) -> list[Table]:
    """Measure all ways on one file, then where Vedette's time goes."""
    events = options.size(2_000_000, 20_000)
    path = options.scratch / "eve.json"
    names = options.size(100_000, 2_000)
    found = [
        _ways(options, path, Shape(events=events, names=names, dns=dns), peers)
        for dns, peers in ((2, tuple(_PEERS)), (3, _FEW))
    ]
    return [*found, _stages(options, path, events)]


def _ways(options: Options, path: Path, shape: Shape, peers: Sequence[str]) -> Table:
    size = write(shape, path)
    numbers = count()
    ways: dict[str, Callable[[], Cost]] = {
        _PEERS[name]: _peer(name, path) for name in peers if _is_here(name)
    }
    ways[_OURS] = lambda: _ingest(options.scratch / f"state-{shape.dns}-{next(numbers)}", path)
    costs = alternate(ways, options.repeat)
    ours = middle([cost.wall_s for cost in costs[_OURS]])
    rows = [_row(title, runs, shape.events, ours) for title, runs in costs.items()]
    engine = {2: "7.0.10", 3: "8.0.7"}[shape.dns]
    return Table(
        f"{shape.events:,} events as Suricata {engine} writes them,"
        f" {size / shape.events:.0f} bytes each",
        _COLUMNS,
        rows,
        (
            (
                f"target: {_TARGET_PER_S:,} events/s and {_TARGET_MIB} MiB; memory is that of all"
                " processes together"
            ),
            "not installed here: "
            + (", ".join(_PEERS[name] for name in peers if not _is_here(name)) or "nothing"),
        ),
    )


def _row(title: str, runs: Sequence[Cost], events: int, ours: float) -> Sequence[object]:
    wall, cpu = [cost.wall_s for cost in runs], [cost.cpu_s for cost in runs]
    return (
        title,
        f"{events / middle(wall):,.0f}",
        spread(wall),
        spread(cpu),
        f"{middle(cpu) / events * 1e6:.2f}",
        f"{max(cost.rss_mib for cost in runs):.0f}",
        f"{max(cost.own_mib for cost in runs):.0f}",
        f"{ours / middle(wall):.2f}x",
    )


def _peer(name: str, path: Path) -> Callable[[], Cost]:
    command = [sys.executable, "-m", "bench.ingest_peers", name, str(path)]

    def measure() -> Cost:
        cost = run(command, tree=True, cwd=Path(__file__).parent.parent)
        if int(cost.output) <= 0:
            raise BenchError(f"{name} found nothing in {path}")
        return cost

    return measure


def _is_here(name: str) -> bool:
    """Whether what a way needs is installed."""
    from importlib.util import find_spec  # noqa: PLC0415

    needs = {"parse_simdjson": "simdjson", "fold_orjson": "orjson", "duckdb_once": "duckdb"}
    if name.startswith("tenzir"):
        return bool(tenzir())
    return name not in needs or find_spec(needs[name]) is not None


def _ingest(directory: Path, path: Path) -> Cost:
    return Vedette(directory).run("pool", "ingest", str(path), tree=True)


def _stages(options: Options, path: Path, events: int) -> Table:
    """What each step costs when nothing else runs: one process, one step after the other."""
    spent = measured("ingest_stages", path, options.scratch / "stages")
    rows = [
        (stage, f"{spent[stage]:.2f}", f"{spent[stage] / events * 1e6:.2f}") for stage in _STAGES
    ]
    total = sum(spent[stage] for stage in _STAGES)
    rows.append(("**together**", f"{total:.2f}", f"{total / events * 1e6:.2f}"))
    notes = (
        (
            f"{spent['rows']:,.0f} rows of observations, {spent['sightings']:,.0f} of sightings"
            f" in {spent['batches']:,.0f} batches"
        ),
        "merges stand still during inserts and are then run; a live store is never done with them",
    )
    return Table("Where the CPU time goes", ("stage", "CPU s", "us an event"), rows, notes)
