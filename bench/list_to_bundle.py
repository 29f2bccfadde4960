"""From a list or a feed to a published bundle: CPU and memory of each stage, in its own process.

Beside them, from the same run, what only reading and only writing the same values costs.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterable, Sequence
from itertools import count
from pathlib import Path

from bench.cost import Cost, alternate, middle, run, spread
from bench.names import listed, made_up, shared_data
from bench.options import Options
from bench.report import Table
from bench.subject import Vedette

_TARGET_S, _TARGET_MIB, _FEED_TARGET_S = 15, 600, 5
_COLUMNS = ("stage", "CPU s", "wall s", "peak RSS MiB", "target")
_PULL, _BUILD = "source pull", "bundle build"
_PULL_AGAIN, _BUILD_AGAIN = "source pull, {:,} of them changed", "bundle build after that"

Stages = dict[str, Cost]


def tables(options: Options) -> Iterable[Table]:
    """A million domains and their second pull; a MISP feed, where the shared data is there."""
    yield _list(options)
    data = shared_data()
    if data is not None:
        feed = options.size("tweetfeed-feed.tar.zst", "redblue-feed")
        yield _feed(options, data / "misp" / feed)


def _list(options: Options) -> Table:
    names = listed(options.size(1_000_000, 3_000))
    changes = options.size(1_000, 30)
    path = options.scratch / "domains.txt"
    _write(path, names)
    numbers = count()
    found = alternate(
        {
            "limits": lambda: _limits(path, "read_lines", "write_base64", "insert_rows"),
            "vedette": lambda: _list_stages(
                options, options.scratch / f"list-{next(numbers)}", path, (names, changes)
            ),
        },
        options.repeat,
    )
    rows = [*_rows(found["limits"]), *_rows(found["vedette"])]
    total = _total(found["vedette"], (_PULL, _BUILD))
    again = _total(found["vedette"], (_PULL_AGAIN.format(changes), _BUILD_AGAIN))
    rows.append(_sum("**from the list to the bundle**", total, f"{_TARGET_S} s, {_TARGET_MIB} MiB"))
    rows.append(_sum(f"**again, after {changes:,} changes**", again, ""))
    notes = ("each stage is a process of its own; its start (0.2 s) is part of it",)
    return Table(f"{len(names):,} domains from a list to a published bundle", _COLUMNS, rows, notes)


def _list_stages(
    options: Options, place: Path, path: Path, change: tuple[Sequence[str], int]
) -> Stages:
    names, changes = change
    _write(path, names)
    vedette = Vedette(place)
    vedette.add_list("domains", path)
    stages = {_PULL: vedette.run("source", "pull"), _BUILD: vedette.run("bundle", "build")}
    _write(path, _changed(names, changes))
    stages[_PULL_AGAIN.format(changes)] = vedette.run("source", "pull")
    stages[_BUILD_AGAIN] = vedette.run("bundle", "build")
    if options.profile:
        _write(path, names)
        _show_profiles(vedette)
    return stages


def _feed(options: Options, path: Path) -> Table:
    title = f"{path.name}, a MISP feed"
    title += options.size(" of 365 events and 110,682 attributes", "")
    numbers, place = count(), options.scratch
    found = alternate(
        {
            "limits": lambda: _limits(path, "read_json") if path.is_file() else {},
            "vedette": lambda: _feed_stages(options, place / f"feed-{next(numbers)}", path),
        },
        options.size(options.repeat, 1),
    )
    total = _total(found["vedette"], (_PULL, _BUILD))
    rows = [*_rows(found["limits"]), *_rows(found["vedette"])]
    rows.append(_sum("**from the feed to the bundle**", total, f"{_FEED_TARGET_S} s"))
    return Table(title, _COLUMNS, rows)


def _feed_stages(options: Options, place: Path, path: Path) -> Stages:
    vedette = Vedette(place)
    vedette.run("source", "add", "misp-feed", str(path), "--name", "feed")
    if options.profile:
        _show_profiles(vedette)
        vedette = Vedette(place.with_name(f"{place.name}-profiled"))
        vedette.run("source", "add", "misp-feed", str(path), "--name", "feed")
    return {_PULL: vedette.run("source", "pull"), _BUILD: vedette.run("bundle", "build")}


def _limits(path: Path, *names: str) -> Stages:
    program = Path(__file__).with_name("limits.py")
    costs = {name: run([sys.executable, str(program), name, str(path)]) for name in names}
    path.with_suffix(".limit.db").unlink(missing_ok=True)
    return {f"limit: {name.replace('_', ' ')}": cost for name, cost in costs.items()}


def _rows(runs: Sequence[Stages]) -> list[Sequence[object]]:
    rows: list[Sequence[object]] = []
    for stage in runs[0]:
        costs = [stages[stage] for stages in runs]
        rows.append(
            (
                stage,
                spread([cost.cpu_s for cost in costs]),
                f"{middle([cost.wall_s for cost in costs]):.2f}",
                f"{max(cost.rss_mib for cost in costs):.0f}",
                "",
            )
        )
    return rows


def _total(runs: Sequence[Stages], stages: Sequence[str]) -> list[Cost]:
    return [
        Cost(
            sum(found[stage].cpu_s for stage in stages),
            sum(found[stage].wall_s for stage in stages),
            max(found[stage].rss_mib for stage in stages),
        )
        for found in runs
    ]


def _sum(title: str, totals: Sequence[Cost], target: str) -> Sequence[object]:
    return (
        title,
        spread([total.cpu_s for total in totals]),
        f"{middle([total.wall_s for total in totals]):.2f}",
        f"{max(total.rss_mib for total in totals):.0f}",
        target,
    )


def _changed(names: Sequence[str], changes: int) -> list[str]:
    """The list with half as many names gone and half as many new."""
    gone = set(random.Random(changes).sample(range(len(names)), changes // 2))
    kept = [name for number, name in enumerate(names) if number not in gone]
    new = made_up(seed=changes)
    return kept + [f"new.{next(new)}" for _ in range(changes // 2)]


def _write(path: Path, names: Iterable[str]) -> None:
    path.write_text("".join(f"{name}\n" for name in names))


def _show_profiles(vedette: Vedette) -> None:
    commands: tuple[tuple[str, ...], ...] = (("source", "pull"), ("bundle", "build"))
    for command in commands:
        sys.stderr.write(f"{' '.join(command)}\n{vedette.profile(*command)}\n\n")
