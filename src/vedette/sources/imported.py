"""Indicators that a person took out of a report: a file that Vedette wrote and keeps.

Its first line says what and why, each further line is one value. It is spelt again whenever it is
read, so that a value that this version refuses is shown and not published.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, ClassVar

import msgspec
import structlog
from msgspec import Struct

from vedette.errors import SourceError, UnusableValueError
from vedette.files import open_regular, write_atomically
from vedette.model import Context, Fetched, Indicator, IndicatorType, Item, Rejected, Unchanged
from vedette.normalize import normalize

log = structlog.get_logger(__name__)

FORM = 1
"""Version of the form of the file."""

_GROUP = ""
_SHOWN = 200
_REVISION = 1
_BLOCK = 1 << 18
_UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Taken(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a person said when the values were taken."""

    vedette_import: int
    """:data:`FORM`; tells the file from any other JSON."""
    origin: str
    """The name of the report."""
    form: str = ""
    """What it was recognised as."""
    tags: tuple[str, ...] = ()
    tlp: str = ""
    why: str = ""
    who: str = ""
    taken_at: int = 0
    """Epoch seconds."""
    expires: int = 0
    """Epoch seconds; 0: never."""


class Row(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One value."""

    type: IndicatorType
    value: str
    comment: str = ""
    tags: tuple[str, ...] = ()
    expires: int = 0
    confidence: int = -1


class Imported(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Values of a report.

    Example::

        vedette indicator import report.txt --why "case 4711"
    """

    kind: ClassVar[str] = "import"

    name: str
    location: str
    """The file, which `indicator import` writes below the state directory."""

    def fetch(self, known: Mapping[str, str]) -> Iterator[Item]:
        """Yield its values, as one group.

        Raises:
            SourceError: The file cannot be read, or is not one of ours.
        """
        try:
            with open_regular(Path(self.location)) as file:
                version = self._version(file)
                if known.get(_GROUP) == version:
                    yield Unchanged(_GROUP)
                    return
                file.seek(0)
                yield from self._items(file)
        except OSError as error:
            raise SourceError(
                f"cannot read the import {self.location}: {error.strerror or error}",
                hint=f"Import the report again as --name {self.name}, or remove the source.",
            ) from error
        yield Fetched(_GROUP, version)

    def _version(self, file: BinaryIO) -> str:
        digest = hashlib.sha256(f"{self.name}\0{_REVISION}\0".encode())
        while block := file.read(_BLOCK):
            digest.update(block)
        return digest.hexdigest()

    def _items(self, file: BinaryIO) -> Iterator[Item]:
        taken = _head(file.readline(), self.location)
        context = Context(
            key=_GROUP,
            info=" ".join(taken.origin.split()) or self.name,
            tags=taken.tags,
            tlp=taken.tlp,
        )
        for number, line in enumerate(file, start=2):
            try:
                row = msgspec.json.decode(line, type=Row)
            except _UNDECODABLE:
                shown = line[:_SHOWN].decode(errors="replace").strip()
                yield Rejected(shown, f"{self.location}:{number}", "not a row of an import")
                continue
            try:
                key = normalize(row.type, row.value)
            except UnusableValueError as error:
                yield Rejected(row.value[:_SHOWN], f"{self.location}:{number}", str(error))
                continue
            yield Indicator(
                type=key.type,
                value=key.value,
                ref="",
                context=context,
                comment=row.comment or taken.why,
                tags=row.tags,
                changed=taken.taken_at,
                expires=min(filter(None, (row.expires, taken.expires)), default=0),
                confidence=row.confidence,
            )
        log.info("source.read", source=self.name)


def write_import(path: Path, taken: Taken, rows: Iterable[Row]) -> None:
    """Write the file that a source of kind ``import`` reads, in one step.

    Raises:
        OSError: It cannot be written; what was there stays.
    """
    encode = msgspec.json.encode
    write_atomically(path, (encode(one) + b"\n" for one in (taken, *rows)), mode=0o640)


def read_taken(path: Path) -> Taken:
    """Read what a person said when such a file was made.

    Raises:
        SourceError: It is not one of ours.
        OSError: It cannot be read.
    """
    with open_regular(path) as file:
        return _head(file.readline(), str(path))


def read_rows(path: Path) -> tuple[Taken, list[Row]]:
    """Read such a file whole; rows that are damaged are left out.

    Raises:
        SourceError: It is not one of ours.
        OSError: It cannot be read.
    """
    with open_regular(path) as file:
        taken = _head(file.readline(), str(path))
        rows = []
        for line in file:
            try:
                rows.append(msgspec.json.decode(line, type=Row))
            except _UNDECODABLE:
                continue
    return taken, rows


class _Version(Struct):
    vedette_import: int


def _head(line: bytes, where: str) -> Taken:
    try:
        msgspec.json.decode(line, type=_Version)
        return msgspec.json.decode(line, type=Taken)
    except _UNDECODABLE as error:
        raise SourceError(
            f"{where} is not what `indicator import` writes",
            hint="Import the report again under the same name.",
        ) from error
