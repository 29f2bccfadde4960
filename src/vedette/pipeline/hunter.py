"""Hunting inside ``vedette run``: soon after a pull, and again and again as values come in.

A thread of its own: a hunt of everything delays neither pulls nor pushes nor the reading of EVE.
"""

from __future__ import annotations

import threading
import time

import structlog

from vedette.config import Settings
from vedette.pipeline.hub import Hub
from vedette.pipeline.hunting import Hunted, hunt_new
from vedette.pipeline.looping import Loop
from vedette.pipeline.memory import Memory
from vedette.pipeline.pooling import open_pool

log = structlog.get_logger(__name__)

_TICK_S = 1.0
_SIGHTINGS_EVERY_S = 10.0
"""How often newly seen values are compared with what is listed."""
_RETRY_S = 60.0


class Hunter(Loop):
    """Hunts from entering to leaving, in a memory that stays open as long."""

    job = "hunt"

    def __init__(self, settings: Settings, memory: Memory, stop: threading.Event) -> None:
        """Take the memory to ask, and the event that ends everything."""
        super().__init__(settings, stop, _TICK_S)
        self.first_s = _TICK_S
        self._memory = memory
        self._next = 0.0

    def once(self, hub: Hub) -> None:
        """Hunt, if it is time for it.

        Raises:
            PoolError: The memory does not answer.
            BusyError: Somebody else hunts.
        """
        if self._is_due(hub):
            self._next = time.monotonic() + _RETRY_S + _SIGHTINGS_EVERY_S
            hunt_new(hub, self._memory)
            self._next = time.monotonic() + _SIGHTINGS_EVERY_S

    def _is_due(self, hub: Hub) -> bool:
        if time.monotonic() >= self._next:
            return True
        changed = hub.store.entries.last_change() != hub.store.retro.mark().change_seq
        return changed and time.monotonic() >= self._next - _SIGHTINGS_EVERY_S


def hunt_once(hub: Hub) -> Hunted | None:
    """Hunt what is new, for ``vedette run --once``; None if nothing was ever remembered.

    Raises:
        PoolError: The memory cannot be opened, or cannot answer.
        BusyError: Another process has it open and does not answer.
    """
    settings = hub.settings
    is_there = bool(settings.pool.store) or (settings.pool_dir / "store").is_dir()
    if not (settings.pool.enabled and is_there):
        return None
    with open_pool(hub, "vedette run --once") as memory:
        return hunt_new(hub, memory)
