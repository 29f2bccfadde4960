"""Hunting inside ``vedette run``: soon after a pull, and again and again as values come in.

A thread of its own: a hunt of everything delays neither pulls nor pushes nor the reading of EVE.
"""

from __future__ import annotations

import threading
import time
from typing import Self

import structlog

from vedette.config import Settings
from vedette.errors import BusyError, VedetteError
from vedette.pipeline.hub import Hub
from vedette.pipeline.hunting import Hunted, hunt_new
from vedette.pipeline.memory import Memory
from vedette.pipeline.pooling import open_pool

log = structlog.get_logger(__name__)

_TICK_S = 1.0
_SIGHTINGS_EVERY_S = 10.0
"""How often newly seen values are compared with what is listed."""
_RETRY_S = 60.0


class Hunter:
    """Hunts from entering to leaving, in a memory that stays open as long."""

    def __init__(self, settings: Settings, memory: Memory, stop: threading.Event) -> None:
        """Take the memory to ask, and the event that ends everything."""
        self._settings = settings
        self._memory = memory
        self._stop = stop
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hunter")
        self._next = 0.0

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End, after the hunt that is under way."""
        self._left.set()
        self._thread.join()

    def _run(self) -> None:
        with Hub(self._settings) as hub:
            while not (self._left.wait(_TICK_S) or self._stop.is_set()):
                if self._is_due(hub):
                    self._next = time.monotonic() + self._hunt(hub)

    def _is_due(self, hub: Hub) -> bool:
        if time.monotonic() >= self._next:
            return True
        changed = hub.store.entries.last_change() != hub.store.retro.mark().change_seq
        return changed and time.monotonic() >= self._next - _SIGHTINGS_EVERY_S

    def _hunt(self, hub: Hub) -> float:
        """Hunt; whatever fails is logged.

        Returns:
            After how many seconds to do it again.
        """
        try:
            hunt_new(hub, self._memory)
        except BusyError as error:
            log.info("hunt.postponed", error=str(error))
        except VedetteError as error:
            log.error("hunt.failed", error=str(error), hint=error.hint)  # noqa: TRY400 - says it all
            return _RETRY_S + _SIGHTINGS_EVERY_S
        except Exception:
            log.exception("hunt.crashed")
            return _RETRY_S + _SIGHTINGS_EVERY_S
        return _SIGHTINGS_EVERY_S


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
