"""What the routes of ``vedette serve`` share: settings, threads with hubs, who may what."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import Callable
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request

from vedette.config import Settings
from vedette.pipeline.hub import Hub
from vedette.store.tokens import Scope, TokenRecord
from vedette.web.authentication import Caller, Gate, candidates, identify
from vedette.web.noting import Notes
from vedette.web.refusing import Refusal
from vedette.web.workers import Workers

T = TypeVar("T")

_READERS = 4
_MAKERS = 2
UNKNOWN = "unknown"
"""The address of who comes by a proxy that does not say a usable one."""


class AppState:
    """One server. All that a module of routes needs; made before the loop runs.

    ``read`` is for short questions to the store, ``make`` for work that takes seconds (an archive,
    a patch), ``write`` for what changes the store, ``take`` for hits, of which one request brings
    very many: none of them waits for the others.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.gate = Gate()
        self.started_at = time.time()
        self.stopping = asyncio.Event()
        """Set when the server is told to end: whoever waits long, ends waiting."""
        self._readers = Workers(settings, threads=_READERS, name="read")
        self._makers = Workers(settings, threads=_MAKERS, name="make")
        self._writer = Workers(settings, threads=1, name="write")
        self._taker = Workers(settings, threads=1, name="take")
        self.notes = Notes(self.write)

    async def read(self, job: Callable[[Hub], T]) -> T:
        """Ask the store something short."""
        return await self._readers.run(job)

    async def make(self, job: Callable[[Hub], T]) -> T:
        """Do what takes long."""
        return await self._makers.run(job)

    async def write(self, job: Callable[[Hub], T]) -> T:
        """Change the store, one job after the other; may wait for another process's transaction."""
        return await self._writer.run(job)

    async def take(self, job: Callable[[Hub], T]) -> T:
        """Take hits, one job after the other."""
        return await self._taker.run(job)

    async def require(self, request: Request, scope: Scope) -> Caller:
        """Return who asks, if its token is good for this now.

        The store is asked each time: a token that is revoked is refused from the next request on,
        on connections that are open already, too.

        Raises:
            Refusal: It has no such token.
        """
        header = request.headers.get("authorization", "")
        given = request.path_params.get("token", "")
        presented = [given] if given else list(candidates(header))
        origin = _origin(request)
        record: TokenRecord | None = None
        if presented:
            record = await self.read(lambda hub: identify(hub.store.tokens, presented))
        now = time.time()
        try:
            caller = self.gate.admit(
                record, scope, given=bool(header or given), origin=origin, now=now
            )
        except Refusal as refusal:
            self.notes.refused(origin, record.id if record else "", str(refusal))
            raise
        self.notes.used(caller, record.used_at if record else 0, int(now))
        return caller

    async def body(self, request: Request, most: int) -> bytes:
        """Read the body of a request.

        Raises:
            Refusal: 413, it is longer than ``most`` bytes; 400, whoever sent it has hung up, which
                is no fault of ours.
        """
        too_long = Refusal(413, f"the body has more than {most:,} bytes", hint="Send less at once.")
        length = request.headers.get("content-length", "")
        if length.isdecimal() and int(length) > most:
            raise too_long
        parts, size = [], 0
        try:
            async for part in request.stream():
                size += len(part)
                if size > most:
                    raise too_long
                parts.append(part)
        except ClientDisconnect as error:
            raise Refusal(400, "the body did not come whole", hint="Send it again.") from error
        return b"".join(parts)

    async def close(self) -> None:
        """Write what is only noted yet and end the threads."""
        await self.notes.flush()
        for workers in (self._readers, self._makers, self._writer, self._taker):
            await asyncio.to_thread(workers.close)


def _origin(request: Request) -> str:
    """Return the address that a request comes from: by the kernel, or by a proxy that we believe.

    A proxy may pass on what a client wrote there: what is no address is nobody's.
    """
    host = request.client.host if request.client else ""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return UNKNOWN
