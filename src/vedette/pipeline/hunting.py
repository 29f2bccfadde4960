"""Hunts by themselves: new indicators against the past, and newly seen values against the listed.

Idempotent: hunting again changes no count. What was hunted moves with the hits that came of it.
"""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from vedette.pipeline.hub import Hub
from vedette.pipeline.memory import Memory


class Hunted(Struct, frozen=True, kw_only=True):
    """What a hunt by itself did."""

    started_at: datetime
    finished_at: datetime
    indicators: int = 0
    """That were looked for."""
    everything: bool = False
    """Whether all listed indicators were, because too many changed to name them."""
    sightings: int = 0
    """New sightings that were compared with the listed indicators."""
    found: int = 0
    """Indicator, field and observed value."""
    hits: int = 0
    """Retro hits written, and how many of them are new:"""
    new_hits: int = 0
    run: int = 0
    """Number of the run, for ``vedette hunt show``; 0: nothing to keep."""


def hunt_new(hub: Hub, memory: Memory, *, everything: bool = False) -> Hunted:
    """Hunt the indicators that are new since the last time, and the values newly seen.

    Cheap if there is nothing new: call it after each pull and whenever EVE came in.

    Args:
        hub: The open state directory (of the calling thread).
        memory: The memory to ask.
        everything: Hunt all listed indicators over the whole past, whatever was hunted before.

    Raises:
        PoolError: The memory cannot answer; the next call goes on from where this one began.
        StoreError: SQLite failed.
    """
    raise NotImplementedError
