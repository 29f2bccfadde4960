"""The hub as an agent asks it: one connection that is kept, bodies with a limit, no redirects.

Hard rule: what comes is bytes, believed by nobody here. Every failure is an error with a hint.
"""

from __future__ import annotations

import io
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeVar

import httpx2
import msgspec
import zstandard
from msgspec import Struct

import vedette
from vedette.agent.answers import Body, retry_after_s, skew_s
from vedette.agent.failures import (
    CursorError,
    NotThereError,
    RefusedError,
    UnacceptedError,
    UnavailableError,
    explained,
)
from vedette.agent.settings import AgentSettings
from vedette.agent.tokens import read_token
from vedette.errors import ConfigError, HubError, VedetteError
from vedette.sensor.wire import Report, SignedAnnouncement
from vedette.trust.pins import SignedChange, changes_from_json

T = TypeVar("T")

TIMEOUT_S = 30.0
"""Longest silence of the hub while it answers; of a long poll, beyond the wait itself."""
_SMALL = 1 << 20

_SHOWN = 200
_NEVER = frozenset({400, 413, 415, 422})


class Answer(Struct, frozen=True):
    """To a report."""

    serial: int = 0
    """Of what is wanted of this sensor; 0: the hub does not say."""
    time: datetime | None = None
    """The hub's clock."""


class _Said(Struct, frozen=True):
    error: str = ""
    hint: str = ""
    cursor: str = ""


class Endpoint(NamedTuple):
    """Where the hub is and how it is known to be it."""

    url: str
    token: str
    tls: ssl.SSLContext
    token_file: str = ""
    """Where a new token is looked for when this one is refused; ``""``: nowhere."""

    @classmethod
    def of(cls, settings: AgentSettings, token: str) -> Endpoint:
        """Read the settings.

        Raises:
            ConfigError: The certificate of the authority cannot be used.
        """
        try:
            tls = ssl.create_default_context(cafile=settings.ca_file or None)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                f"certificate file {settings.ca_file} cannot be used: {error}",
                hint="It must exist, be readable, and be in PEM format.",
            ) from error
        return cls(settings.hub.rstrip("/") + "/", token, tls, settings.token_file)


class Hub:
    """One connection to the hub; of one thread."""

    def __init__(self, endpoint: Endpoint) -> None:
        """Do not connect yet."""
        self._where = endpoint.url
        self._token_file = endpoint.token_file
        self._socket: socket.socket | None = None
        self.skew_s: float | None = None
        """Our clock less the hub's, to the second, as of the last answer."""
        self._client = httpx2.Client(
            base_url=endpoint.url,
            headers={
                "User-Agent": f"vedette-agent/{vedette.__version__}",
                "Authorization": f"Bearer {endpoint.token}",
                "Accept-Encoding": "identity",
            },
            verify=endpoint.tls,
            timeout=httpx2.Timeout(TIMEOUT_S, connect=10.0),
            follow_redirects=False,
            limits=httpx2.Limits(max_connections=2, keepalive_expiry=300.0),
        )

    def close(self) -> None:
        """Hang up; nobody uses it any more."""
        self._client.close()

    def hang_up(self) -> None:
        """Cut the connection, from another thread: whoever waits for an answer gets an error."""
        if (connection := self._socket) is not None:
            with suppress(OSError):
                # Of the socket itself: TLS would say goodbye first, and wait for an answer.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def _note(self, _event: str, info: Mapping[str, Any]) -> None:
        stream = info.get("return_value")
        if stream is not None and hasattr(stream, "get_extra_info"):
            self._socket = stream.get_extra_info("socket")

    def announcement(self, after: int, wait_s: float = 0.0) -> SignedAnnouncement | None:
        """Return what is wanted if that is not ``after``; wait for it if it is.

        Raises:
            HubError: The hub cannot be asked, or does not speak like one.
            RefusedError: It does not take our token.
        """
        path = f"agent/v1/announcement?after={after}&wait={wait_s:.0f}"
        timeout = httpx2.Timeout(TIMEOUT_S + wait_s, connect=10.0)
        body = self._get(path, _SMALL, timeout)
        return self._decode(body, SignedAnnouncement) if body else None

    def key_changes(self, after: int) -> tuple[SignedChange, ...]:
        """Return the hub's key changes beyond a number.

        Raises:
            HubError: As above.
            TrustError: They are no such list.
        """
        return changes_from_json(self._get(f"agent/v1/keys?after={after}", _SMALL))

    def get(self, path: str, most: int) -> bytes:
        """Fetch a small file.

        Raises:
            HubError: The hub cannot be asked, or sends more than ``most`` bytes.
        """
        return self._get(path, most)

    @contextmanager
    def stream(self, path: str, most: int) -> Iterator[BinaryIO]:
        """Fetch something large, as it is sent.

        Raises:
            NotThereError: It is not there.
            HubError: The hub cannot be asked; while reading, as OSError, that it is cut off or has
                more than ``most`` bytes.
        """
        with self._asked("GET", path) as answer:
            if answer.status_code != HTTPStatus.OK:
                raise self._refusal(answer)
            yield io.BufferedReader(Body(answer, most, self._where), 1 << 18)

    def report(self, report: Report) -> Answer:
        """Send a report.

        Raises:
            HubError: It did not arrive.
        """
        body = zstandard.ZstdCompressor(3).compress(msgspec.json.encode(report))
        headers = {"Content-Type": "application/json", "Content-Encoding": "zstd"}
        return self._decode(self._post("agent/v1/report", body, headers), Answer)

    def hits(self, body: bytes, start: str, end: str) -> str:
        """Send alerts that were read between two places; return up to where the hub has them.

        Args:
            body: Lines of EVE, compressed with zstd.
            start: The place that the hub should be at.
            end: The place behind them.

        Raises:
            CursorError: The hub is at another place; nothing was counted.
            HubError: They did not arrive, or it is not known whether they did.
        """
        headers = {
            "Content-Type": "application/x-ndjson",
            "Content-Encoding": "zstd",
            "X-Vedette-From": start,
            "X-Vedette-To": end,
        }
        return self._decode(self._post("agent/v1/hits", body, headers), _Said).cursor

    # -- the wire -----------------------------------------------------------------------

    def _get(self, path: str, most: int, timeout: httpx2.Timeout | None = None) -> bytes:
        with self._asked("GET", path, timeout=timeout) as answer:
            if answer.status_code == HTTPStatus.NO_CONTENT:
                return b""
            if answer.status_code != HTTPStatus.OK:
                raise self._refusal(answer)
            return self._read(answer, most)

    def _post(self, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        with self._asked("POST", path, content=body, headers=headers) as answer:
            if answer.status_code != HTTPStatus.OK:
                raise self._refusal(answer)
            return self._read(answer, _SMALL)

    @contextmanager
    def _asked(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: httpx2.Timeout | None = None,
    ) -> Iterator[httpx2.Response]:
        request = self._client.build_request(
            method, path, content=content, headers=headers, timeout=timeout or self._client.timeout
        )
        request.extensions["trace"] = self._note
        try:
            answer = self._client.send(request, stream=True)
        except (httpx2.TransportError, httpx2.InvalidURL, OSError) as error:
            raise explained(error, self._where) from error
        self.skew_s = skew_s(answer)
        if answer.status_code == HTTPStatus.UNAUTHORIZED:
            self._read_token_again()
        try:
            yield answer
        finally:
            answer.close()

    def _read_token_again(self) -> None:
        """Show the token that stands in its file by now, from the next request on."""
        if self._token_file:
            with suppress(VedetteError):
                token = read_token(Path(self._token_file)).text
                self._client.headers["Authorization"] = f"Bearer {token}"

    def _read(self, answer: httpx2.Response, most: int) -> bytes:
        body = Body(answer, most, self._where)
        try:
            return body.readall()
        except OSError as error:
            raise HubError(str(error)) from error

    def _decode(self, body: bytes, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(body, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise HubError(
                f"{self._where} did not answer like a hub: {error}",
                hint="Is this the address of vedette serve, with its path prefix if it has one?",
            ) from error

    def _refusal(self, answer: httpx2.Response) -> HubError | RefusedError:
        status = f"{answer.status_code} {answer.reason_phrase}".strip()
        said = _Said()
        # It may be a proxy's own page.
        with suppress(HubError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            said = msgspec.json.decode(self._read(answer, _SMALL), type=_Said)
        text = f": {said.error[:_SHOWN]}" if said.error else ""
        what = f"{answer.request.url.path} of {self._where} answered {status}{text}"
        hint = said.hint[:_SHOWN]
        status_code = answer.status_code
        if status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            return RefusedError(what, hint=hint or _ASK_HINT)
        if status_code == HTTPStatus.NOT_FOUND:
            return NotThereError(what, hint=hint)
        if status_code == HTTPStatus.CONFLICT:
            return CursorError(what, said.cursor)
        if status_code in _NEVER:
            return UnacceptedError(what, hint=hint)
        if status_code in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
            return UnavailableError(what, hint=hint, wait_s=retry_after_s(answer))
        return HubError(what, hint=hint or "The hub's log may say why.")


_ASK_HINT = (
    "Is the token revoked, expired or another sensor's? On the hub: vedette token list. A new one:"
    " vedette sensor enrol NAME --delivery agent"
)
