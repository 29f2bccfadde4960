"""Agents that wait to be told another generation: all of them on one look at the store.

A thread looks whether anybody wrote, forty times a second, which costs microseconds; only what then
differs is worked out and told. Hard rule: an agent that is gone, or told, waits no more.
"""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from collections.abc import Awaitable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import structlog

from vedette.config import Settings
from vedette.errors import VedetteError
from vedette.pipeline.announcing import in_force, wanted_all
from vedette.pipeline.hub import Hub
from vedette.pipeline.signing import CHANGES
from vedette.sensor.wire import SignedAnnouncement

log = structlog.get_logger(__name__)

LOOK_S = 0.025
WAITERS_MAX = 4
"""So many requests of one sensor wait at once; one more ends the oldest."""
_AGAIN_S = 5.0


class Told(NamedTuple):
    """What a sensor is told."""

    serial: int
    announcement: SignedAnnouncement


class Board:
    """What each sensor is told now, and those who wait for another.

    Made before the loop runs; the thread begins with the first who asks.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._told: Mapping[str, Told] = {}
        self._waiting: defaultdict[str, list[asyncio.Future[None]]] = defaultdict(list)
        self._known = asyncio.Event()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    async def told(self, sensor: str) -> Told | None:
        """Return what a sensor is told now; None: nothing is published for it."""
        self._begin()
        if not self._ended.is_set():
            await self._known.wait()
        return self._told.get(sensor)

    async def newer(
        self, sensor: str, after: int, wait_s: float, gone: Awaitable[object]
    ) -> Told | None:
        """Wait until a sensor is told a greater serial than ``after``.

        Args:
            sensor: Which.
            after: The serial that it knows.
            wait_s: For so long.
            gone: Ends when whoever asked is gone.

        Returns:
            What it is told at the end, be it newer or not (a hub of which an old copy was restored
            tells less than the agent knows); None if it is exactly ``after``, or nothing.
        """
        leaving = asyncio.ensure_future(gone)
        until = asyncio.get_running_loop().time() + wait_s
        try:
            while True:
                told = await self.told(sensor)
                left = until - asyncio.get_running_loop().time()
                if (told and told.serial > after) or left <= 0 or self._ended.is_set():
                    break
                if not await self._change(sensor, leaving, left):
                    break
        finally:
            leaving.cancel()
        told = self._told.get(sensor)
        return told if told and told.serial != after else None

    async def _change(self, sensor: str, leaving: asyncio.Future[Any], wait_s: float) -> bool:
        """Wait until the sensor is told something else; False: there is no reason to wait on."""
        change: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._waiting[sensor]
        waiting.append(change)
        if len(waiting) > WAITERS_MAX:
            waiting.pop(0).cancel()
        try:
            await asyncio.wait(
                {change, leaving}, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED
            )
            return change.done() and not change.cancelled()
        finally:
            change.cancel()
            with suppress(ValueError):
                waiting.remove(change)
            if not waiting:
                self._waiting.pop(sensor, None)

    @property
    def waiters(self) -> int:
        """How many wait."""
        return sum(map(len, self._waiting.values()))

    def close(self) -> None:
        """Let all who wait go, and end the thread."""
        self._ended.set()
        self._known.set()
        self._release(set(self._waiting))

    # -- the thread -------------------------------------------------------------------------

    def _begin(self) -> None:
        if self._thread is None and not self._ended.is_set():
            loop = asyncio.get_running_loop()
            self._thread = threading.Thread(
                target=self._look, args=(loop,), name="board", daemon=True
            )
            self._thread.start()

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Publish what is told whenever it changes, until the end."""
        while not self._ended.is_set():
            try:
                with Hub(self._settings) as hub:
                    self._look_on(hub, loop)
            except (VedetteError, OSError) as error:
                log.warning("announcement.not_told", error=str(error), again_s=_AGAIN_S)
                self._ended.wait(_AGAIN_S)
            except RuntimeError:  # the loop ended before us
                return

    def _look_on(self, hub: Hub, loop: asyncio.AbstractEventLoop) -> None:
        seen: object = None
        facts: object = None
        keys = self._settings.keys_dir / CHANGES
        while not self._ended.wait(LOOK_S if seen else 0):
            with hub.store.guarded():
                now = hub.store.written(), keys.stat().st_mtime_ns if keys.exists() else 0
                if now == seen:
                    continue
                seen = now
                found = in_force(hub), hub.store.fleet.settings(), now[1]
                if found == facts:
                    continue
                told = {name: _told(signed) for name, signed in wanted_all(hub).items()}
                facts = found  # read before: what changed since is looked at once more
            loop.call_soon_threadsafe(self._publish, told)

    def _publish(self, told: Mapping[str, Told]) -> None:
        before, self._told = self._told, told
        self._known.set()
        self._release({name for name in self._waiting if before.get(name) != told.get(name)})

    def _release(self, sensors: set[str]) -> None:
        for name in sensors:
            for change in self._waiting.get(name, ()):
                if not change.done():
                    change.set_result(None)


def _told(signed: SignedAnnouncement) -> Told:
    return Told(signed.read().serial, signed)
