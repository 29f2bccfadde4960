"""Many runs, some side by side, and a table of what came of them."""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from vedette.testing.fleet.run import Outcome
from vedette.testing.fleet.workshop import workshop

LANES = 2

Job = tuple[int, bool]
"""A seed, and whether the engine is real."""


def jobs(runs: int, real: int, seed: int) -> list[Job]:
    """Return the runs of a campaign: those with a real engine are spread over it."""
    every = runs / real if real else 0.0
    chosen = {int(n * every) for n in range(real)}
    return [(seed + n, n in chosen) for n in range(runs)]


def campaign(
    those: Iterable[Job],
    tell: Callable[[Outcome], None],
    *,
    keep: Path | None = None,
    lanes: int = LANES,
) -> list[Outcome]:
    """Play runs.

    Args:
        those: Which.
        tell: Called with each that is over.
        keep: Where directories of runs with violations go.
        lanes: How many side by side.
    """
    waiting: queue.Queue[Job] = queue.Queue()
    for job in those:
        waiting.put(job)
    outcomes: list[Outcome] = []

    def play_on() -> None:
        with workshop(keep) as place:
            while True:
                try:
                    seed, real = waiting.get_nowait()
                except queue.Empty:
                    return
                outcomes.append(outcome := place.play(seed, real=real))
                tell(outcome)

    threads = [threading.Thread(target=play_on) for _ in range(lanes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(outcomes, key=lambda outcome: outcome.seed)


def table(outcomes: list[Outcome], seconds: float) -> Iterator[str]:
    """Yield the lines of a summary."""
    played = [one for one in outcomes if not one.skipped]
    yield f"{'what the runs were about':36} {'runs':>5} {'real':>5} {'heal p50':>9} {'max':>6}  bad"
    for kind in sorted({one.kind for one in outcomes}):
        mine = [one for one in played if one.kind is kind]
        heal = sorted(one.healed_s for one in mine) or [0.0]
        real = sum(one.engine.startswith("real") for one in mine)
        bad = sum(bool(one.violations) for one in mine)
        middle = heal[len(heal) // 2]
        yield f"{kind:36} {len(mine):5} {real:5} {middle:8.2f}s {heal[-1]:5.1f}s {bad:4}"
    yield ""
    total: Counter[str] = Counter()
    for one in played:
        total += one.faults
    for what, count in sorted(total.items()):
        yield f"{what:60} {count:6}"
    yield ""
    for engine in sorted({one.engine for one in played}):
        mine = [one for one in played if one.engine == engine]
        off, own = max(one.off.longest for one in mine), max(one.off.own for one in mine)
        yield (
            f"{engine}: {len(mine)} runs; longest without detection {off:.2f} s"
            f" (own outages {own:.2f} s)"
        )
    for reason, count in Counter(one.skipped for one in outcomes if one.skipped).items():
        yield f"skipped: {count} ({reason})"
    broken = [one for one in played if one.violations]
    yield f"{len(played)} runs in {seconds:.0f} s, {len(broken)} with violations"
    for one in broken:
        for violation in one.violations:
            yield f"  seed {one.seed} ({one.kind}, {one.engine}): {violation}"
