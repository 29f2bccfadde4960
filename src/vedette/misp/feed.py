"""Where a MISP feed lies: a directory, an archive, one file, or a web server.

Nothing is unpacked to disk and only names that the manifest gives, checked to be UUIDs, are opened.
One event is in memory at a time.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
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
    Unreadable,
    read_bounded,
)
from vedette.misp.http import Connection, TransportError, check_status, open_client, send

UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

_FAILURES_MAX = 3
_ZIP = b"PK\x03\x04"
_TAR_MAGIC = slice(257, 262)
_HINT = "A feed is a directory, an archive or a URL with a manifest.json, or MISP events as JSON."


def open_feed(location: str, connection: Connection) -> AbstractContextManager[Feed]:
    """Open a feed by what its location is.

    Raises:
        SourceError: There is nothing to open.
    """
    if location.startswith(("http://", "https://")):
        return HttpFeed(location, connection)
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

    def __init__(self, location: str, connection: Connection) -> None:
        """Open a client for the feed below ``location``."""
        base = location.removesuffix("manifest.json")
        self._connection = connection
        self._single = base.endswith(".json")
        self._base = base if self._single or base.endswith("/") else f"{base}/"
        self._client = open_client(connection, {"Accept": "application/json"})

    def __enter__(self) -> Self:
        """Start with the client that is open already."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self._client.close()

    def manifest(self) -> bytes | None:
        """Fetch the manifest; a single event has none.

        Raises:
            SourceError: It cannot be fetched.
        """
        if self._single:
            return None
        answer = self._get("manifest.json")
        if answer.status_code == HTTPStatus.NOT_FOUND:
            raise SourceError(f"{self._base} has no manifest.json (404)", hint=_HINT)
        check_status(answer, what=f"{self._base}manifest.json")
        return answer.content

    def read(self, keys: Collection[str]) -> Iterator[tuple[str, Document]]:
        """Fetch events one after the other; a lasting failure of the server ends it.

        Raises:
            SourceError: The server failed three times in a row.
        """
        failures = 0
        for key in keys:
            try:
                document = self._document(f"{key}.json")
                failures = 0
            except SourceError as error:
                failures += 1
                if failures == _FAILURES_MAX:
                    raise
                document = Unreadable(str(error))
            yield key, document

    def read_all(self) -> Iterator[tuple[str, Document]]:
        """Yield the single event.

        Raises:
            SourceError: It cannot be fetched.
        """
        answer = self._get("")
        check_status(answer, what=self._base)
        yield self._base.rpartition("/")[2], answer.content

    def _document(self, name: str) -> Document:
        answer = self._get(name)
        if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise TransportError(f"{answer.status_code} {answer.reason_phrase}")
        if answer.status_code != HTTPStatus.OK:
            return Unreadable(f"{answer.status_code} {answer.reason_phrase}")
        return answer.content

    def _get(self, name: str) -> httpx2.Response:
        try:
            request = self._client.build_request("GET", f"{self._base}{name}")
        except httpx2.InvalidURL as error:
            raise SourceError(f"{self._base} is not a URL: {error}", hint=_HINT) from error
        return send(self._client, self._connection, request, max_bytes=EVENT_MAX_BYTES)


def _read_file(path: Path) -> Document:
    try:
        with open_decompressed(open_regular(path)) as stream:
            return read_bounded(stream)
    except FileNotFoundError:
        return Unreadable(MISSING)
    except OSError as error:
        return Unreadable(error.strerror or str(error))
