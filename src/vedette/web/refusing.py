"""What a client is told when it does not get what it asked for: always JSON, always a hint."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus

import msgspec
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from vedette.errors import BundleError, BusyError, StoreError, UsageError, VedetteError

log = structlog.get_logger(__name__)

_TOKEN = re.compile(r"/t/[^/]*")

_STATUS: Mapping[type[VedetteError], int] = {
    UsageError: 400,
    BundleError: 404,
    BusyError: 503,
    StoreError: 503,
}
_HINTS: Mapping[int, str] = {
    404: "The paths are in docs/reference/urls.md; is the address complete?",
    405: "Files are read with GET and HEAD.",
}


class Refusal(Exception):  # noqa: N818 - an answer, not a failure
    """An answer that ends the request.

    Args:
        status: Of HTTP.
        error: What is wrong, in one sentence.
        hint: What to do about it.
        headers: More headers of the answer.
    """

    def __init__(
        self, status: int, error: str, *, hint: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(error)
        self.status = status
        self.hint = hint
        self.headers = dict(headers or {})


def error_response(
    status: int, error: str, *, hint: str = "", headers: Mapping[str, str] | None = None
) -> Response:
    """Make the answer ``{"error": ..., "hint": ...}``."""
    body = msgspec.json.encode({"error": error, "hint": hint})
    return Response(
        body,
        status_code=status,
        media_type="application/json",
        headers={"cache-control": "no-store", **(headers or {})},
    )


async def on_refusal(_request: Request, error: Exception) -> Response:
    """Answer a :class:`Refusal`."""
    if not isinstance(error, Refusal):  # pragma: no cover - registered for nothing else
        raise error
    return error_response(error.status, str(error), hint=error.hint, headers=error.headers)


async def on_own_error(request: Request, error: Exception) -> Response:
    """Answer an error that was raised on purpose below."""
    if not isinstance(error, VedetteError):  # pragma: no cover - registered for nothing else
        raise error
    status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 500)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        path = _TOKEN.sub("/t/***", request.url.path)
        log.error("request.failed", path=path, error=str(error), hint=error.hint)
    headers = {"retry-after": "5"} if status == HTTPStatus.SERVICE_UNAVAILABLE else None
    return error_response(status, str(error), hint=error.hint, headers=headers)


async def on_http_error(_request: Request, error: Exception) -> Response:
    """Answer what the router refuses: no such path, no such method."""
    if not isinstance(error, HTTPException):  # pragma: no cover - registered for nothing else
        raise error
    said = "there is nothing at this address" if error.status_code == 404 else error.detail  # noqa: PLR2004
    hint = _HINTS.get(error.status_code, "")
    return error_response(error.status_code, said, hint=hint, headers=error.headers)


async def on_failure(_request: Request, _error: Exception) -> Response:
    """Answer what nobody expected; the server logs it, the client hears no details."""
    return error_response(500, "an unexpected failure", hint="The log of the hub says more.")
