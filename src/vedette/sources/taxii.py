"""Indicators from a TAXII 2.1 collection: what was added since the last pull, and once a day all.

A deleted object is only missed by looking at everything. What a pass over everything does not
show is asked for by its id before it is gone: a page that moved meanwhile must cost nothing.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, Literal

import structlog
from msgspec import Raw

from vedette.errors import SourceError
from vedette.files import ExposedError, read_secret
from vedette.misp.http import Connection, check_url
from vedette.model import Item
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
from vedette.sources.taxii_client import Collection, TaxiiClient
from vedette.stix.convert import Defaults
from vedette.stix.surroundings import CONTEXT, OBSERVABLE, Surroundings
from vedette.stix.wire import Head

log = structlog.get_logger(__name__)

_BUFFERED_MAX = 20_000
"""Most new objects that are held while their surroundings are asked for; more: all is read."""
_ASKED_BY_ID_MAX = 5_000
_IDS_IN_ONE = 50


class Taxii(Connection, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A collection of a TAXII 2.1 server.

    Example::

        vedette source add taxii https://taxii.example.org/taxii2/ --collection Indicators
    """

    kind: ClassVar[str] = "taxii"

    name: str
    url: str
    """The address of discovery, of an API root, or of the collection itself."""
    collection: str = ""
    """Its id, title or alias; empty: the only one that may be read."""
    user: str = ""
    password_file: str = ""
    """File with the password of ``user``. A key goes into ``header_file``."""
    tags: tuple[str, ...] = ()
    """Tags for all its values, beside those of the objects."""
    tlp: Literal["", "clear", "green", "amber", "amber+strict", "red"] = ""
    """TLP of what no marking is on."""
    page_size: int = 1_000
    """Objects that are asked for at once; the server may give fewer."""
    max_objects: int = 5_000_000
    """Most objects that a pull reads; more is an error."""
    rate_limit_wait_s: float = 60.0
    """Longest wait when the server says that it is asked too often; beyond it the pull fails."""

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            ValueError: A page without objects, or a user without a password.
        """
        check_url(self.url)
        if self.page_size < 1:
            raise ValueError("page_size must be positive")
        if bool(self.user) != bool(self.password_file):
            raise ValueError("user and password_file go together")

    def fetch(self, known: Mapping[str, str]) -> Iterator[Item]:
        """Yield the indicators that differ from what we hold, and name the others.

        Raises:
            SourceError: The collection could not be read to its end.
        """
        now = time.time()
        stamp = stamp_of(self.url, self.collection, self.name, self.tags, self.tlp)
        notes = read_notes(known.get(NOTES, ""))
        with self._client() as client:
            pull = _Pull(self, client, known, stamp=stamp, now=now)
            is_new_day = notes.day != pull.day
            if notes.hold(known, stamp, now) and notes.added_after and not is_new_day:
                yield from pull.added(notes)
            else:
                yield from pull.everything()

    def check(self) -> dict[str, object]:
        """Find the collection, for ``source test``.

        Raises:
            SourceError: It cannot be found, or not be read.
        """
        with self._client() as client:
            found = client.find(self.collection)
        return {"collection": found.title or found.id, "id": found.id, "at": found.url}

    def _client(self) -> TaxiiClient:
        login = (self.user, read_password(self.password_file)) if self.user else None
        return TaxiiClient(self.url, self, login=login, rate_limit_wait_s=self.rate_limit_wait_s)


class _Pull:
    """One pull of a collection."""

    def __init__(
        self,
        source: Taxii,
        client: TaxiiClient,
        known: Mapping[str, str],
        *,
        stamp: str,
        now: float,
    ) -> None:
        self._source = source
        self._client = client
        self._known = known
        self._collection: Collection = client.find(source.collection)
        self._around = Surroundings()
        self._observables: Counter[str] = Counter()
        self._seen: dict[str, str] = {}
        self._objects = 0
        self._last = ""
        defaults = Defaults(info=source.name, tags=source.tags, tlp=source.tlp)
        self._groups = Groups(known, defaults, self._around, stamp=stamp, now=now)
        self.day = datetime.fromtimestamp(now, UTC).date().isoformat()

    def everything(self) -> Iterator[Item]:
        """Yield every indicator of the collection, and confirm what is gone."""
        self._look_around()
        self._observables.clear()
        for head, raw in self._indicators():
            yield from self._group(head, raw)
        last = self._last
        yield from self._confirm()
        yield from self._end(Notes(added_after=last, day=self.day))

    def added(self, notes: Notes) -> Iterator[Item]:
        """Yield what was added since ``notes`` were taken, and name the rest."""
        fresh: list[tuple[Head, Raw]] = []
        for head, raw in self._indicators(added_after=notes.added_after):
            fresh.append((head, raw))
            if len(fresh) > _BUFFERED_MAX:
                log.info("taxii.read_whole", source=self._source.name, reason="much is new")
                yield from self.everything()
                return
        if not fresh:
            yield from unchanged(self._known)
            return
        last = self._last
        self._look_around()
        self._groups.due = notes.due
        for head, raw in fresh:
            yield from self._group(head, raw)
        for key in self._known:
            if key != NOTES and key not in self._groups.versions:
                yield from self._groups.kept(key)
        yield from self._end(Notes(added_after=last or notes.added_after, day=notes.day))

    def _look_around(self) -> None:
        """Read what says something about indicators."""
        for head, raw in self._objects_of(types=sorted(CONTEXT)):
            if head.type in CONTEXT:
                self._around.take(head.type, raw)

    def _indicators(self, **asked: object) -> Iterator[tuple[Head, Raw]]:
        """Yield the indicators; a server that does not filter gives everything."""
        for head, raw in self._objects_of(types=["indicator"], **asked):
            if head.type == "indicator":
                yield head, raw
            elif head.type in OBSERVABLE:
                self._observables[head.type] += 1

    def _objects_of(self, **asked: object) -> Iterator[tuple[Head, Raw]]:
        pages = self._client.pages(
            self._collection,
            limit=self._source.page_size,
            **asked,  # type: ignore[arg-type]
        )
        for page in pages:
            self._last = page.last or self._last
            self._objects += len(page.objects)
            if self._objects > self._source.max_objects:
                raise SourceError(
                    f"collection {self._collection.id} has more than"
                    f" {self._source.max_objects:,} objects",
                    hint="Is it the right one? Else: vedette source set NAME --max-objects N",
                )
            for raw in page.objects:
                yield head_of(raw), raw

    def _group(self, head: Head, raw: Raw) -> Iterator[Item]:
        """Yield an indicator, unless a newer version of it came before."""
        if self._seen.get(head.id, "") <= head.version:
            self._seen[head.id] = head.version
            yield from self._groups.group(head, raw)

    def _confirm(self) -> Iterator[Item]:
        """Ask for what we hold and did not see; what then comes is not gone."""
        missing = [key for key in self._known if key != NOTES and key not in self._groups.versions]
        if len(missing) > _ASKED_BY_ID_MAX:
            return
        for start in range(0, len(missing), _IDS_IN_ONE):
            for head, raw in self._objects_of(ids=missing[start : start + _IDS_IN_ONE]):
                if head.type == "indicator" and head.id in self._known:
                    yield from self._group(head, raw)

    def _end(self, notes: Notes) -> Iterator[Item]:
        yield from self._groups.end(notes, left_out(self._around, self._observables))
        log.info("source.read", source=self._source.name, **self._groups.counts)


def read_password(path: str) -> str:
    """Read a password: the first line of a file that others cannot read.

    Raises:
        SourceError: It cannot be read, everybody may, or it is empty.
    """
    file = Path(path).expanduser()
    try:
        text = read_secret(file).decode("utf-8").partition("\n")[0].rstrip("\r")
    except ExposedError as error:
        raise SourceError(str(error), hint=error.hint) from error
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(
            f"cannot read the password in {path}: {getattr(error, 'strerror', None) or 'no text'}",
            hint="Write it into that file, alone, mode 600.",
        ) from error
    if not text:
        raise SourceError(f"{path} holds no password", hint="Write it into the first line.")
    return text
