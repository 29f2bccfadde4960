"""The demo's second half: intelligence that comes too late, and what the memory knows by then."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from msgspec import Struct

from vedette.demo.misp import LATER, SOURCE
from vedette.errors import PoolError
from vedette.pipeline.hub import Hub
from vedette.pipeline.hunting import hunt_new
from vedette.pipeline.pooling import need_extra
from vedette.pipeline.pulling import pull
from vedette.store import HitRecord
from vedette.testing.fake_misp import FakeMisp

NAME = "cdn.quiet-harbor.example"
"""What the infected client asked for before anybody listed quiet-harbor.example."""
_WAIT_S = 20.0
_POLL_S = 0.25


class Past(Struct, kw_only=True):
    """What the memory said about an indicator that came too late."""

    events: int
    values: int
    """Distinct (field, value) pairs that are remembered."""
    hits: list[HitRecord]


def look_back(
    hub: Hub,
    misp: FakeMisp,
    eve: Path,
    sensor: str,
    say: Callable[[str], None],
    *,
    since: datetime,
) -> Past | None:
    """Remember what the sensor's EVE shows, pull what MISP publishes later, and hunt it.

    Returns:
        None if this Vedette was installed without its memory.

    Raises:
        PoolError: The memory failed, or does not know what the client did.
    """
    try:
        need_extra()
    except PoolError:
        return None
    from vedette.pipeline.ingesting import ingest  # noqa: PLC0415 - of the extra, and slow
    from vedette.pipeline.owning import LocalMemory  # noqa: PLC0415

    say("remembering every value that the engine's EVE shows")
    with LocalMemory.open(hub.settings) as memory:
        done = ingest(hub, memory, [str(eve)], sensor=sensor)
        deadline = time.monotonic() + _WAIT_S
        while not _has_seen(memory, since) and time.monotonic() < deadline:
            time.sleep(_POLL_S)  # the engine writes its events a moment after the packets
            done = ingest(hub, memory, [str(eve)], sensor=sensor)
        if done.error:
            raise PoolError(done.error, hint=done.hint)
        if not _has_seen(memory, since):
            raise PoolError(
                f"the engine's EVE shows no query for {NAME} within {_WAIT_S:.0f} s",
                hint="Is this machine very busy? Run the demo again.",
            )
        hunt_new(hub, memory)
        say("MISP publishes where the client had called: pulling it, and hunting it in the past")
        misp.load_feed(LATER)
        pull(hub, SOURCE)
        hunt_new(hub, memory)
        events = sum(one.events for one in memory.coverage().sensors)
        values = memory.known
    retro = hub.store.fleet.hits(since=since, sensor=sensor, origins=("retro",))
    hits = [hit for hit in retro if hit.observed == NAME]
    return Past(events=events, values=values, hits=hits)


def _has_seen(memory: object, since: datetime) -> bool:
    from vedette.pipeline.owning import LocalMemory  # noqa: PLC0415 - of the extra
    from vedette.pool.records import Place  # noqa: PLC0415

    seen = memory.seen([Place("dns.query", NAME)]) if isinstance(memory, LocalMemory) else []
    return any(one.last_seen >= since for one in seen)
