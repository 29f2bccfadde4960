"""Patches for agents: made by one request of many, in a thread of their own, read once."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from pathlib import Path
from typing import NamedTuple

from vedette.pipeline.hub import Hub
from vedette.pipeline.patching import patches
from vedette.web.state import AppState

KEPT_BYTES = 64 << 20
"""So much of what was asked for last stays in memory."""
_ONE_MAX = 16 << 20


class _Way(NamedTuple):
    before: str
    generation: int
    target: str


class Patches:
    """What leads from one generation to another, as it is sent."""

    def __init__(self, state: AppState) -> None:
        self._state = state
        self._making: dict[_Way, asyncio.Task[bytes | Path]] = {}
        self._kept: OrderedDict[_Way, bytes] = OrderedDict()

    async def get(self, before: str, generation: int, target: str) -> bytes | Path:
        """Return the stream; as a file if it is too large for memory.

        Raises:
            UsageError: There is no such engine, or this is no ``content_id``.
            BundleError: One of the generations is not here.
        """
        way = _Way(before, generation, target)
        if (kept := self._kept.get(way)) is not None:
            self._kept.move_to_end(way)
            return kept
        if (making := self._making.get(way)) is None:
            making = self._making[way] = asyncio.create_task(self._make(way))
            making.add_done_callback(lambda _: self._making.pop(way, None))
        # The others still want it when whoever asked first hangs up.
        return await asyncio.shield(making)

    async def _make(self, way: _Way) -> bytes | Path:
        def job(hub: Hub) -> bytes | Path:
            path = patches(hub, *way)
            return path.read_bytes() if path.stat().st_size <= _ONE_MAX else path

        made = await self._state.make(job)
        if isinstance(made, bytes):
            self._kept[way] = made
            while sum(map(len, self._kept.values())) > KEPT_BYTES:
                self._kept.popitem(last=False)
        return made
