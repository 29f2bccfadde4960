"""Send a file: conditional requests, ranges, HEAD, and a file that is taken away meanwhile.

The file is open before the first byte is answered: whoever began to download it gets all of it,
even if its generation is forgotten in the middle.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping
from email.utils import formatdate, parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from vedette.web.refusing import error_response

_CHUNK = 1 << 17
_RANGE = re.compile(r"bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.IGNORECASE | re.ASCII)
_IMMUTABLE = "private, max-age=31536000, immutable, no-transform"
_CURRENT = "private, no-cache, no-transform"


class Offer(NamedTuple):
    """A file that may be sent."""

    path: Path
    etag: str
    """A digest of the content, in hex."""
    modified: int
    """Epoch seconds; 0: not said."""
    media_type: str
    is_immutable: bool
    """Whether this address will never have another content."""
    headers: Mapping[str, str]


class Part(NamedTuple):
    """Bytes of a file, from the first to before the last."""

    start: int
    end: int


class FileSending(Response):
    """The answer to GET and HEAD of a file; its background task runs when all of it went out.

    Args:
        request: Whose answer it is.
        descriptor: Of the open file; it is closed when the answer is over.
        part: What of it is sent; None: nothing (304).
        status: 200, 206 or 304.
        headers: Of the answer.
    """

    def __init__(
        self,
        request: Request,
        descriptor: int,
        part: Part | None,
        status: int,
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(status_code=status, headers=headers)
        self._request = request
        self._descriptor = descriptor
        self._part = part

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            is_sent = await self._send(send)
        finally:
            os.close(self._descriptor)
        if is_sent and self.background is not None:
            await self.background()

    async def _send(self, send: Send) -> bool:
        """Send head and body; return whether the client was there to the end."""
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
        )
        at, end = self._part or (0, 0)
        while at < end and self._request.method != "HEAD":
            chunk = await asyncio.to_thread(os.pread, self._descriptor, min(_CHUNK, end - at), at)
            if not chunk:
                raise OSError("the file became shorter while it was sent")
            if await self._request.is_disconnected():
                return False
            at += len(chunk)
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        return True


def answer(request: Request, offer: Offer, whole: BackgroundTask | None = None) -> Response:
    """Make the answer to a request for a file; blocks for the moment of opening it.

    Args:
        request: GET or HEAD.
        offer: The file.
        whole: What to do when the client has all of it.
    """
    try:
        descriptor = os.open(offer.path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return error_response(
            404,
            "this generation was forgotten in this moment",
            hint="Ask again for the current one.",
            headers=offer.headers,
        )
    size = os.fstat(descriptor).st_size
    headers = _headers(offer)
    status, part = _decide(request, offer, size)
    if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        os.close(descriptor)
        headers = {**offer.headers, "content-range": f"bytes */{size}"}
        return error_response(status, f"the file has {size:,} bytes", headers=headers)
    if part is not None:
        headers["content-length"] = str(part.end - part.start)
        headers["content-type"] = offer.media_type
        if status == HTTPStatus.PARTIAL_CONTENT:
            headers["content-range"] = f"bytes {part.start}-{part.end - 1}/{size}"
    response = FileSending(request, descriptor, part, status, headers)
    if request.method == "GET" and (part is None or part.end == size):
        response.background = whole
    return response


def _decide(request: Request, offer: Offer, size: int) -> tuple[int, Part | None]:
    """Return the status and what is sent."""
    if _is_unchanged(request, offer):
        return HTTPStatus.NOT_MODIFIED, None
    text = request.headers.get("range")
    part = _range_of(text, size) if text and _is_range_wanted(request, offer) else None
    if part is None:
        return HTTPStatus.OK, Part(0, size)
    if part is _UNSATISFIABLE:
        return HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, None
    return HTTPStatus.PARTIAL_CONTENT, part


def _headers(offer: Offer) -> dict[str, str]:
    headers = {
        "etag": f'"{offer.etag}"',
        "accept-ranges": "bytes",
        "cache-control": _IMMUTABLE if offer.is_immutable else _CURRENT,
        "x-content-type-options": "nosniff",
        **offer.headers,
    }
    if offer.modified:
        headers["last-modified"] = formatdate(offer.modified, usegmt=True)
    return headers


def _is_unchanged(request: Request, offer: Offer) -> bool:
    """Whether the client has it: by ETag, else by exactly the time that it was told.

    Exactly, because a roll back makes an older file the current one.
    """
    if (tags := request.headers.get("if-none-match")) is not None:
        return tags.strip() == "*" or f'"{offer.etag}"' in re.findall(r'"[^"]*"', tags)
    since = request.headers.get("if-modified-since")
    return since is not None and _is_time(since, offer.modified)


def _is_range_wanted(request: Request, offer: Offer) -> bool:
    """Whether the part fits to what the client has already (If-Range)."""
    condition = request.headers.get("if-range")
    if condition is None:
        return True
    return condition.strip() == f'"{offer.etag}"' or _is_time(condition, offer.modified)


def _is_time(text: str, wanted: int) -> bool:
    try:
        return bool(wanted) and int(parsedate_to_datetime(text).timestamp()) == wanted
    except (ValueError, TypeError, OverflowError):
        return False


_UNSATISFIABLE = Part(0, 0)


def _range_of(text: str, size: int) -> Part | None:
    """Return the part of a Range header; None: none that is understood, so all is sent."""
    match = _RANGE.fullmatch(text)
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < int(first):
            return None
    return Part(start, end) if start < end else _UNSATISFIABLE
