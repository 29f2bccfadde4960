"""Questions to an OpenSearch or Elasticsearch over HTTP, and what its refusals mean.

It is only read: nothing is sent but GET of the root, and searches and questions about fields. One
request at a time; redirects are not followed, because a password must not travel to another host.
"""

from __future__ import annotations

import re
import ssl
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self
from urllib.parse import quote

import httpx2
import msgspec
import stamina

import vedette
from vedette.config import OpenSearchSettings, parse_duration
from vedette.errors import PoolError

_AGAIN: Final = frozenset({429, 502, 503, 504})
_TOO_MUCH = re.compile(
    r"too_many_buckets|too_many_clauses|too_many_nested_clauses|too_complex_to_determinize"
    r"|circuit_breaking|content_too_large|exceeded the allowed maximum"
)
_ATTEMPTS = 4
_URL_MAX = 3_000
"""Characters of field names in one URL; servers take lines of 4,096 bytes."""


class Engine(NamedTuple):
    """What answers."""

    name: str
    version: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name} {'.'.join(map(str, self.version))}"


class TooMuchError(PoolError):
    """The question is larger than the server's limits: ask for less at once."""


class Client:
    """One place to hunt in. Not shared between threads.

    Attributes:
        requests: How many were sent.
        trouble: What was missing in the answers, in words, with the number of answers.
    """

    def __init__(self, settings: OpenSearchSettings, password: str = "") -> None:
        """Prepare to ask.

        Raises:
            PoolError: A certificate file cannot be used.
        """
        self._settings = settings
        self._timeout_s = parse_duration(settings.timeout)
        self._index = settings.index
        self.requests = 0
        self.trouble: Counter[str] = Counter()
        headers = {"User-Agent": f"vedette/{vedette.__version__}", "Accept": "application/json"}
        auth = httpx2.BasicAuth(settings.user, password) if settings.user else None
        if password and not settings.user:
            headers["Authorization"] = f"ApiKey {password}"
        self._http = httpx2.Client(
            base_url=settings.url,
            headers=headers,
            auth=auth,
            verify=_tls(settings),
            timeout=httpx2.Timeout(self._timeout_s + 5, connect=min(self._timeout_s, 15)),
            follow_redirects=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def engine(self) -> Engine:
        """Return what answers there.

        Raises:
            PoolError: It cannot be reached, refuses us, or is something else.
        """
        answer = self._ask("GET", "/", None)
        version = answer.get("version")
        if not isinstance(version, dict) or not isinstance(version.get("number"), str):
            raise PoolError(
                f"{self._settings.url} is no OpenSearch and no Elasticsearch",
                hint="Give the address of its HTTP port, as in https://search.example:9200.",
            )
        name = "OpenSearch" if version.get("distribution") == "opensearch" else "Elasticsearch"
        numbers = re.findall(r"\d+", version["number"])[:3]
        return Engine(name, tuple(map(int, numbers)))

    def field_caps(self, fields: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
        """Return the indices that there are, and by field and type what can be done with it.

        Raises:
            PoolError: As for :meth:`search`; or no index is there.
        """
        indices: list[str] = []
        found: dict[str, Any] = {}
        for names in _lines(fields):
            path = f"/{_quoted(self._index)}/_field_caps"
            answer = self._ask("POST", path, None, {"fields": names, "include_unmapped": "true"})
            indices = list(answer.get("indices", indices))
            found.update(answer.get("fields", {}))
        if not found and not indices:
            raise PoolError(
                f"no index at {self._settings.url} is called {self._index}",
                hint="Check `index` in vedette.toml, and that the user may read it.",
            )
        return indices, found

    def search(self, body: Mapping[str, Any], indices: str = "") -> dict[str, Any]:
        """Ask, and note in ``trouble`` what the answer leaves out.

        Args:
            body: The question.
            indices: Where; the configured ones unless told.

        Raises:
            PoolError: It cannot be reached, or refuses.
            TooMuchError: Ask for less.
        """
        timed = {"timeout": f"{self._timeout_s}s", "track_total_hits": False, **body}
        answer = self._ask("POST", f"/{_quoted(indices or self._index)}/_search", timed)
        if answer.get("timed_out"):
            self.trouble[f"it ran out of time ({self._settings.timeout})"] += 1
        shards = answer.get("_shards", {})
        # A shard that is nowhere is not counted as failed by every version.
        if failed := shards.get("total", 0) - shards.get("successful", 0):
            why = {_reason(failure) for failure in shards.get("failures", ())}
            text = "; ".join(sorted(why)) or "no reason is given"
            if _TOO_MUCH.search(text):
                raise TooMuchError(f"{self._settings.url} finds the question too large: {text}")
            self.trouble[f"{failed} of {shards.get('total')} shards failed: {text}"] += 1
        return answer

    def _ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        parameters: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        if self.requests and self._settings.pause:
            time.sleep(self._settings.pause)
        content = None if body is None else msgspec.json.encode(body)
        answer = self._send(method, path, content, parameters)
        if answer.status_code != HTTPStatus.OK:
            raise self._refusal(answer)
        try:
            decoded = msgspec.json.decode(answer.content)
        except msgspec.DecodeError as error:
            raise PoolError(
                f"{self._settings.url} answers, but not in JSON",
                hint="Is it the address of OpenSearch itself, not of its dashboards?",
            ) from error
        return decoded if isinstance(decoded, dict) else {}

    def _send(
        self, method: str, path: str, content: bytes | None, parameters: Mapping[str, str] | None
    ) -> httpx2.Response:
        headers = {"Content-Type": "application/json"} if content else {}
        try:
            for attempt in stamina.retry_context(
                on=(_AgainError, httpx2.ReadError, httpx2.RemoteProtocolError),
                attempts=_ATTEMPTS,
                timeout=None,
                wait_initial=0.3,
                wait_max=10.0,
            ):
                with attempt:
                    self.requests += 1
                    answer = self._http.request(
                        method, path, content=content, headers=headers, params=parameters
                    )
                    if (
                        answer.status_code in _AGAIN
                        and attempt.num < _ATTEMPTS
                        and not _TOO_MUCH.search(answer.text)
                    ):
                        raise _AgainError
                    return answer
        except httpx2.TimeoutException as error:
            raise PoolError(
                f"{self._settings.url} did not answer within {self._settings.timeout}",
                hint="It may be busy: raise `timeout`, or ask for a shorter time with --since.",
            ) from error
        except httpx2.TransportError as error:
            raise _unreachable(self._settings.url, error) from error
        raise AssertionError  # pragma: no cover - the loop returns or raises

    def _refusal(self, answer: httpx2.Response) -> PoolError:
        status, where = answer.status_code, self._settings.url
        if _TOO_MUCH.search(answer.text):
            return TooMuchError(f"{where} finds the question too large: {_why(answer)}")
        if status == HTTPStatus.UNAUTHORIZED:
            variable = self._settings.password_env
            return PoolError(
                f"{where} does not let us in (401)",
                hint=f"Set `user` in vedette.toml, and its password (or API key) in ${variable}.",
            )
        if status == HTTPStatus.FORBIDDEN:
            return PoolError(
                f"{where} forbids it (403): {_why(answer)}",
                hint=f"The user needs read and view_index_metadata on {self._index}, and monitor.",
            )
        if status == HTTPStatus.NOT_FOUND:
            return PoolError(
                f"{where} has no index {self._index}", hint="Check `index` in vedette.toml."
            )
        if answer.is_redirect:
            return PoolError(
                f"{where} redirects to {answer.headers.get('location', 'nowhere')}",
                hint="Configure the final address; redirects are not followed.",
            )
        return PoolError(f"{where} answered {status}: {_why(answer)}")


class _AgainError(Exception):
    """A status that is worth another attempt after a rest."""


def _lines(fields: Sequence[str]) -> list[str]:
    """Join names with commas, in pieces that fit into a URL."""
    lines = [""]
    for name in fields:
        if len(lines[-1]) + len(name) >= _URL_MAX:
            lines.append("")
        lines[-1] += f",{name}" if lines[-1] else name
    return lines


def _quoted(indices: str) -> str:
    return quote(indices, safe="*,:-_.")


def _reason(failure: Mapping[str, Any]) -> str:
    reason = failure.get("reason") or {}
    cause = reason.get("caused_by") or reason
    index = failure.get("index") or "?"
    said = f"{cause.get('type') or 'unknown'}: {cause.get('reason') or ''}"
    return f"{index}: {' '.join(said.split())[:200]}"


def _why(answer: httpx2.Response) -> str:
    """Return the innermost reason that a refusal gives, in one short line."""
    try:
        error = msgspec.json.decode(answer.content).get("error")
    except (msgspec.DecodeError, AttributeError):
        error = None
    if isinstance(error, dict):
        roots = error.get("root_cause") or [error]
        error = (roots[0].get("reason") or error.get("reason")) if roots else error.get("reason")
    return " ".join(str(error or answer.text or answer.reason_phrase).split())[:300]


def _unreachable(where: str, error: httpx2.TransportError) -> PoolError:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return PoolError(
                f"TLS with {where} failed: {getattr(cause, 'verify_message', '') or cause.reason}",
                hint="For an authority of your own set `ca_file` to its PEM file.",
            )
        cause = cause.__cause__ or cause.__context__
    return PoolError(
        f"cannot reach {where}: {error}", hint="Check that it runs, and the address and port."
    )


def _tls(settings: OpenSearchSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.ca_file or None)
    except (OSError, ssl.SSLError) as error:
        there = "cannot be used" if Path(settings.ca_file).is_file() else "is not there"
        raise PoolError(
            f"certificate file {settings.ca_file} {there}: {error}",
            hint="It must exist, be readable, and be in PEM format.",
        ) from error
    if not settings.verify_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
