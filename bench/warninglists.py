"""Which warning lists a value is on: Vedette's table, a dictionary, and MISP's own library.

All of the lists that the package pymispwarninglists ships, 2.5 million members.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from bench.cost import BenchError, alternate
from bench.options import Options
from bench.pools import measured
from bench.report import Table
from vedette.pipeline.warninglists import list_files, package_lists

_TITLES = {
    "made": "Vedette, the first time: reads the lists, writes the table",
    "ours": "**Vedette**, the table is there",
    "dict": "a dictionary of names; whether any network is around",
    "library": "pymispwarninglists, search()",
    "slow": "pymispwarninglists, slow_search=True",
}
_SLOW_ASKED = 20
_LIBRARY_ASKED = 5_000
_TARGETS_US = (2.0, 1.3)


def tables(options: Options) -> list[Table]:
    """Ask each way, in turn, as processes of their own."""
    directory = _lists(options)
    names = options.size(1_160_000, 5_000)
    asked = {"library": min(names, _LIBRARY_ASKED), "slow": options.size(_SLOW_ASKED, 2)}
    ways = {
        way: partial(
            measured, "warninglist_ways", way, directory, options.scratch, asked.get(way, names)
        )
        for way in _TITLES
    }
    found = alternate(ways, options.repeat)
    ours = found["ours"]
    columns = (
        *("what", "start s", "MiB", "CPU us a domain", "times", "CPU us an address", "times"),
        *("domains on a list", "addresses on a list"),
    )
    entries = f"{ours[0]['entries']:,} members of {ours[0]['lists']} lists"
    notes = (
        f"{names:,} published domains, {ours[0]['addresses']:,} published or random addresses",
        f"the library is asked {asked['library']:,}, and with slow_search {asked['slow']}",
        "MiB: what the process grew by (the first time: at most); most of ours is a mapped file",
        "the library finds no name above and no network around without slow_search",
        f"target: {_TARGETS_US[0]} us a domain, {_TARGETS_US[1]} us an address, 300 MiB",
    )
    rows = [_row(way, found[way], ours) for way in _TITLES]
    return [Table(f"Which warning lists is it on? {entries}", columns, rows, notes)]


def _lists(options: Options) -> Path:
    """The lists of the package; few and small ones for a quick run."""
    directory = package_lists()
    if directory is None:
        raise BenchError("pymispwarninglists is not installed")
    if not options.quick:
        return directory
    small = options.scratch / "lists"
    for name, path in list_files(directory).items():
        if path.stat().st_size < 1 << 15:
            (small / name).mkdir(parents=True)
            shutil.copy(path, small / name)
    return small


def _row(
    way: str, runs: Sequence[Mapping[str, Any]], ours: Sequence[Mapping[str, Any]]
) -> Sequence[object]:
    def middle(of: Sequence[Mapping[str, Any]], what: str) -> float:
        return median(run[what] for run in of)

    figures: list[object] = []
    for what in ("name_us", "address_us"):
        figure, our = middle(runs, what), middle(ours, what)
        figures += [f"{figure:,.2f}" if figure else "", f"{figure / our:,.1f}" if figure else ""]
    shares = [
        f"{runs[0][what]:.1%}" if runs[0]["name_us"] else ""
        for what in ("names_on", "addresses_on")
    ]
    return (
        _TITLES[way],
        f"{middle(runs, 'start_s'):.2f}",
        f"{middle(runs, 'mib'):.0f}",
        *figures,
        *shares,
    )
