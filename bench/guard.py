"""The guard over all published domains that there are, with all warning lists.

Vedette's figures are those of whole runs: reading the store, matching, judging, writing verdicts.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.cost import BenchError, alternate, middle, spread
from bench.names import listed, made_up, shared_data
from bench.options import Options
from bench.pools import measured
from bench.report import Table
from bench.subject import Vedette
from vedette.pipeline.warninglists import list_files, package_lists

_TARGET_S, _TARGET_MIB = 10, 500
_ALL, _AGAIN = "**all of them, for the first time**", "all of them again (a policy changed)"
_SOME, _NONE = "what a pull of {:,} changes brought", "nothing changed"
_TABLE = "the lists' own table is made (once for each update)"
_LIBRARY = "pymispwarninglists, slow_search, {} of them"
_COLUMNS = ("what", "CPU s", "wall s", "us CPU an indicator", "peak RSS MiB", "verdicts written")

Stages = dict[str, Mapping[str, Any]]


def tables(options: Options) -> list[Table]:
    """Judge with the lists of the shared data, and with those of the package."""
    found = {"of MISP's repository": _shared(options), "of the package": _package(options)}
    names = listed(options.size(1_160_737, 3_000))
    return [_table(options, names, what, lists) for what, lists in found.items() if lists]


def _table(options: Options, names: Sequence[str], what: str, lists: Path) -> Table:
    place = options.scratch / f"guard-{lists.parent.name}"
    numbers = iter(range(options.repeat))
    runs = alternate(
        {"guard": lambda: _stages(options, place.with_suffix(f".{next(numbers)}"), names, lists)},
        options.repeat,
    )["guard"]
    rows = [_row(stage, [stages[stage] for stages in runs]) for stage in runs[0]]
    if what == "of the package":
        rows.append(_library(options, lists, middle([_us(one[_ALL]) for one in runs])))
    size = runs[0][_TABLE]
    notes = (
        f"target: {_TARGET_S} s and {_TARGET_MIB} MiB for all; the table of the lists is there",
        "the table is mapped from its file: its pages count as memory, and are the cache's",
    )
    title = (
        f"{runs[0][_ALL]['listed']:,} published domains, {size['lists']} warning lists {what}"
        f" with {size['entries']:,} members"
    )
    return Table(title, _COLUMNS, rows, notes)


def _stages(options: Options, place: Path, names: Sequence[str], lists: Path) -> Stages:
    vedette = Vedette(place)
    path = place / "domains.txt"
    path.write_text("".join(f"{name}\n" for name in names))
    vedette.add_list("domains", path)
    vedette.run("source", "pull")

    def run(how: str) -> Mapping[str, Any]:
        return measured("guard_run", how, place, lists)

    stages = {_TABLE: run("lists"), _ALL: run("changed"), _AGAIN: run("all"), _NONE: run("changed")}
    changes = options.size(1_000, 30)
    new = made_up(seed=changes)
    changed = [*names[changes // 2 :], *(f"new.{next(new)}" for _ in range(changes // 2))]
    path.write_text("".join(f"{name}\n" for name in changed))
    vedette.run("source", "pull")
    stages[_SOME.format(changes)] = some = run("changed")
    if stages[_ALL]["judged"] < len(names) * 0.99 or stages[_NONE]["judged"]:
        raise BenchError(f"the guard judged {stages}")
    if not 0 < some["judged"] <= changes:
        raise BenchError(f"{some['judged']} judged of {changes} changes")
    return stages


def _us(run: Mapping[str, Any]) -> float:
    return float(run["cpu_s"]) / max(run["judged"], 1) * 1e6


def _row(stage: str, runs: Sequence[Mapping[str, Any]]) -> Sequence[object]:
    return (
        stage,
        spread([run["cpu_s"] for run in runs]),
        spread([run["wall_s"] for run in runs]),
        f"{middle([_us(run) for run in runs]):.2f}" if stage in (_ALL, _AGAIN) else "",
        f"{max(run['rss_mib'] for run in runs):.0f}",
        f"{runs[0]['verdicts']:,}",
    )


def _library(options: Options, lists: Path, ours_us: float) -> Sequence[object]:
    """What MISP's own library pays for the lists alone, on a sample."""
    asked = options.size(20, 2)
    run = measured("warninglist_ways", "slow", lists, options.scratch, asked)
    us = run["name_us"]
    return (
        _LIBRARY.format(asked),
        "",
        "",
        f"{us:,.0f}, {us / ours_us:,.0f} times as much",
        f"{run['mib']:.0f}",
        "",
    )


def _shared(options: Options) -> Path | None:
    data = shared_data()
    if data is None:
        return None
    place = options.scratch / "shared"
    place.mkdir()
    archive = data / "warninglists/misp-warninglists-lists.tar.zst"
    subprocess.run(["tar", "--zstd", "-xf", archive, "-C", place], check=True)
    return _fewer(options, place / "lists")


def _package(options: Options) -> Path | None:
    directory = package_lists()
    return _fewer(options, directory) if directory else None


def _fewer(options: Options, directory: Path) -> Path:
    """All lists; for a quick run the small ones."""
    if not options.quick:
        return directory
    small = options.scratch / f"small-{directory.parent.name}" / "lists"
    for name, path in list_files(directory).items():
        if path.stat().st_size < 1 << 15:
            (small / name).mkdir(parents=True)
            shutil.copy(path, small / name)
    return small
