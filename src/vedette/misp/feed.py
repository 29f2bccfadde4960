"""Where a MISP feed lies: a directory, an archive, one file, or a web server.

Nothing is unpacked to disk and only names that the manifest gives, checked to be UUIDs, are opened.
One event is in memory at a time.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from time import monotonic
from typing import Self

import httpx2

from vedette.errors import SourceError
from vedette.files import open_decompressed, open_regular
from vedette.misp.feed_archive import TarFeed, ZipFeed
from vedette.misp.feed_document import (
    EVENT_MAX_BYTES,
    MISSING,
    Document,
    Feed,
    NotModified,
    Unreadable,
    read_bounded,
)
from vedette.misp.http import (
    Connection,
    SlowError,
    TransportError,
    check_status,
    open_client,
    send,
    without_secrets,
)
from vedette.misp.validators import Validators

UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

READING_MAX_S = 3_600.0
"""Longest time for all events; those that were read by then need not be read again."""

_FAILURES_MAX = 3
_ZIP = b"PK\x03\x04"
_TAR_MAGIC = slice(257, 262)
_HINT = "A feed is a directory, an archive or a URL with a manifest.json, or MISP events as JSON."


def open_feed(
    location: str, connection: Connection, held: Validators | None = None
) -> AbstractContextManager[Feed]:
    """Open a feed by what its location is.

    Args:
        location: A path or an address.
        connection: How to reach an address.
        held: What the server said about the manifest that we hold.

    Raises:
        SourceError: There is nothing to open.
    """
    if location.startswith(("http://", "https://")):
        return HttpFeed(location, connection, held or Validators())
    path = Path(location).expanduser()
    if path.is_dir():
        return DirectoryFeed(path)
    try:
        with open_regular(path) as file:
            if file.read(4) == _ZIP:
                return ZipFeed(path)
        with open_decompressed(open_regular(path)) as stream:
            is_tar = stream.peek(512)[_TAR_MAGIC] == b"ustar"
    except OSError as error:
        raise SourceError(
            f"cannot read feed {location}: {error.strerror or error}", hint=_HINT
        ) from error
    return TarFeed(path) if is_tar else FileFeed(path)


class _Open:
    """A feed that holds nothing open."""

    validators = Validators()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""


@dataclass(frozen=True)
class DirectoryFeed(_Open):
    """A directory with ``manifest.json`` and ``UUID.json``, or just with events anywhere below."""

    path: Path

    def manifest(self) -> bytes | None:
        """The manifest, or ``None``."""
        path = self.path / "manifest.json"
        try:
            with open_regular(path) as file:
                document = read_bounded(file)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SourceError(
                f"cannot read {path}: {error.strerror or error}", hint=_HINT
            ) from error
        if isinstance(document, Unreadable):
            raise SourceError(f"{path} is {document.reason}", hint=_HINT)
        return document

    def read(self, keys: Collection[str]) -> Iterator[tuple[str, Document]]:
        """Yield events in the order asked for."""
        for key in keys:
            yield key, _read_file(self.path / f"{key}.json")

    def read_all(self) -> Iterator[tuple[str, Document]]:
        """Yield all JSON files below, by name."""
        try:
            paths = sorted(self.path.rglob("*.json"))
        except OSError as error:
            raise SourceError(f"cannot list {self.path}: {error.strerror}", hint=_HINT) from error
        for path in paths:
            yield str(path.relative_to(self.path)), _read_file(path)


@dataclass(frozen=True)
class FileFeed(_Open):
    """One file with one event or several, plain or compressed."""

    path: Path

    def manifest(self) -> bytes | None:
        """There is none."""
        return None

    def read(self, keys: Collection[str]) -> Iterator[tuple[str, Document]]:
        """Nothing is named by a manifest."""
        yield from ((key, Unreadable("no manifest")) for key in keys)

    def read_all(self) -> Iterator[tuple[str, Document]]:
        """Yield the file, or fail: it is all there is.

        Raises:
            SourceError: It cannot be read.
        """
        document = _read_file(self.path)
        if isinstance(document, Unreadable):
            raise SourceError(f"cannot read {self.path}: {document.reason}", hint=_HINT)
        yield self.path.name, document


class HttpFeed:
    """A feed on a web server, or one event there."""

    def __init__(self, location: str, connection: Connection, held: Validators) -> None:
        """Open a client for the feed below ``location``."""
        base = location.removesuffix("manifest.json")
        self.validators = held
        self._connection = connection
        self._single = base.endswith(".json")
        self._base = base if self._single or base.endswith("/") else f"{base}/"
        self._where = without_secrets(self._base)
        self._client = open_client(connection, {"Accept": "application/json"})

    def __enter__(self) -> Self:
        """Start with the client that is open already."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self._client.close()

    def manifest(self) -> bytes | NotModified | None:
        """Fetch the manifest unless it is the one that we hold; a single event has none.

        Raises:
            SourceError: It cannot be fetched.
        """
        if self._single:
            return None
        asked = self.validators.headers()
        answer = self._get("manifest.json", asked)
        if answer.status_code == HTTPStatus.NOT_FOUND:
            raise SourceError(f"{self._where} has no manifest.json (404)", hint=_HINT)
        if answer.status_code == HTTPStatus.NOT_MODIFIED and asked:
            return NotModified()
        check_status(answer, what=f"{self._where}manifest.json")
        self.validators = Validators.of(answer)
        return answer.content

    def read(self, keys: Collection[str]) -> Iterator[tuple[str, Document]]:
        """Fetch events one after the other; a server that is gone ends it.

        Raises:
            SourceError: The server does not even have its manifest any more, or takes an hour.
        """
        failures, patience, ends = 0, _FAILURES_MAX, monotonic() + READING_MAX_S
        for key in keys:
            if monotonic() > ends:
                raise SlowError(
                    f"{self._where} was not read to its end within {READING_MAX_S:g} s",
                    hint="The next pull goes on where this one ended.",
                )
            try:
                document = self._document(f"{key}.json")
                failures = 0
            except SourceError as error:
                document, failures = Unreadable(str(error)), failures + 1
            if failures == patience:
                # Some events may fail for ever: what comes behind them must not wait for them.
                check = self._get("manifest.json", self.validators.headers())
                if check.status_code != HTTPStatus.NOT_MODIFIED:
                    check_status(check, what=f"{self._where}manifest.json")
                failures, patience = 0, 2 * patience
            yield key, document

    def read_all(self) -> Iterator[tuple[str, Document]]:
        """Yield the single event.

        Raises:
            SourceError: It cannot be fetched.
        """
        answer = self._get("")
        check_status(answer, what=self._where)
        yield self._base.rpartition("/")[2], answer.content

    def _document(self, name: str) -> Document:
        answer = self._get(name)
        if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise TransportError(f"{answer.status_code} {answer.reason_phrase}")
        if answer.status_code != HTTPStatus.OK:
            return Unreadable(f"{answer.status_code} {answer.reason_phrase}")
        return answer.content

    def _get(self, name: str, headers: Mapping[str, str] | None = None) -> httpx2.Response:
        try:
            request = self._client.build_request("GET", f"{self._base}{name}", headers=headers)
        except httpx2.InvalidURL as error:
            raise SourceError(f"{self._where} is not a URL: {error}", hint=_HINT) from error
        return send(self._client, self._connection, request, max_bytes=EVENT_MAX_BYTES)


def _read_file(path: Path) -> Document:
    try:
        with open_decompressed(open_regular(path)) as stream:
            return read_bounded(stream)
    except FileNotFoundError:
        return Unreadable(MISSING)
    except OSError as error:
        return Unreadable(error.strerror or str(error))
