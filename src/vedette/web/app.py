"""Compose the routes of ``vedette serve``; each module of routes is one line here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from vedette.errors import VedetteError
from vedette.web import agents, metrics, publication
from vedette.web.refusing import (
    Refusal,
    error_response,
    on_failure,
    on_http_error,
    on_own_error,
    on_refusal,
)
from vedette.web.state import AppState

MODULES: tuple[Callable[[AppState], list[Route]], ...] = (
    publication.routes,
    agents.routes,
    metrics.routes,
)
"""Each makes the routes of one part; a path belongs to the first that has it."""


def create(state: AppState) -> ASGIApp:
    """Make the application; it ends what ``state`` started when the server ends."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with state.notes.running():
            yield
        await state.close()

    app = Starlette(
        routes=[Route("/health", _health), *(route for make in MODULES for route in make(state))],
        lifespan=lifespan,
        exception_handlers={
            Refusal: on_refusal,
            VedetteError: on_own_error,
            HTTPException: on_http_error,
            Exception: on_failure,
        },
    )
    app.router.redirect_slashes = False
    return _Prefixed(app, urlsplit(state.settings.serve.url).path.rstrip("/"))


_AMBIGUOUS = error_response(
    400,
    "a request with two lengths",
    hint="Send Content-Length or Transfer-Encoding, not both.",
    headers={"connection": "close"},
)


def _is_ambiguous(scope: Scope) -> bool:
    """Whether a proxy in front may see another end of this request than we do.

    What we take for the next one would then be part of somebody else's.
    """
    names = {name for name, _ in scope["headers"]}
    return {b"content-length", b"transfer-encoding"} <= names


async def _health(_request: Request) -> Response:
    """Say that the server answers, to whoever asks: a load balancer, a container."""
    return Response(b"ok\n", media_type="text/plain", headers={"cache-control": "no-store"})


class _Prefixed:
    """Takes paths with the prefix of ``[serve] url``, and those that a proxy took it off from."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        prefix = self._prefix
        if scope["type"] == "http" and _is_ambiguous(scope):
            await _AMBIGUOUS(scope, receive, send)
            return
        if prefix and scope["type"] == "http" and scope["path"].startswith(f"{prefix}/"):
            scope = {**scope, "root_path": prefix}
        await self._app(scope, receive, send)
