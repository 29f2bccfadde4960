"""Indicators from STIX bundles: a file, a directory of files, or an address.

Each indicator object is a group of its own: it is replaced when it differs, and gone when no
bundle holds it. A bundle that cannot be read says nothing about what it held before.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, ClassVar, Literal, NamedTuple

import structlog
from msgspec import Raw

from vedette.errors import SourceError
from vedette.files import UnpackError, open_decompressed, open_regular
from vedette.misp.http import Connection, check_location, without_secrets
from vedette.misp.validators import Validators
from vedette.model import Item
from vedette.sources.download import download
from vedette.sources.stix_group import (
    NOTES,
    Groups,
    Notes,
    head_of,
    left_out,
    read_notes,
    stamp_of,
    unchanged,
)
from vedette.stix.convert import Defaults
from vedette.stix.surroundings import CONTEXT, OBSERVABLE, Surroundings
from vedette.stix.wire import Head, WireError, split_objects

log = structlog.get_logger(__name__)

SUFFIXES = (".json", ".stix", ".stix2", ".json.gz", ".json.zst", ".stix2.gz", ".stix2.zst")
"""Of the files that are read in a directory."""


class StixBundles(Connection, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """STIX 2.0 or 2.1 bundles.

    Example::

        vedette source add stix https://intel.example.org/bundle.json
        vedette source add stix /srv/stix/
    """

    kind: ClassVar[str] = "stix"

    name: str
    location: str
    """A file (plain, gz or zst), a directory of such files, or an http(s) URL."""
    tags: tuple[str, ...] = ()
    """Tags for all its values, beside those of the objects."""
    tlp: Literal["", "clear", "green", "amber", "amber+strict", "red"] = ""
    """TLP of what no marking is on."""
    max_bytes: int = 2**30
    """Most bytes that one bundle may have, unpacked; it is held in memory while it is read."""

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            ValueError: The location is neither a path nor an http(s) address.
        """
        check_location(self.location)

    def fetch(self, known: Mapping[str, str]) -> Iterator[Item]:
        """Yield the indicators that differ from what we hold, and name the others.

        Raises:
            SourceError: No bundle could be had and read.
        """
        now = time.time()
        stamp = stamp_of(self.location, self.name, self.tags, self.tlp)
        notes = read_notes(known.get(NOTES, ""))
        held = notes if notes.hold(known, stamp, now) else Notes()
        if self.location.startswith(("http://", "https://")):
            yield from self._fetch_url(_Pull(self, known, stamp, now), held)
        else:
            yield from self._fetch_files(_Pull(self, known, stamp, now), held)

    def _fetch_url(self, pull: _Pull, held: Notes) -> Iterator[Item]:
        validators = Validators(held.etag, held.modified)
        with download(self.location, validators, self, self.max_bytes) as body:
            if body is None or body.sha256 == held.sha256:
                yield from pull.unchanged()
                return
            where = without_secrets(self.location)
            yield from pull.items([_Document(where, self.max_bytes, body.file)])
            etag, modified = body.validators
            yield from pull.end(Notes(etag=etag, modified=modified, sha256=body.sha256))

    def _fetch_files(self, pull: _Pull, held: Notes) -> Iterator[Item]:
        path = Path(self.location).expanduser()
        paths = _files(path) if path.is_dir() else [path]
        if not paths:
            raise SourceError(
                f"{self.location} holds no STIX bundle",
                hint=f"Bundles there are files that end with {', '.join(SUFFIXES[:3])}.",
            )
        identity = _identity(paths)
        if identity == held.file:
            yield from pull.unchanged()
            return
        yield from pull.items([_Document(str(one), self.max_bytes) for one in paths])
        if _identity(paths) != identity:
            raise SourceError(
                f"{self.location} changed while it was read",
                hint="Write a bundle under another name first, then rename it.",
            )
        yield from pull.end(Notes(file=identity))


class _Document(NamedTuple):
    """A bundle that can be read more than once."""

    where: str
    max_bytes: int
    file: BinaryIO | None = None
    """Open already."""

    def objects(self) -> list[Raw]:
        """Return its objects.

        Raises:
            WireError: It cannot be read, or is no bundle.
        """
        try:
            if self.file is not None:
                self.file.seek(0)
                return self._unpacked(self.file)
            with open_regular(Path(self.where)) as file:
                return self._unpacked(file)
        except UnpackError as error:
            raise WireError(str(error)) from error
        except OSError as error:
            raise WireError(error.strerror or str(error)) from error

    def _unpacked(self, file: BinaryIO) -> list[Raw]:
        raw = os.fdopen(os.dup(file.fileno()), "rb")
        with open_decompressed(raw, max_bytes=self.max_bytes) as stream:
            return split_objects(stream.read())


class _Place(NamedTuple):
    """Where the newest version of an object stands."""

    version: str
    document: int
    position: int


class _Pull:
    """Two passes over the documents: what is there, and what it becomes."""

    def __init__(
        self, source: StixBundles, known: Mapping[str, str], stamp: str, now: float
    ) -> None:
        self._source = source
        self._known = known
        self._places: dict[str, _Place] = {}
        self._nameless: list[tuple[Head, Raw]] = []
        self._bad: dict[str, str] = {}
        self._observables: Counter[str] = Counter()
        self._around = Surroundings()
        defaults = Defaults(info=source.name, tags=source.tags, tlp=source.tlp)
        self._groups = Groups(known, defaults, self._around, stamp=stamp, now=now)

    def items(self, documents: list[_Document]) -> Iterator[Item]:
        """Yield a group for each indicator.

        Raises:
            SourceError: None of the documents could be read, or one has changed meanwhile.
        """
        single = None
        for number, document in enumerate(documents):
            try:
                objects = document.objects()
            except WireError as error:
                self._bad[document.where] = str(error)
                continue
            self._survey(number, objects)
            single = objects if len(documents) == 1 else None
        self._refuse_if_all_bad(documents)
        for number, document in enumerate(documents):
            if document.where not in self._bad:
                yield from self._indicators(number, single or document.objects())
        yield from self._of_bad_documents()

    def unchanged(self) -> Iterator[Item]:
        """Yield that nothing has changed."""
        yield from unchanged(self._known)

    def end(self, notes: Notes) -> Iterator[Item]:
        """Yield the notes."""
        for head, raw in self._nameless:
            yield from self._groups.group(head, raw)
        yield from self._groups.end(notes, left_out(self._around, self._observables))
        log.info("source.read", source=self._source.name, **self._groups.counts)

    def _survey(self, number: int, objects: list[Raw]) -> None:
        for index, raw in enumerate(objects):
            head = head_of(raw)
            if head.type == "indicator":
                if not head.id:
                    self._nameless.append((head, raw))
                    continue
                place = self._places.get(head.id)
                if place is None or place.version < head.version:
                    self._places[head.id] = _Place(head.version, number, index)
            elif head.type in CONTEXT:
                self._around.take(head.type, raw)
            elif head.type in OBSERVABLE:
                self._observables[head.type] += 1
            elif not head.type:
                self._observables["nothing that STIX knows"] += 1

    def _indicators(self, number: int, objects: list[Raw]) -> Iterator[Item]:
        for index, raw in enumerate(objects):
            head = head_of(raw)
            if head.type == "indicator" and head.id:
                place = self._places.get(head.id)
                if place is None:
                    raise SourceError(
                        f"{self._source.location} changed while it was read",
                        hint="Write a bundle under another name first, then rename it.",
                    )
                if (place.document, place.position) == (number, index):
                    yield from self._groups.group(head, raw)

    def _of_bad_documents(self) -> Iterator[Item]:
        """Name what cannot be read; whatever is not elsewhere may have been there, and stays."""
        for where, reason in self._bad.items():
            yield from self._groups.broken(where[-100:], reason)
        if self._bad:
            for key in self._known:
                if key != NOTES and key not in self._groups.versions:
                    yield from self._groups.kept(key)

    def _refuse_if_all_bad(self, documents: list[_Document]) -> None:
        if len(self._bad) == len(documents):
            where, reason = next(iter(self._bad.items()))
            raise SourceError(
                f"cannot read {where}: {reason}",
                hint="Check that it is there, that we may read it, and that it is STIX 2 JSON.",
            )


def _files(directory: Path) -> list[Path]:
    try:
        found = [path for path in directory.rglob("*") if path.name.endswith(SUFFIXES)]
    except OSError as error:
        raise SourceError(
            f"cannot read {directory}: {error.strerror}",
            hint="Let the user that Vedette runs as read it.",
        ) from error
    return sorted(path for path in found if not path.name.startswith(".") and path.is_file())


def _identity(paths: list[Path]) -> str:
    """Return what changes when any of the files does."""
    digest = hashlib.sha256()
    for path in paths:
        try:
            status = path.stat()
        except OSError as error:
            told = str(error.errno)
        else:
            told = f"{status.st_size}:{status.st_mtime_ns}:{status.st_ino}"
        digest.update(f"{path}\0{told}\0".encode())
    return digest.hexdigest()
