"""Events of a MISP, read whole: small ones share a page, large ones come page by page.

An event counts as read only if it is afterwards what it was before: what changed in between is
read again by the next pull, and what we hold of it stays.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Protocol

import structlog
from msgspec import Struct
from msgspec.structs import replace

from vedette.errors import SourceError
from vedette.misp.client import MispClient, Page, ServerFailedError
from vedette.misp.http import SlowError
from vedette.misp.times import seconds
from vedette.misp.wire import Attribute, Event, IndexRow
from vedette.model import Broken, Item
from vedette.sources.filters import Filters
from vedette.sources.misp_group import Group
from vedette.sources.misp_index import Held
from vedette.sources.misp_version import Version

log = structlog.get_logger(__name__)

CHUNK = 200
"""Events whose metadata is asked for at once."""
_HALVINGS_MAX = 5
_SETTLING_S = 2.0
CHANGED = "changed while it was read; the next pull reads it again"
HIDDEN = "in the list of events, but cannot be read"


class Settings(Protocol):
    """What of the source's settings decides how it is read."""

    @property
    def url(self) -> str:
        """The base address."""

    @property
    def filters(self) -> Filters:
        """Which attributes are wanted."""

    @property
    def page_size(self) -> int:
        """Attributes in one answer."""

    @property
    def decay(self) -> bool:
        """Whether to ask for decay scores."""


class _Changed(Struct):
    """An event to read, as it was before."""

    key: str
    event: Event
    version: Version
    publications: set[str]
    """Times of publication that its attributes named."""

    def note(self, attributes: Iterable[Attribute]) -> None:
        """Remember which publication these attributes are of."""
        self.publications |= {
            str(attribute.event.publish_timestamp)
            for attribute in attributes
            if attribute.event is not None and attribute.event.publish_timestamp
        }

    def is_of(self, event: Event) -> bool:
        """Whether all its attributes are of this publication: a cache may have an older one."""
        return not event.publish_timestamp or self.publications <= {str(event.publish_timestamp)}

    @property
    def id(self) -> str:
        return str(self.event.id)

    @property
    def size(self) -> int | None:
        """How many attributes it has, if MISP says so."""
        count = self.event.attribute_count
        return int(count) if count is not None and str(count).isdecimal() else None


class Reader:
    """Reads events in one pass over a server.

    Attributes come in the order of their ids, so those of two events may interleave. Events are
    therefore asked for in batches that fit one page, by their own ``attribute_count``, and sorted
    into events here; an event that fills a page alone is asked for alone and streams page by page.
    A batch that does not fit after all (it grew, or many are deleted) is asked for again, event
    by event.
    """

    def __init__(
        self, settings: Settings, client: MispClient, held: Held, *, now: datetime
    ) -> None:
        self._settings = settings
        self._client = client
        self._held = held
        self._now = now
        self._limit = settings.page_size
        self._halvings = 0

    def read(self, rows: Sequence[IndexRow]) -> Iterator[Item]:
        """Yield some events, at most ``CHUNK``."""
        events = self._client.metadata([str(row.id) for row in rows])
        batch: list[_Changed] = []
        total = 0
        for row in rows:
            event = events.get(str(row.id))
            if event is None or event.uuid != row.uuid:
                yield Broken(row.uuid, HIDDEN)
                continue
            if (items := self._changed_meanwhile(row, event)) is not None:
                yield from items
                continue
            version = self._held.version(event.timestamp, event.published)
            changed = _Changed(row.uuid, event, version, set())
            size = changed.size
            if size is None or size >= self._limit or self._group(changed).reason:
                yield from self._stream(changed)
                continue
            if total + size >= self._limit:
                yield from self._read_batch(batch)
                batch, total = [], 0
            batch.append(changed)
            total += size
        yield from self._read_batch(batch)

    def _changed_meanwhile(self, row: IndexRow, event: Event) -> Sequence[Item] | None:
        """Judge an event that is not what the list said a moment ago."""
        before = self._held.version(row.timestamp, row.published)
        if self._held.version(event.timestamp, event.published) == before:
            return None
        return self._held.judge(
            IndexRow(
                uuid=row.uuid,
                id=row.id,
                timestamp=event.timestamp,
                published=bool(event.published),
            )
        )

    def _read_batch(self, batch: list[_Changed]) -> Iterator[Item]:
        if not batch:
            return
        page = self._page([changed.id for changed in batch])
        if page is None or page.more or page.misfits:
            for changed in batch:
                yield from self._stream(changed)
            return
        by_event: dict[str, list[Attribute]] = {changed.id: [] for changed in batch}
        for attribute in page.attributes:
            by_event[str(attribute.event_id)].append(attribute)
        for changed in batch:
            changed.note(by_event[changed.id])
        now = self._versions(batch)
        for changed in batch:
            attributes = by_event.pop(changed.id)
            if (version := now.get(changed.key)) is None:
                yield Broken(changed.key, CHANGED)
                continue
            group = self._group(changed)
            yield from group.items(attributes)
            yield from group.end(str(version))

    def _stream(self, changed: _Changed) -> Iterator[Item]:
        """Read one event page by page; it ends when its last page is through."""
        group = self._group(changed)
        if group.reason:
            group.skip(changed.size or 1)
            yield from group.end(str(changed.version))
            return
        self._let_settle(changed)
        offset = 0
        progress = _Progress(self._settings.url)
        while True:
            limit = self._limit
            page = self._page([changed.id], offset=offset)
            if page is None:
                continue
            progress.check(page)
            changed.note(page.attributes)
            yield from group.items(page.attributes, page.misfits)
            if not page.more:
                break
            offset += limit
        version = self._versions([changed]).get(changed.key)
        if version is None:
            yield Broken(changed.key, CHANGED)
        else:
            yield from group.end(str(version))

    def _page(self, ids: Sequence[str], *, offset: int = 0) -> Page | None:
        """Fetch a page, or halve the page size and return ``None`` if the server cannot take it.

        Halving keeps every offset a multiple of the page size.
        """
        limit = self._limit
        decay = self._settings.decay
        try:
            return self._client.attributes(ids, limit=limit, page=offset // limit + 1, decay=decay)
        except (ServerFailedError, SlowError) as error:
            if limit % 2 or self._halvings == _HALVINGS_MAX:
                raise
            self._halvings += 1
            self._limit = limit // 2
            log.warning("misp.page_halved", page_size=self._limit, reason=str(error))
            return None

    def _versions(self, batch: Sequence[_Changed]) -> dict[str, Version]:
        """The versions of those events that are still what they were before they were read.

        A row deleted between two pages moves a later one onto the page already read, and an edit
        shows content that nobody has published: both move the event's timestamp or take it out of
        publication.
        """
        events = self._client.metadata([changed.id for changed in batch])
        found = {}
        for changed in batch:
            event = events.get(changed.id)
            if event is None or not changed.is_of(event):
                continue
            version = self._held.version(event.timestamp, event.published)
            if event.uuid == changed.key and version == changed.version:
                found[changed.key] = replace(version, is_fresh=self._is_fresh(event))
        return found

    def _is_fresh(self, event: Event) -> bool:
        """Whether another edit could still get the same timestamp: MISP counts whole seconds."""
        return seconds(event.timestamp) >= self._client.server_time - 1

    def _let_settle(self, changed: _Changed) -> None:
        """Let the second pass in which an event of several pages was edited.

        Another edit in it, between two pages, could not be told.
        """
        size = changed.size
        if (size is None or size >= self._limit) and self._is_fresh(changed.event):
            time.sleep(_SETTLING_S)

    def _group(self, changed: _Changed) -> Group:
        return Group(
            changed.key,
            changed.event,
            self._settings.filters,
            now=self._now,
            base_url=self._settings.url,
            held=changed.key in self._held,
        )


class _Progress:
    """Refuses a server that gives the same page again and again: it would never end."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._first = ""
        self._last_id = 0

    def check(self, page: Page) -> None:
        """Compare a page with the one before.

        Raises:
            SourceError: It is not behind that one.
        """
        if not page.attributes:
            return
        first, last = page.attributes[0], page.attributes[-1]
        same = bool(first.uuid) and first.uuid == self._first
        if same or 0 < seconds(first.id) <= self._last_id:
            raise SourceError(
                f"{self._url} gives the same page again",
                hint="Something in between may answer from a cache.",
            )
        self._first = first.uuid or ""
        self._last_id = seconds(last.id)
