"""Reading EVE into the memory as a person sees it: how far it is, and what it brought."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vedette.cli.output import Output, size
from vedette.pipeline.delivering import sensors
from vedette.pipeline.hub import Hub
from vedette.pipeline.memory import Memory

if TYPE_CHECKING:
    from vedette.pipeline.ingesting import Ingested, Progress

NAMELESS = "local"
"""Whose events are those of nobody we know."""

_USED = ("lines", "events", "ignored", "empty")
_ENDLESS = ("unix:", "unixgram:", "redis:", "rediss:")
_FILES_SHOWN = 10
_OUTCOMES = {"known": "read before", "left": "left to another", "failed": "not read"}


def default_sensor(opened: Hub, places: Sequence[str]) -> str:
    """Return who wrote these files: the sensor whose EVE they are, or the only one there is."""
    known = sensors(opened)
    offered = {Path(place).absolute() for place in places if not place.startswith(_ENDLESS)}
    owners = {one.name for one in known if one.eve and Path(one.eve).absolute() in offered}
    if len(owners) == 1:
        return owners.pop()
    return known[0].name if len(known) == 1 else NAMELESS


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What shall be read."""

    hub: Hub
    places: Sequence[str]
    sensor: str
    stop: threading.Event


def read_into(out: Output, memory: Memory, reading: Reading) -> Ingested:
    """Read, showing how far it is.

    Raises:
        UsageError: A place is none, or cannot be read like this.
        PoolError: The spool cannot be used.
    """
    from vedette.pipeline.ingesting import ingest  # noqa: PLC0415 - of the extra, and slow
    from vedette.pipeline.owning import LocalMemory  # noqa: PLC0415

    pool = memory if isinstance(memory, LocalMemory) else None
    if any(place.startswith(_ENDLESS) for place in reading.places):
        out.say("Reading until Ctrl-C.")
    with out.progress("reading") as ticker:
        lines = 0

        def moved(progress: Progress) -> None:
            nonlocal lines
            ticker.stage(describe(progress))
            now = progress.counts.get("lines", 0)
            ticker.tick(now - lines)
            lines = now

        return ingest(
            reading.hub,
            pool,
            reading.places,
            sensor=reading.sensor,
            stop=reading.stop,
            on_progress=moved,
        )


def describe(progress: Progress) -> str:
    """Say how far an ingest is, in half a line."""
    part = f"{100 * progress.bytes_done // progress.bytes_total} % " if progress.bytes_total else ""
    files = f"of {progress.files_total:,} files " if progress.files_total > 1 else ""
    return f"reading {part}{files}at {progress.events_per_s:,.0f} events/s"


def show_ingested(out: Output, done: Ingested, sensor: str) -> None:
    """Print what an ingest brought, and what it left out and why."""
    progress = done.progress
    counts = progress.committed if done.error else progress.committed or progress.counts
    read = f"{counts.get('lines', 0):,} lines, {counts.get('events', 0):,} events"
    took = f"{progress.seconds:.1f} s ({progress.events_per_s:,.0f} events/s)"
    if done.error:
        out.bad(f"{sensor}: {done.error}")
        out.say(f"       {done.hint}")
        out.say(f"       in the memory by then: {read}")
    elif not counts.get("lines") and done.files:
        out.good(f"{sensor}: nothing that had not been read before")
    else:
        out.good(f"{sensor}: {read} of {size(progress.bytes)} in {took}")
    if progress.new:
        noun = "value" if progress.new == 1 else "values"
        out.say(f"       {progress.new:,} {noun} that nobody had seen before")
    for line in _unused(counts):
        out.say(f"       {line}")
    for one in done.files[:_FILES_SHOWN]:
        skipped = ", ".join(f"{name} {n:,}" for name, n in one.skipped.items())
        said = "; ".join(text for text in (one.note, skipped) if text)
        mark = out.bad if one.outcome == "failed" else out.warn
        mark(f"{one.path}: {_OUTCOMES.get(one.outcome, one.outcome)}{f' ({said})' if said else ''}")
    if len(done.files) > _FILES_SHOWN:
        out.say(f"       and {len(done.files) - _FILES_SHOWN:,} more files (--json has all)")


def _unused(counts: Mapping[str, int]) -> Iterator[str]:
    """Yield what was not used, by reason; first what is as it should be."""
    if ignored := counts.get("ignored", 0):
        yield f"{ignored:,} events of types of which nothing is remembered"
    if empty := counts.get("empty", 0):
        yield f"{empty:,} events without a value to remember"
    reasons = {name: n for name, n in counts.items() if name not in _USED and n}
    if reasons:
        text = ", ".join(f"{name} {n:,}" for name, n in sorted(reasons.items()))
        yield f"not used: {text}"
