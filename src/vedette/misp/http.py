"""Connections to MISP servers and feeds over HTTP, and what their failures mean to an operator.

Nothing here follows a redirect: an API key must not travel to another host.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import SplitResult, urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

import httpx2
import stamina
from msgspec import Meta, Struct

import vedette
from vedette.errors import SourceError
from vedette.misp.deadline import Client, deadline
from vedette.misp.headers import read_headers

DEADLINE_S = 900.0
"""Longest time for one answer: who trickles keeps every other time-out from passing."""

_UNKNOWN_WAIT_S: Final = 900.0

_RETRIED: Final = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.ReadError,
    httpx2.WriteError,
    httpx2.RemoteProtocolError,
)
_RETRIED_STATUS: Final = frozenset({502, 503, 504})
_SECRET: Final = re.compile(
    r"((?:^|(?<=[&;]))[^=&;]*(?:key|token|secret|passw|pwd|auth|sig|credential)[^=&;]*=)[^&;]*",
    re.IGNORECASE,
)
"""A parameter whose name says that its value is nobody else's business."""


_NO_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"})
_ERRNO: Final = re.compile(r"^\[Errno -?\d+\] ")


class SlowError(SourceError):
    """The other side took longer than ``timeout_s``."""


class TransportError(SourceError):
    """The other side cannot be reached, or hung up."""


class Connection(Struct, frozen=True, kw_only=True):
    """How to reach a MISP server or feed."""

    timeout_s: Annotated[float, Meta(gt=0, le=86_400)] = 120.0
    """Longest silence of the other side while it answers."""
    retries: Annotated[int, Meta(ge=1)] = 3
    """Attempts for a request whose connection fails or that is answered 502, 503 or 504."""
    verify_tls: bool = True
    ca_file: str = ""
    """PEM file of the authority that signed the server's certificate, if it is your own."""
    client_cert: str = ""
    """PEM file of a client certificate, its key included unless ``client_key`` is set."""
    client_key: str = ""
    proxy: str = ""
    """``http://host:port``; unset: ``HTTPS_PROXY`` and its sisters count."""
    header_file: str = ""
    """File with headers to send, one a line (``Auth-Key: ...``, ``Authorization: Basic ...``);
    others must not be able to read it."""


def without_secrets(location: str) -> str:
    """Return an address without user, password and keys in its query; anything else as it is."""
    if "://" not in location:
        return location
    try:
        parts = urlsplit(location)
    except ValueError:  # no address at all, and whoever asks for it will say so
        return location.partition("?")[0].rpartition("@")[2]
    query = _SECRET.sub(r"\1***", parts.query)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=query))


def check_url(url: str) -> SplitResult:
    """Take an http(s) address apart.

    Raises:
        ValueError: It is none.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"'{without_secrets(url)}' is no address: {error}") from error
    if parts.scheme not in {"http", "https"} or not host:
        raise ValueError(f"'{without_secrets(url)}' is no address like https://host/")
    return parts


def check_location(location: str) -> None:
    """Refuse what is neither a path nor an http(s) address.

    Raises:
        ValueError: It is neither.
    """
    if not location:
        raise ValueError("location is empty")
    if "://" in location:
        check_url(location)


def check_server_url(url: str) -> None:
    """Refuse what is no address of a server whose paths are added to it.

    Raises:
        ValueError: It is none, or it holds a login or a query.
    """
    parts = check_url(url)
    if "@" in parts.netloc:
        raise ValueError("a login does not belong into an address: it would be shown and logged")
    if parts.query or parts.fragment:
        raise ValueError(f"'{without_secrets(url)}' is not the base address: leave out ? and #")


def open_client(connection: Connection, headers: Mapping[str, str]) -> httpx2.Client:
    """Make a client for a connection.

    Raises:
        SourceError: A certificate file, the header file or the proxy's address cannot be used.
    """
    secret = read_headers(connection.header_file) if connection.header_file else {}
    try:
        return Client(
            headers={"User-Agent": f"vedette/{vedette.__version__}", **headers, **secret},
            verify=_tls(connection),
            timeout=httpx2.Timeout(connection.timeout_s, connect=min(connection.timeout_s, 15.0)),
            proxy=connection.proxy or None,
            follow_redirects=False,
        )
    except (ValueError, httpx2.InvalidURL):
        raise SourceError(
            f"proxy '{without_secrets(connection.proxy)}' cannot be used"
            if connection.proxy
            else "HTTPS_PROXY, HTTP_PROXY or ALL_PROXY of the environment cannot be used",
            hint="Write it as http://host:port.",
        ) from None  # the cause may show its login


def send(
    client: httpx2.Client, connection: Connection, request: httpx2.Request, *, max_bytes: int = 0
) -> httpx2.Response:
    """Send a request and read the whole answer, trying again where that can help.

    Args:
        client: From :func:`open_client`.
        connection: Its settings.
        request: What to send.
        max_bytes: Longest body, uncompressed; 0 for no limit.

    Raises:
        TransportError: Not reachable, TLS failed, or cut off in the middle.
        SlowError: No answer within the timeout, or not all of it within ``DEADLINE_S``.
        SourceError: The body is longer than ``max_bytes``.
    """
    answer: httpx2.Response | None = None
    with _explained(request, connection):
        for attempt in stamina.retry_context(
            on=_worth_retrying,
            attempts=max(connection.retries, 1),
            timeout=None,
            wait_initial=0.2,
            wait_max=5.0,
            wait_jitter=0.2,
        ):
            with attempt:
                answer = _send_once(client, request, max_bytes)
                if answer.status_code in _RETRIED_STATUS and attempt.num < connection.retries:
                    raise _AgainError
    if answer is None:  # pragma: no cover - the loop returns or raises
        raise TransportError(f"{request.url} was not asked")
    return answer


def check_status(answer: httpx2.Response, *, what: str) -> None:
    """Refuse an answer that is a redirect or an error.

    Raises:
        SourceError: The status is not 200.
    """
    status = answer.status_code
    if status == HTTPStatus.OK:
        return
    name = f"{status} {answer.reason_phrase}".strip()
    if answer.has_redirect_location:
        raise SourceError(
            f"{what} redirects to {without_secrets(answer.headers['location'])[:300]}",
            hint="Configure the final address; redirects are not followed.",
        )
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise SourceError(
            f"{what} answered {name}",
            hint="The server failed; the next pull tries again. Its own log may say why.",
        )
    raise SourceError(f"{what} answered {name}", hint="Check the address, and who may read it.")


class _AgainError(Exception):
    """A status that is worth another attempt."""


def _worth_retrying(error: Exception) -> bool:
    return isinstance(error, (*_RETRIED, _AgainError)) and not _tls_failure(error)


def _send_once(client: httpx2.Client, request: httpx2.Request, max_bytes: int) -> httpx2.Response:
    with deadline(client, DEADLINE_S):
        answer = client.send(request, stream=True)
        try:
            return _read_bounded(answer, max_bytes)
        finally:
            answer.close()


def _read_bounded(answer: httpx2.Response, max_bytes: int) -> httpx2.Response:
    where = without_secrets(str(answer.request.url))
    body = bytearray()
    for chunk in answer.iter_bytes():
        body += chunk
        if max_bytes and len(body) > max_bytes:
            raise SourceError(
                f"{where} is longer than {max_bytes:,} bytes",
                hint="This is more than a MISP event can sensibly be; check the address.",
            )
    headers = [
        (name, value)
        for name, value in answer.headers.multi_items()
        if name.lower() not in {"content-encoding", "content-length", "transfer-encoding"}
    ]
    return httpx2.Response(
        answer.status_code, headers=headers, content=bytes(body), request=answer.request
    )


@contextmanager
def _explained(request: httpx2.Request, connection: Connection) -> Iterator[None]:
    """Turn the client's exceptions into errors with a hint."""
    where = f"{request.url.scheme}://{request.url.netloc.decode('ascii')}"
    try:
        yield
    except _AgainError as error:  # pragma: no cover - the last attempt returns its answer
        raise TransportError(f"{where} is not available") from error
    except TimeoutError as error:
        raise SlowError(
            f"{where} was {error}",
            hint="The server is too slow today; the next pull tries again.",
        ) from error
    except httpx2.TimeoutException as error:
        if isinstance(error, httpx2.ConnectTimeout):
            raise TransportError(
                f"{where} does not answer", hint="Check address, firewall and proxy."
            ) from error
        raise SlowError(
            f"{where} did not answer within {connection.timeout_s:g} s",
            hint="It may be overloaded: vedette source set NAME --timeout-s 600, or for a MISP"
            " --page-size 5000",
        ) from error
    except httpx2.TransportError as error:
        raise explain_transport(error, where, connection) from error


def retry_after_s(answer: httpx2.Response) -> float:
    """Seconds that the ``Retry-After`` of an answer asks for; 900 if it does not say.

    It may be a date.
    """
    text = answer.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdecimal():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return _UNKNOWN_WAIT_S
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max((moment - datetime.now(UTC)).total_seconds(), 0.0)


def explain_transport(
    error: httpx2.TransportError, where: str, connection: Connection
) -> SourceError:
    """Say what went wrong on the way to an address, and what to do about it.

    Args:
        error: Of the client.
        where: The address, without secrets.
        connection: How it was asked.
    """
    if failure := _tls_failure(error):
        return TransportError(
            f"TLS with {where} failed: {failure}",
            hint="Does it speak TLS there? Else write http://."
            if failure in _NO_TLS
            else "For an authority of your own give its PEM file: --ca-file FILE.",
        )
    if isinstance(error, httpx2.ProxyError):
        return TransportError(
            f"the proxy refused {where}: {error}",
            hint="Check --proxy, or HTTPS_PROXY and its sisters in the environment.",
        )
    if isinstance(error, httpx2.ConnectError):
        proxy = connection.proxy or _proxy_of_environment(where)
        through = f" through the proxy {without_secrets(proxy)}" if proxy else ""
        return TransportError(
            f"cannot connect to {where}{through}: {_ERRNO.sub('', str(error))}",
            hint="Check that the proxy runs, and its address and port."
            if through
            else "Check that it runs, its name, address and port, and whether a proxy is needed.",
        )
    if isinstance(error, (httpx2.UnsupportedProtocol, httpx2.LocalProtocolError)):
        return SourceError(f"{where} cannot be asked: {error}", hint="Write it as https://host/.")
    return TransportError(
        f"{where} cut its answer short: {error}",
        hint="Something between may limit time or size: vedette source set NAME --page-size 5000",
    )


def _proxy_of_environment(where: str) -> str:
    parts = urlsplit(where)
    proxies = getproxies()
    found = proxies.get(parts.scheme) or proxies.get("all") or ""
    return "" if proxy_bypass(parts.hostname or "") else found


def _tls_failure(error: BaseException) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return getattr(cause, "verify_message", "") or cause.reason or str(cause)
        cause = cause.__cause__ or cause.__context__
    return ""


def _tls(connection: Connection) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=connection.ca_file or None)
        if connection.client_cert:
            context.load_cert_chain(connection.client_cert, connection.client_key or None)
    except (OSError, ssl.SSLError) as error:
        names = [connection.ca_file, connection.client_cert, connection.client_key]
        missing = next((name for name in names if name and not Path(name).is_file()), "")
        raise SourceError(
            f"certificate file {missing or 'or its key'} cannot be used: {error}",
            hint="It must exist, be readable, and be in PEM format.",
        ) from error
    if not connection.verify_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
