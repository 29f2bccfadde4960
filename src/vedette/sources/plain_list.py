"""Indicators from a list: a file or an address, in any format that lists come in.

A line that cannot be used is rejected, never raised: one bad line must not cost the operator the
other million. A list that cannot be read to its end is an error, never a short list.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, ClassVar, Literal

import msgspec
import structlog
from msgspec import Struct

from vedette.errors import SourceError, UnusableValueError
from vedette.files import UnpackError, open_decompressed, open_regular
from vedette.misp.http import Connection, check_location, without_secrets
from vedette.misp.validators import Validators
from vedette.model import (
    Context,
    Fetched,
    Indicator,
    IndicatorType,
    Item,
    Rejected,
    Skipped,
    Unchanged,
)
from vedette.normalize import normalize
from vedette.sources.download import download
from vedette.sources.formats import (
    FORMATS,
    FormatError,
    FormatName,
    Options,
    Parser,
    Refused,
    Row,
    detect,
)
from vedette.sources.text import Text, Unreadable

log = structlog.get_logger(__name__)

_REVISION = 2  # raise it when a list that has not changed must be read again all the same
_GROUP = ""
_SHOWN = 200


class _Version(Struct, frozen=True, omit_defaults=True):
    """Which version of a list we hold; opaque to everybody else."""

    settings: str
    file: str = ""
    etag: str = ""
    modified: str = ""
    sha256: str = ""


class PlainList(Connection, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A list of values.

    Example::

        vedette source add list /srv/lists/bad-domains.txt --type domain
        vedette source add list https://lists.example.org/c2.csv --type ip-dst --column dst_ip
    """

    kind: ClassVar[str] = "list"

    name: str
    location: str
    """A path, or an http(s) URL; plain, gz or zst."""
    type: IndicatorType
    """What the values are, where the format does not say (zeek and sslbl do)."""
    format: FormatName = "auto"
    column: str = ""
    """CSV: the column's name, or its number from 1; empty: the only one that can be meant."""
    delimiter: str = ""
    """CSV: the character between columns; empty: find out."""
    info: str = ""
    """One line for people; empty: the source's name."""
    tags: tuple[str, ...] = ()
    tlp: Literal["", "clear", "green", "amber", "amber+strict", "red"] = ""
    max_bytes: int = 2 * 2**30
    """Most bytes that the list may have, unpacked."""

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            ValueError: The location is neither a path nor an http(s) address.
        """
        check_location(self.location)

    def fetch(self, known: Mapping[str, str]) -> Iterator[Item]:
        """Yield the values of the list, as one group.

        Raises:
            SourceError: The list could not be had and read to its end.
        """
        held = _read_version(known.get(_GROUP, ""), self._fingerprint())
        if self.location.startswith(("http://", "https://")):
            yield from self._fetch_url(held)
        else:
            yield from self._fetch_file(held)

    def _fetch_url(self, held: _Version) -> Iterator[Item]:
        validators = Validators(held.etag, held.modified)
        with download(self.location, validators, self, self.max_bytes) as body:
            if body is None:
                yield Unchanged(_GROUP)
                return
            version = _write_version(
                _Version(
                    settings=held.settings,
                    etag=body.validators.etag,
                    modified=body.validators.modified,
                    sha256=body.sha256,
                )
            )
            if body.sha256 == held.sha256:
                yield Unchanged(_GROUP, version)
                return
            yield from self._items(body.file)
            yield Fetched(_GROUP, version)

    def _fetch_file(self, held: _Version) -> Iterator[Item]:
        try:
            with open_regular(Path(self.location).expanduser()) as file:
                before = _identity(file)
                if before == held.file:
                    yield Unchanged(_GROUP)
                    return
                sha256 = _digest(file)
                if sha256 != held.sha256:
                    yield from self._items(file)
                if _identity(file) != before:
                    raise SourceError(
                        f"{self.location} changed while it was read",
                        hint="Write a list under another name first, then rename it.",
                    )
        except OSError as error:
            raise _unreadable(self.location, error) from error
        version = _write_version(_Version(settings=held.settings, file=before, sha256=sha256))
        if sha256 == held.sha256:
            yield Unchanged(_GROUP, version)
        else:
            yield Fetched(_GROUP, version)

    def _items(self, file: BinaryIO) -> Iterator[Item]:
        """Yield what the lines hold; the file stays open."""
        where = without_secrets(self.location)
        reader = _Reader(self, where)
        try:
            raw = os.fdopen(os.dup(file.fileno()), "rb")
            with open_decompressed(raw, max_bytes=self.max_bytes) as stream:
                yield from reader.items(Text(stream, where))
        except UnpackError as error:
            raise SourceError(
                f"{where} cannot be unpacked: {error}",
                hint="Fetch it again; vedette source set NAME --max-bytes N allows more.",
            ) from error
        except FormatError as error:
            raise SourceError(f"{where} {error}", hint=error.hint) from error
        log.info("source.read", source=self.name, **reader.counts)

    def _fingerprint(self) -> str:
        """Return what changes when the same content would yield other items."""
        settings = (
            _REVISION,
            self.location,
            self.type,
            self.format,
            self.column,
            self.delimiter,
            self.info,
            self.name,
            self.tags,
            self.tlp,
        )
        return hashlib.sha256(msgspec.json.encode(settings)).hexdigest()[:16]


class _Reader:
    """One pass over the lines of a list."""

    def __init__(self, source: PlainList, where: str) -> None:
        self._source = source
        self._where = where
        self._context = Context(
            key=_GROUP,
            info=source.info or source.name,
            tags=source.tags,
            tlp=source.tlp,
            url=where if "://" in where else "",
        )
        self.counts: dict[str, int | str] = {}

    def items(self, text: Text) -> Iterator[Item]:
        """Yield what the lines hold."""
        feed = self._parser(text.sample()).feed
        accepted = rejected = skipped = 0
        for number, line in text.lines():
            rows = (line,) if isinstance(line, Unreadable) else feed(line)
            for row in rows:
                item = self._item(row, number)
                if type(item) is Indicator:
                    accepted += 1
                elif type(item) is Rejected:
                    rejected += 1
                else:
                    skipped += 1
                yield item
        self.counts |= {"accepted": accepted, "rejected": rejected, "skipped": skipped}

    def _parser(self, sample: list[str]) -> Parser:
        source = self._source
        options = Options(type=source.type, column=source.column, delimiter=source.delimiter)
        name = detect(options, sample) if source.format == "auto" else source.format
        self.counts["format"] = name
        return FORMATS[name].parser(options, sample)

    def _item(self, row: Row | Unreadable, number: int) -> Item:
        if isinstance(row, Skipped):
            return row
        if isinstance(row, (Refused, Unreadable)):
            return self._rejected(row.text, row.reason, number)
        kind, text, comment = row
        try:
            key = normalize(kind, text)
        except UnusableValueError as error:
            return self._rejected(text, str(error), number)
        return Indicator(
            type=key.type, value=key.value, ref="", context=self._context, comment=comment
        )

    def _rejected(self, text: str, reason: str, number: int) -> Rejected:
        return Rejected(text[:_SHOWN], f"{self._where}:{number}", reason)


def _identity(file: BinaryIO) -> str:
    status = os.fstat(file.fileno())
    return f"{status.st_size}:{status.st_mtime_ns}:{status.st_ino}"


def _digest(file: BinaryIO) -> str:
    """Hash a file and go back to its start: 0.1 s a hundred megabytes, much less than reading."""
    digest = hashlib.sha256()
    while block := file.read(1 << 20):
        digest.update(block)
    file.seek(0)
    return digest.hexdigest()


def _read_version(text: str, fingerprint: str) -> _Version:
    """Return the version that we hold; none at all if the settings have changed since."""
    try:
        version = msgspec.json.decode(text, type=_Version)
    except msgspec.MsgspecError:
        return _Version(settings=fingerprint)
    return version if version.settings == fingerprint else _Version(settings=fingerprint)


def _write_version(version: _Version) -> str:
    return msgspec.json.encode(version).decode()


def _unreadable(location: str, error: OSError) -> SourceError:
    message = f"cannot read {location}: {error.strerror or error}"
    if isinstance(error, FileNotFoundError):
        return SourceError(
            message, hint="Check the path; a relative one starts where Vedette runs."
        )
    if isinstance(error, PermissionError):
        return SourceError(message, hint="Let the user that Vedette runs as read it.")
    return SourceError(message, hint="Give the path of a file, or an http(s) address.")
