"""Fetch a list over HTTP, whole or not at all.

The body goes to a temporary file before anybody parses it: half a download is an error, never a
short list. No redirect is followed: whoever holds the list could send us to a server of our own.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import BinaryIO, NamedTuple

import httpx2
import stamina

from vedette.errors import SourceError
from vedette.misp import http
from vedette.misp.deadline import deadline
from vedette.misp.http import Connection, explain_transport, open_client, without_secrets
from vedette.misp.validators import Validators

_CONDITIONS = frozenset({"if-none-match", "if-modified-since"})
_SHOWN = 300
_RETRIED_STATUS = frozenset({502, 503, 504})
_ENCODINGS = frozenset({"", "identity", "gzip", "x-gzip", "zstd"})
_HINTS = {
    401: "It wants a login or a key: put it into a file, and name that with --header-file.",
    403: "The publisher refuses us: is a key or an agreement needed, or is this address blocked?",
    404: "The list has moved or is gone: look at the publisher's page.",
    410: "The list is gone: look at the publisher's page, and remove this source.",
    429: "We ask too often: raise the interval of this source.",
}


class Download(NamedTuple):
    """A body, whole, and which version it is."""

    file: BinaryIO
    """At its start; still compressed if it came so."""
    validators: Validators
    sha256: str


class _AgainError(Exception):
    """An answer that is worth another attempt."""


@contextmanager
def download(
    url: str, held: Validators, connection: Connection, max_bytes: int
) -> Iterator[Download | None]:
    """Give the body of ``url``, or None if the server says that it is what we hold.

    Raises:
        SourceError: It cannot be had whole.
    """
    with tempfile.TemporaryFile() as file, open_client(connection, _headers(held)) as client:
        yield _with_retries(client, url, connection, file, max_bytes)


def _headers(held: Validators) -> dict[str, str]:
    return {"Accept-Encoding": "gzip", **held.headers()}


def _with_retries(
    client: httpx2.Client, url: str, connection: Connection, file: BinaryIO, max_bytes: int
) -> Download | None:
    where = without_secrets(url)
    result: Download | None = None
    attempts = max(connection.retries, 1)
    try:
        for attempt in stamina.retry_context(
            on=(httpx2.ConnectError, httpx2.ReadError, httpx2.RemoteProtocolError, _AgainError),
            attempts=attempts,
            timeout=None,
            wait_initial=0.2,
            wait_max=5.0,
            wait_jitter=0.2,
        ):
            with attempt:
                file.seek(0)
                file.truncate()
                result = _once(client, url, file, max_bytes, last=attempt.num == attempts)
    except TimeoutError as error:
        raise SourceError(
            f"{where} was {error}",
            hint="The server is too slow today; the next pull tries again.",
        ) from error
    except httpx2.TimeoutException as error:
        raise SourceError(
            f"{where} did not answer within {connection.timeout_s:g} s",
            hint="Try it by hand; if it is only slow: vedette source set NAME --timeout-s 600",
        ) from error
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise _explain(error, where, connection) from error
    except OSError as error:
        raise SourceError(
            f"cannot keep {where} while it is read: {error.strerror or error}",
            hint=f"Make room in {tempfile.gettempdir()}, or set TMPDIR.",
        ) from error
    return result


def _once(
    client: httpx2.Client, url: str, file: BinaryIO, max_bytes: int, *, last: bool
) -> Download | None:
    with deadline(client, http.DEADLINE_S):
        answer = client.send(client.build_request("GET", url), stream=True)
        try:
            return _take(answer, file, max_bytes, last=last)
        finally:
            answer.close()


def _take(
    answer: httpx2.Response, file: BinaryIO, max_bytes: int, *, last: bool
) -> Download | None:
    if answer.status_code == HTTPStatus.NOT_MODIFIED and not _CONDITIONS.isdisjoint(
        answer.request.headers
    ):
        return None
    if answer.status_code in _RETRIED_STATUS and not last:
        raise _AgainError
    where = without_secrets(str(answer.request.url))
    if answer.has_redirect_location:
        target = without_secrets(answer.headers["location"])[:_SHOWN]
        raise SourceError(
            f"{where} redirects to {target}",
            hint="Configure the final address if you trust it; redirects are not followed.",
        )
    if answer.status_code != HTTPStatus.OK:
        name = f"{answer.status_code} {answer.reason_phrase}".strip()
        hint = _HINTS.get(answer.status_code, "Try again later; the publisher may know more.")
        raise SourceError(f"{where} answered {name}", hint=hint)
    if (encoding := answer.headers.get("content-encoding", "").lower()) not in _ENCODINGS:
        raise SourceError(
            f"{where} sends its content encoded as {encoding[:40]}, which was not asked for",
            hint="A proxy between may do this: fetch it directly.",
        )
    sha256 = _save(answer, file, max_bytes, where)
    return Download(file, Validators.of(answer), sha256)


def _save(answer: httpx2.Response, file: BinaryIO, max_bytes: int, where: str) -> str:
    digest, size = hashlib.sha256(), 0
    for chunk in answer.iter_raw():  # as it comes: a block may never be full
        digest.update(chunk)
        file.write(chunk)
        size += len(chunk)
        if size > max_bytes:
            raise SourceError(
                f"{where} is longer than {max_bytes:,} bytes",
                hint="Is it the right file? Else: vedette source set NAME --max-bytes N",
            )
    announced = answer.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) != size:
        raise SourceError(
            f"{where} ended after {size:,} of {int(announced):,} bytes",
            hint="The download was cut off; the next pull tries again.",
        )
    file.seek(0)
    return digest.hexdigest()


def _explain(error: Exception, where: str, connection: Connection) -> SourceError:
    """Turn an exception of the client into an error with a hint."""
    if isinstance(
        error, (httpx2.UnsupportedProtocol, httpx2.InvalidURL, httpx2.LocalProtocolError)
    ):
        return SourceError(
            f"{where} is no address that can be asked: {error}",
            hint="Write it as https://host/list.",
        )
    if isinstance(error, (httpx2.ConnectError, httpx2.ProxyError)):
        return explain_transport(error, where, connection)
    return SourceError(
        f"{where} broke off in the middle: {error}", hint="The next pull tries again."
    )
