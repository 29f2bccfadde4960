"""From a request to a file of a generation: who asks, which generation, what is noted about it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import structlog
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response

from vedette.store.tokens import Fetch, Scope
from vedette.web.artifacts import Made, Making, make, prune
from vedette.web.authentication import Caller
from vedette.web.catalogue import Catalogue, Catalogues, Told, resolve
from vedette.web.sending import Offer, answer
from vedette.web.state import AppState

log = structlog.get_logger(__name__)

_AGENT_MAX = 200
_SETTLED_S = 1


class Serving:
    """What all routes of publication share."""

    def __init__(self, state: AppState) -> None:
        self.state = state
        self._catalogues = Catalogues()
        self._making = Making()

    async def told(self, request: Request, which: str) -> tuple[Caller, Told]:
        """Return who asks, and the generation that it gets.

        Raises:
            Refusal: It may not, or there is none.
        """
        caller = await self.state.require(request, Scope.FETCH)
        return caller, await self.state.read(
            lambda hub: resolve(hub, self._catalogues, caller, which)
        )

    async def made(self, name: str, catalogue: Catalogue, chunks: Chunks) -> tuple[Path, Made]:
        """Return a file that is made of a generation, now or long ago.

        Raises:
            StoreError: It cannot be written.
        """
        settings = self.state.settings
        path = catalogue.place(settings.artifacts) / name

        def job() -> Made:
            made = make(path, chunks)
            log.info("artifact.made", generation=catalogue.number, file=name, bytes=made.size)
            prune(settings.artifacts, settings.bundles)
            return made

        made = await self._making.once(path, job, lambda work: self.state.make(lambda _: work()))
        return path, made

    async def send(
        self, request: Request, caller: Caller, told: Told, file: Path, etag: str, *, what: str
    ) -> Response:
        """Answer with a file, and note that it was fetched when all of it went out.

        Args:
            request: Whose answer it is.
            caller: Who asks.
            told: The generation.
            file: Where it lies.
            etag: A digest of its content.
            what: The kind of file, for what is known of consumers; ``""``: not noted.
        """
        kind, is_immutable = _media_type(file.name), not told.serial
        offer = Offer(file, etag, _modified(told), kind, is_immutable, _named(told))
        fetch = _fetch(request, caller, told, what)
        note = BackgroundTask(self._note, fetch) if what else None
        return await asyncio.to_thread(answer, request, offer, note)

    def text(
        self, request: Request, caller: Caller, told: Told, text: str, *, what: str = ""
    ) -> Response:
        """Answer with a short text that is not worth a file."""
        if what and request.method == "GET":
            self.state.notes.fetched(_fetch(request, caller, told, what))
        headers = {"cache-control": "private, no-cache, no-transform", **_named(told)}
        return Response(text, media_type="text/plain", headers=headers)

    async def _note(self, fetch: Fetch) -> None:
        self.state.notes.fetched(fetch)
        log.info(
            "bundle.fetched",
            generation=fetch.generation,
            what=fetch.what,
            token=fetch.token,
            origin=fetch.origin,
        )


Chunks = Callable[[], Iterable[bytes]]
"""Makes the content of a file."""


def _named(told: Told) -> dict[str, str]:
    headers = {"x-vedette-generation": str(told.catalogue.number)}
    if told.serial:
        headers["x-vedette-serial"] = str(told.serial)
    return headers


def _modified(told: Told) -> int:
    """Return when this address got this content; 0 in the second in which it may get another."""
    if not told.serial:
        return told.catalogue.created_at
    return told.since if time.time() >= told.since + _SETTLED_S else 0


def _fetch(request: Request, caller: Caller, told: Told, what: str) -> Fetch:
    agent = request.headers.get("user-agent", "")[:_AGENT_MAX]
    return Fetch(
        token=caller.token,
        what=what,
        generation=told.catalogue.number,
        at=int(time.time()),
        origin=caller.origin,
        agent="".join(character for character in agent if character.isprintable()),
    )


def _media_type(name: str) -> str:
    suffix = name.rpartition(".")[2]
    return {
        "json": "application/json",
        "gz": "application/gzip",
        "zst": "application/zstd",
        "ndjson": "application/x-ndjson",
    }.get(suffix, "text/plain; charset=utf-8")
