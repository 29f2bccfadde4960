"""Each step of an ingest by itself, in one process: ``ingest_stages.py PATH STATE``; prints JSON.

CPU seconds of all threads. Merges of the engine stand still while batches are inserted, so that
they are told apart, and are then run until the engine wants no more.
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.pools import open_pool, settle
from vedette.config import Settings
from vedette.observe import new_fold
from vedette.observe.folded import Folded
from vedette.pool.spool import Header, Name, Spool
from vedette.pool.store import Pool

_CHUNK = 1 << 20


class Clock:
    """CPU seconds by stage."""

    def __init__(self) -> None:
        self.spent: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        began = time.process_time()
        yield
        self.spent[stage] += time.process_time() - began


def main() -> int:
    path, state = Path(sys.argv[1]), Path(sys.argv[2])
    settings, clock = Settings(home=str(state)), Clock()
    spool = Spool(state / "spool")
    with open_pool(state) as pool:
        pool.backend.command("SYSTEM STOP MERGES")
        for seq, folded in enumerate(_batches(path, settings, clock), start=1):
            _commit(pool, spool, seq, folded, clock)
        with clock("merge"):
            pool.backend.command("SYSTEM START MERGES")
            settle(pool)
    json.dump(clock.spent, sys.stdout)
    return 0


def _batches(path: Path, settings: Settings, clock: Clock) -> Iterator[Folded]:
    fold = new_fold(settings.pool.skip, settings.pool.home)
    rest = b""
    with path.open("rb") as file:
        while True:
            with clock("read"):
                chunk = file.read(_CHUNK)
                whole, end, rest = (rest + chunk).rpartition(b"\n")
            with clock("parse and fold"):
                fold.add(whole + end)
            if len(fold) >= settings.pool.batch_rows or (not chunk and len(fold)):
                with clock("take: sort, tables"):
                    folded = fold.take()
                yield folded
            if not chunk:
                return


def _commit(pool: Pool, spool: Spool, seq: int, folded: Folded, clock: Clock) -> None:
    name = Name(1, seq)
    with clock("spool"):
        header = Header(input_id=1, seq=seq, sensor="s", position="", counts=dict(folded.counts))
        spool.write(header, folded)
        batch = spool.read(name)
    with clock("insert"):
        pool.commit(batch.folded, sensor="s", token=batch.header.token)
    spool.remove(name)
    clock.spent["batches"] += 1
    clock.spent["rows"] += folded.observations.num_rows
    clock.spent["sightings"] += folded.sightings.num_rows


if __name__ == "__main__":
    raise SystemExit(main())
