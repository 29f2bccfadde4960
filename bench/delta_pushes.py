"""Pushes alone, many of them: from the files of a generation to the proof, against their limits.

A small change goes over the socket. A large one by a reload, which cannot be quicker than the
engine's own reload of the same files: how much longer it takes is what Vedette adds.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

from bench.cost import BenchError, middle, spread
from bench.options import Options
from bench.report import Table
from vedette.sensor.client import SuricataSocket
from vedette.sensor.push import Pushed, push
from vedette.sensor.release import Release
from vedette.sensor.reload import reload
from vedette.sensor.settings import Sensor
from vedette.testing.engine import Engine, Live
from vedette.testing.handmade import hand_made

_P50_S, _P99_S = 0.3, 1.0
_RELOADS_MAX = 1.3
_MEMCAP_MB, _HASHSIZE = 250, 65536


def table(options: Options) -> Table:
    """One row for each engine."""
    size, changes = options.size(1_000_000, 3_000), options.size(1_000, 40)
    rows = [_row(options, engine, size, changes) for engine in options.engines]
    return Table(
        f"Pushes to an engine that holds {size:,} names, proved",
        (
            "engine",
            f"{changes:,} changes, s",
            "slowest s",
            f"median to limit ({_P50_S} s)",
            f"slowest to limit ({_P99_S:g} s)",
            "all changed, by reload, s",
            "the engine's own reload s",
            f"push to reload (limit {_RELOADS_MAX})",
        ),
        rows,
        (
            "from the files of the generation to the end of its proof; in brackets the extremes",
            f"{options.size(40, 3)} pushes of changes and {options.size(5, 1)} reloads each",
        ),
    )


def _row(options: Options, engine: Engine, size: int, changes: int) -> Sequence[object]:
    place = options.scratch / f"pushes-{engine.home.name}"
    place.mkdir()
    rules = place / "rules"
    with engine.live(place, str(rules / "current/vedette.rules")) as live:
        desk = _Desk(engine, live, rules, place)
        generations = desk.generations(size, changes)
        desk.push(next(generations), "reload")
        small = [
            _seconds(desk.push(next(generations), "delta")) for _ in range(options.size(40, 3))
        ]
        own, whole = [], []
        for _ in range(options.size(5, 1)):
            with SuricataSocket(live.socket) as connection:
                own.append(reload(connection, 600).seconds)
            whole.append(_seconds(desk.push(next(desk.generations(size, changes)), "reload")))
    return (
        ".".join(map(str, engine.version)),
        spread(small),
        f"{max(small):.2f}",
        f"{middle(small) / _P50_S:.2f}",
        f"{max(small) / _P99_S:.2f}",
        spread(whole),
        spread(own),
        f"{middle(whole) / middle(own):.2f}",
    )


def _seconds(pushed: Pushed) -> float:
    return pushed.install_s + pushed.live_s


class _Desk:
    """An engine, and generations to push to it."""

    def __init__(self, engine: Engine, live: Live, rules: Path, place: Path) -> None:
        self._sensor = Sensor(name="probe", socket=str(live.socket), rules=str(rules))
        self._target = str(engine.profile)
        self._place = place
        self._numbers = count(1)

    def generations(self, size: int, changes: int) -> Iterator[list[str]]:
        """Yield the names of one generation after the other; the first are all new."""
        first = next(self._numbers)
        names = [f"host{n}.bad{n % 977}-{first}.example" for n in range(size)]
        while True:
            yield names
            number, half = next(self._numbers), changes // 2
            names = [*names[half:], *(f"new{number}-{n}.example" for n in range(half))]

    def push(self, names: Sequence[str], how: str) -> Pushed:
        """Make a generation of them, push it, and throw its source away."""
        number = next(self._numbers)
        path = self._place / f"bundle-{number}"
        made = hand_made(
            path,
            number,
            {"names": names},
            target=self._target,
            memcap_mb=_MEMCAP_MB,
            hashsize=_HASHSIZE,
        )
        release = Release.from_manifest(made.manifest, self._target)
        pushed = push(self._sensor, release, made.sources)
        shutil.rmtree(path)
        if pushed.how != how or not pushed.proof.ok:
            raise BenchError(f"not by {how} but {pushed.how}: {pushed.reason} {pushed.proof}")
        return pushed
