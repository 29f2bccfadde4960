"""MISP's HTTP API as far as Vedette needs it: asked carefully, answers distrusted.

MISP answers 200 to many failures, ignores filters that it does not know, and dies of a search
without a limit: each answer is checked for what was asked, and every search has a limit.
"""

from __future__ import annotations

import itertools
import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self, TypeVar

import httpx2
import msgspec
import structlog
from msgspec import Raw, Struct

from vedette.errors import SourceError
from vedette.files import ExposedError, read_secret
from vedette.misp.http import Connection, check_status, open_client, retry_after_s, send
from vedette.misp.wire import (
    UNDECODABLE,
    Attribute,
    Event,
    IndexRow,
    Misfit,
    WireError,
    describe_not_json,
    read_event,
    read_page,
)

log = structlog.get_logger(__name__)

_KEY = re.compile(r"[A-Za-z0-9]{40}")
_RATE_LIMIT_ROUNDS = 3
_ANSWER_MAX = 1 << 29
"""Longest answer in bytes: an index of two million events, or twenty times the usual page."""
_MESSAGE_MAX = 200
_T = TypeVar("_T")


class ServerFailedError(SourceError):
    """MISP answered 500: usually PHP ran out of memory over a page that was too large."""


class ServerVersion(Struct):
    """What ``/servers/getVersion`` says about the server and the key."""

    version: str
    perm_sync: bool = False
    perm_sighting: bool = False


class Page(NamedTuple):
    """A page of attributes."""

    attributes: list[Attribute]
    misfits: list[Misfit]
    more: bool
    """Whether another page must be asked for."""


class _Role(Struct):
    name: str = ""


class _Me(Struct):
    role: _Role = msgspec.field(name="Role", default_factory=_Role)


class _Events(Struct):
    response: list[Raw]


class _Wrapped(Struct):
    event: Raw = msgspec.field(name="Event")


class _Failure(Struct):
    message: str = ""


@dataclass(frozen=True, slots=True)
class Key:
    """An API key; it never shows itself."""

    secret: str

    def __repr__(self) -> str:
        """Say nothing."""
        return "Key(…)"


def read_key(path: str) -> Key:
    """Read an API key from a file.

    Raises:
        SourceError: The file cannot be read, everybody may read it, or it holds no key.
    """
    file = Path(path).expanduser()
    try:
        text = read_secret(file).decode("ascii", "replace").strip()
    except ExposedError as error:
        raise SourceError(str(error), hint=error.hint) from error
    except OSError as error:
        raise SourceError(
            f"cannot read the API key in {path}: {error.strerror or error}",
            hint="Write the key of a MISP user (40 letters and digits) into that file, mode 600.",
        ) from error
    if not _KEY.fullmatch(text):
        raise SourceError(
            f"{path} holds {len(text)} characters; a MISP API key is 40 letters and digits",
            hint="MISP shows a key once, under Administration > List Auth Keys > Add.",
        )
    return Key(text)


class MispClient:
    """A MISP server, asked with one user's key."""

    def __init__(
        self, url: str, key: Key, connection: Connection, *, rate_limit_wait_s: float = 60.0
    ) -> None:
        """Open connections lazily; nothing is asked yet."""
        self._url = url.rstrip("/")
        self._connection = connection
        self._rate_limit_wait_s = rate_limit_wait_s
        self._client = open_client(
            connection, {"Accept": "application/json", "Cache-Control": "no-cache"}
        )
        self._client.headers["Authorization"] = key.secret
        self.server_time = 0
        """The server's clock when the last request was sent, epoch seconds: MISP's timestamps
        can be compared with nothing else."""

    def __enter__(self) -> Self:
        """Start with the client that is open already."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self._client.close()

    def version(self) -> ServerVersion:
        """Ask what the server is and what the key may do."""
        return self.ask("GET", "/servers/getVersion", ServerVersion)

    def role(self) -> str:
        """Ask for the name of the key's role."""
        return self.ask("GET", "/users/view/me", _Me).role.name

    def index(self) -> list[IndexRow]:
        """List every event that the key may see, with time and publication, 250 bytes each."""
        return self.ask("POST", "/events/index", list[IndexRow], {"minimal": 1})

    def metadata(self, refs: Sequence[str]) -> dict[str, Event]:
        """Fetch events by id or uuid, without attributes: id -> event.

        Hidden or deleted ones are not among them.

        Raises:
            SourceError: The answer has events that were not asked for, or is none.
        """
        path = "/events/restSearch"
        body = {"returnFormat": "json", "eventid": list(refs), "metadata": 1, "limit": len(refs)}
        answer = self.ask("POST", path, _Events, body)
        wanted = set(refs)
        events: dict[str, Event] = {}
        try:
            for raw in answer.response:
                event, _ = read_event(msgspec.json.decode(raw, type=_Wrapped).event)
                if not wanted & {str(event.id), event.uuid}:
                    raise self._unexpected(path, "events that were not asked for")
                events[str(event.id)] = event
        except (WireError, msgspec.ValidationError) as error:
            raise self._unexpected(path, str(error)) from error
        return events

    def attributes(self, ids: Sequence[str], *, limit: int, page: int, decay: bool = False) -> Page:
        """Fetch a page of the attributes of some events, in the order of their ids.

        Deleted ones come too: a row that is deleted softly while we page stays in its place.

        Raises:
            ServerFailedError: Answered 500; a smaller limit may help.
            SourceError: Anything else that is not a page of these events.
        """
        path = "/attributes/restSearch"
        body: dict[str, object] = {
            "returnFormat": "json",
            "eventid": list(ids),
            "deleted": [0, 1],
            "includeEventTags": 1,
            "includeEventUuid": 1,
            "order": "Attribute.id ASC",
            "limit": limit,
            "page": page,
        }
        if decay:
            body["includeDecayScore"] = 1
        answer = self._send("POST", path, body)
        try:
            attributes, misfits = read_page(answer.content)
        except WireError as error:
            raise self._unexpected(path, str(error)) from error
        wanted = set(ids)
        if any(str(attribute.event_id) not in wanted for attribute in attributes):
            raise self._unexpected(path, "attributes of events that were not asked for")
        if not _in_order(attributes):
            raise self._unexpected(path, "attributes that are not in the order asked for")
        rows = len(attributes) + len(misfits)
        return Page(attributes, misfits, _is_more(answer.headers, rows, limit))

    def ask(
        self, method: str, path: str, type_: type[_T], body: Mapping[str, object] | None = None
    ) -> _T:
        """Ask for anything that has no method here, and decode the answer.

        Raises:
            SourceError: It cannot be had, or is not what ``type_`` says.
        """
        answer = self._send(method, path, body)
        try:
            return msgspec.json.decode(answer.content, type=type_, strict=False)
        except UNDECODABLE as error:
            raise self._unexpected(path, describe_not_json(answer.content, error)) from error

    def _send(
        self, method: str, path: str, body: Mapping[str, object] | None = None
    ) -> httpx2.Response:
        try:
            request = self._client.build_request(method, f"{self._url}{path}", json=body)
        except httpx2.InvalidURL as error:
            raise SourceError(f"{self._url} is not a URL: {error}", hint="https://misp/") from error
        answer = self._send_once(request)
        for _ in range(_RATE_LIMIT_ROUNDS):
            if answer.status_code != HTTPStatus.TOO_MANY_REQUESTS:
                break
            self._wait(answer)
            answer = self._send_once(request)
        self._check(path, answer)
        return answer

    def _send_once(self, request: httpx2.Request) -> httpx2.Response:
        started = time.monotonic()
        answer = send(self._client, self._connection, request, max_bytes=_ANSWER_MAX)
        took_s = math.ceil(time.monotonic() - started)
        self.server_time = _date(answer.headers.get("Date", "")) - took_s
        return answer

    def _wait(self, answer: httpx2.Response) -> None:
        """Wait until MISP's rate limit allows more, if that is soon."""
        text = answer.headers.get("X-Rate-Limit-Reset", "")
        # MISP sends no Retry-After; a proxy in front of it does, and not MISP's header.
        wait_s = float(text) if text.isdecimal() else retry_after_s(answer)
        if wait_s > self._rate_limit_wait_s:
            raise SourceError(
                f"{self._url} allows no more searches for {wait_s:.0f} s (429)",
                hint="Raise the role's rate limit in MISP, or pull less often:"
                " vedette source set NAME --interval 1h",
            )
        log.warning("misp.rate_limited", server=self._url, wait_s=wait_s)
        time.sleep(wait_s)

    def _check(self, path: str, answer: httpx2.Response) -> None:
        status = answer.status_code
        if status == HTTPStatus.OK:
            return
        message = _message(answer.content)
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise SourceError(
                f"{self._url} refused the API key ({status}){message}",
                hint="Check that the key is active, not bound to other addresses, and its role may"
                " use the API.",
            )
        if status in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}:
            raise SourceError(
                f"{self._url}{path} does not exist ({status}){message}",
                hint="Is this the base address of a MISP? It has no /events or /users at its end.",
            )
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            raise SourceError(
                f"{self._url} still allows no more searches (429){message}",
                hint="Raise the role's rate limit in MISP, or pull less often:"
                " vedette source set NAME --interval 1h",
            )
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise ServerFailedError(
                f"{self._url}{path} failed ({status}){message}",
                hint="If MISP's log says that memory is exhausted:"
                " vedette source set NAME --page-size 5000",
            )
        check_status(answer, what=f"{self._url}{path}")

    def _unexpected(self, path: str, what: str) -> SourceError:
        return SourceError(
            f"{self._url}{path} answered {what}",
            hint="Is a login page or a proxy in between, or MISP's debug mode on?",
        )


def _is_more(headers: Mapping[str, str], rows: int, limit: int) -> bool:
    """Whether another page follows: a page may be short and not the last, the header tells.

    Beyond the end the header says 1, which is the limit if that is 1.
    """
    count = headers.get("X-Result-Count", "")
    if not rows and headers.get("X-Skipped-Elements-Count", "0") == "0":
        return False
    return (int(count) if count.isdecimal() else rows) >= limit


def _in_order(attributes: Sequence[Attribute]) -> bool:
    ids = [int(text) for attribute in attributes if (text := str(attribute.id)).isdecimal()]
    return all(before < after for before, after in itertools.pairwise(ids) if after)


def _date(text: str) -> int:
    """A ``Date`` header as epoch seconds; our own time where there is none."""
    try:
        return int(parsedate_to_datetime(text).timestamp())
    except ValueError:
        return int(time.time())


def _message(body: bytes) -> str:
    try:
        message = msgspec.json.decode(body, type=_Failure).message
    except UNDECODABLE:
        return ""
    return f": {message[:_MESSAGE_MAX]}" if message else ""
