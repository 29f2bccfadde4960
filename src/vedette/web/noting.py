"""What is written down about requests, later and together: no request waits for a write.

The control database has one writer at a time, and a pull may be it for many seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import structlog

from vedette.errors import VedetteError
from vedette.pipeline.fetched import note_fetches
from vedette.pipeline.hub import Hub
from vedette.store.tokens import Fetch
from vedette.web.authentication import Caller

log = structlog.get_logger(__name__)

EVERY_S = 2.0
_USED_EACH_S = 60
_WAITING_MAX = 10_000


class Notes:
    """Uses of tokens, fetches and refusals that are not in the store yet.

    Args:
        write: Does a job with a hub, one after the other.
    """

    def __init__(self, write: Callable[[Callable[[Hub], None]], Awaitable[None]]) -> None:
        self._write = write
        self._noted: dict[str, int] = {}
        self._uses: dict[str, tuple[str, int, str]] = {}
        self._fetches: dict[tuple[str, str], Fetch] = {}
        self._refusals: dict[str, tuple[str, str]] = {}

    def used(self, caller: Caller, known: int, now: int) -> None:
        """Note the use of a token, once a minute."""
        if now - max(self._noted.get(caller.token, 0), known) >= _USED_EACH_S:
            self._noted[caller.token] = now
            self._uses[caller.token] = (caller.token, now, caller.origin)

    def fetched(self, fetch: Fetch) -> None:
        """Note that a file was fetched, whole."""
        self._fetches[fetch.token, fetch.what] = fetch

    def refused(self, origin: str, token: str, why: str) -> None:
        """Note that somebody was refused; of an address only the last."""
        if len(self._refusals) < _WAITING_MAX:
            self._refusals[origin] = (token, why)

    async def run(self) -> None:
        """Write what was noted, every now and then, for ever."""
        while True:
            await asyncio.sleep(EVERY_S)
            await self.flush()

    async def flush(self) -> None:
        """Write what was noted; what cannot be written is noted still."""
        if not (self._uses or self._fetches or self._refusals):
            return
        uses, self._uses = self._uses, {}
        fetches, self._fetches = self._fetches, {}
        refusals, self._refusals = self._refusals, {}

        def keep(hub: Hub) -> None:
            hub.store.tokens.note_use(uses.values())
            note_fetches(hub, list(fetches.values()))
            for origin, (token, why) in refusals.items():
                hub.store.audit.refused(
                    origin=origin, action="token refused", subject=token, why=why
                )

        try:
            await self._write(keep)
        except VedetteError as error:
            log.warning("request.not_noted", error=str(error), hint=error.hint)
            self._uses = {**uses, **self._uses}
            self._fetches = {**fetches, **self._fetches}
            self._refusals = {**refusals, **self._refusals}

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Write in the background as long as the block runs."""
        task = asyncio.create_task(self.run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
