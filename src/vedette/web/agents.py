"""The agents' side of ``vedette serve``: what is wanted, patches, reports, hits.

Hard rule: which sensor is meant, only the token says; nothing in a request can name another.
"""

from __future__ import annotations

import asyncio
import io
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from vedette.files import UnpackError, open_decompressed
from vedette.pipeline.hearing import heard, keep_report
from vedette.pipeline.hub import Hub
from vedette.pipeline.receiving import Intake, Receipt
from vedette.pipeline.signing import key_changes
from vedette.store.tokens import Scope
from vedette.trust.pins import changes_to_json
from vedette.web.allowance import Allowance
from vedette.web.authentication import Caller
from vedette.web.patches import Patches
from vedette.web.refusing import Refusal
from vedette.web.state import AppState
from vedette.web.waiting import Board

WAIT_MAX_S = 300
REPORT_MAX = 1 << 20
"""Bytes of a report, as it is sent and unpacked."""
HITS_MAX = 4 << 20
"""Bytes of a body of hits as it is sent."""
HITS_UNPACKED_MAX = 16 << 20
CURSOR_MAX = 200

_CURSOR = re.compile(rf"[\x21-\x7e]{{0,{CURSOR_MAX}}}")
_SERIAL_MAX = 2**53
_JSON = frozenset({"application/json", "application/zstd"})
_LINES = frozenset({"application/x-ndjson", "application/zstd"})
_NO_STORE: Mapping[str, str] = {"cache-control": "no-store"}


def routes(state: AppState) -> list[Route]:
    """Make the routes under ``/agent/v1/``."""
    agents = _Agents(state)
    return [
        Route("/agent/v1/announcement", agents.announcement),
        Route("/agent/v1/keys", agents.keys),
        Route("/agent/v1/patch/{before}/{generation}/{target}", agents.patch),
        Route("/agent/v1/report", agents.report, methods=["POST"]),
        Route("/agent/v1/hits", agents.hits, methods=["POST"]),
    ]


class _Agents:
    def __init__(self, state: AppState) -> None:
        self._state = state
        self._board = Board(state.settings)
        self._patches = Patches(state)
        self._intake: Intake | None = None
        self._end: asyncio.Task[None] | None = None
        self._asked = Allowance("requests", burst=200, per_s=5)
        self._reported = Allowance("reports", burst=60, per_s=1)
        self._sent = Allowance("bytes of hits", burst=64 << 20, per_s=1 << 20)
        self._taking: set[str] = set()
        """Sensors whose hits are being taken: each waits for its own, and nobody for many."""

    async def announcement(self, request: Request) -> Response:
        """Answer what is wanted, as soon as it is another than the agent knows."""
        caller = await self._caller(request, Scope.FETCH)
        after = _number(request, "after", _SERIAL_MAX)
        wait_s = min(_number(request, "wait", _SERIAL_MAX), WAIT_MAX_S)
        self._end_with_server()
        told = await self._board.newer(caller.sensor, after, wait_s, _gone(request))
        if told is None:
            return Response(status_code=204, headers=_NO_STORE)
        return _json(told.announcement)

    async def keys(self, request: Request) -> Response:
        """Answer the key changes beyond a number."""
        await self._caller(request, Scope.FETCH)
        after = _number(request, "after", _SERIAL_MAX)

        def job(hub: Hub) -> bytes:
            changes = key_changes(hub)
            return changes_to_json([one for one in changes if one.read().number > after])

        body = await self._state.read(job)
        return Response(body, media_type="application/json", headers=_NO_STORE)

    async def patch(self, request: Request) -> Response:
        """Answer the patches from what a sensor holds to the generation that it is told.

        To no other: each pair costs the hub a calculation and a file, and there are very many.
        """
        caller = await self._caller(request, Scope.FETCH)
        path = request.path_params
        generation = _whole(path["generation"], _SERIAL_MAX)
        if generation is None:
            raise Refusal(400, "a generation is a whole number", hint="It is in the announcement.")
        self._end_with_server()
        told = await self._board.told(caller.sensor)
        if told is None or told.announcement.read().generation != generation:
            raise Refusal(
                404,
                f"sensor '{caller.sensor}' is not told generation {generation}",
                hint="Ask for the announcement first; whole files are there of each generation.",
            )
        made = await self._patches.get(path["before"], generation, path["target"])
        headers = {"cache-control": "private, max-age=31536000, immutable, no-transform"}
        if isinstance(made, bytes):
            return Response(made, media_type="application/zstd", headers=headers)
        return FileResponse(made, media_type="application/zstd", headers=headers)

    async def report(self, request: Request) -> Response:
        """Keep what an agent says of its sensor."""
        caller = await self._caller(request, Scope.REPORT)
        self._reported.take(caller.sensor, 1, time.monotonic())
        body = await self._body(request, _JSON, REPORT_MAX)
        now = time.time()

        def job(hub: Hub) -> None:
            report = heard(_unpacked(body, REPORT_MAX), now)
            keep_report(hub, caller.sensor, report, caller.origin, now)

        await self._state.write(job)
        self._end_with_server()
        told = await self._board.told(caller.sensor)
        serial = told.serial if told else 0
        return _json({"serial": serial, "time": datetime.fromtimestamp(now, UTC)})

    async def hits(self, request: Request) -> Response:
        """Take lines of EVE between two places of the agent's, once."""
        caller = await self._caller(request, Scope.REPORT)
        before, after = _cursor(request, "x-vedette-from"), _cursor(request, "x-vedette-to")
        body = await self._body(request, _LINES, HITS_MAX)
        if caller.sensor in self._taking:
            raise Refusal(
                429,
                f"hits of sensor '{caller.sensor}' are being taken already",
                hint="Send one request after the other.",
                headers={"retry-after": "1"},
            )
        self._taking.add(caller.sensor)
        try:
            receipt = await self._taken(caller.sensor, body, before, after)
        finally:
            self._taking.discard(caller.sensor)
        if receipt.taken:
            return _json({"cursor": receipt.cursor})
        return Response(
            msgspec.json.encode(
                {
                    "error": "these lines do not begin where the last ones ended",
                    "hint": "Go on from 'cursor': nothing of this request was counted.",
                    "cursor": receipt.cursor,
                }
            ),
            status_code=409,
            media_type="application/json",
            headers=_NO_STORE,
        )

    async def _taken(self, sensor: str, body: bytes, before: str, after: str) -> Receipt:
        """Unpack and take lines; what they cost counts, not how small they were on the way.

        Raises:
            Refusal: They are too many, or cannot be unpacked.
        """
        self._sent.take(sensor, len(body), time.monotonic())
        lines = await asyncio.to_thread(_unpacked, body, HITS_UNPACKED_MAX)
        self._sent.take(sensor, max(0, len(lines) - len(body)), time.monotonic())
        return await self._state.take(lambda hub: self._take(hub, sensor, lines, before, after))

    def _take(self, hub: Hub, sensor: str, lines: bytes, before: str, after: str) -> Receipt:
        """Fold lines into the inbox; always in the one thread for that."""
        if self._intake is None or self._intake.hub is not hub:
            self._intake = Intake(hub)
        return self._intake.take(sensor, lines, before, after)

    async def _caller(self, request: Request, scope: Scope) -> Caller:
        """Return who asks.

        Raises:
            Refusal: It has no such token, or one of no sensor, or asks too often.
        """
        caller = await self._state.require(request, scope)
        if not caller.sensor:
            raise Refusal(
                403,
                f"token {caller.token} belongs to no sensor",
                hint="On the hub: vedette sensor enrol NAME --delivery agent",
            )
        self._asked.take(caller.sensor, 1, time.monotonic())
        return caller

    async def _body(self, request: Request, types: frozenset[str], most: int) -> bytes:
        """Read a body of one of these types.

        Raises:
            Refusal: It is of another type, or too long.
        """
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in types:
            raise Refusal(
                415, f"a body of type '{kind[:80]}'", hint=f"Send {' or '.join(sorted(types))}."
            )
        return await self._state.body(request, most)

    def _end_with_server(self) -> None:
        """Let those who wait go as soon as the server is told to end."""
        if self._end is None:
            self._end = asyncio.create_task(self._close())

    async def _close(self) -> None:
        await self._state.stopping.wait()
        self._board.close()


async def _gone(request: Request) -> None:
    """Return when the client has hung up."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _number(request: Request, name: str, most: int) -> int:
    """Read a whole number of the query; 0 if it is not there.

    Raises:
        Refusal: It is no such number.
    """
    number = _whole(request.query_params.get(name, "0"), most)
    if number is None:
        raise Refusal(400, f"'{name}' is no whole number", hint=f"Ask with ?{name}=0")
    return number


def _whole(text: str, most: int) -> int | None:
    """Read a whole number that is about as long as ``most``, or shorter; None: it is none."""
    is_one = text.isascii() and text.isdecimal() and len(text) <= len(str(most))
    return int(text) if is_one else None


def _cursor(request: Request, header: str) -> str:
    """Read a place of the agent's.

    Raises:
        Refusal: It is none.
    """
    text = request.headers.get(header, "")
    if not _CURSOR.fullmatch(text):
        raise Refusal(
            400,
            f"{header} is no place",
            hint=f"It has at most {CURSOR_MAX} visible characters of ASCII.",
        )
    return text


def _unpacked(body: bytes, most: int) -> bytes:
    """Unpack a body that may be compressed (zstd, gzip).

    Raises:
        Refusal: It is damaged, or too large.
    """
    try:
        with open_decompressed(io.BytesIO(body), max_bytes=most) as stream:
            return stream.read()
    except UnpackError as error:
        raise Refusal(
            400, str(error), hint=f"At most {most:,} bytes, compressed as a whole."
        ) from error


def _json(document: object) -> Response:
    body = msgspec.json.encode(document)
    return Response(body, media_type="application/json", headers=_NO_STORE)
