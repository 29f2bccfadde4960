"""Indicators from a MISP server: what changed since the last pull, event by event.

The list of events is compared with what we hold, by inequality, because timestamps of synchronised
events go backwards. A changed event is read whole and replaces what we had.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import ClassVar, Literal

import structlog
from msgspec import Struct

from vedette.errors import SourceError
from vedette.misp.client import MispClient, Page, ServerFailedError, read_key
from vedette.misp.http import Connection, SlowError
from vedette.misp.wire import Attribute, Event, IndexRow
from vedette.model import Broken, Fetched, Item, Skipped, Unchanged
from vedette.sources.filters import UNPUBLISHED, Filters
from vedette.sources.misp_group import Group

log = structlog.get_logger(__name__)

_METADATA_CHUNK = 200
_HALVINGS_MAX = 5
_CHANGED = "changed while it was read; the next pull reads it again"
_HIDDEN = "in the list of events, but cannot be read"


class MispApi(Connection, frozen=True, kw_only=True):
    """A MISP server.

    Example::

        vedette source add misp https://misp.example.org --key-file /etc/vedette/misp.key
    """

    kind: ClassVar[str] = "misp"

    name: str
    url: str
    """The base address, without ``/events`` or the like."""
    key_file: str
    """File with the API key of a MISP user; a read-only role is enough."""
    filters: Filters = Filters()
    page_size: int = 20_000
    """Attributes in one answer: about 700 bytes each here, and PHP memory on the server."""
    unpublished: Literal["keep", "drop"] = "keep"
    """What becomes of an event that is unpublished, as any edit does: keep its last published
    state until it is published again, or drop it at once."""
    rate_limit_wait_s: float = 60.0
    """Longest wait for MISP's rate limit; beyond it the pull fails."""

    def __post_init__(self) -> None:
        """Refuse a page size that cannot work.

        Raises:
            ValueError: It is not positive.
        """
        if self.page_size < 1:
            raise ValueError("page_size must be positive")

    def fetch(self, known: Mapping[str, str]) -> Iterator[Item]:
        """Yield the events that differ from what we hold, and name the others.

        Raises:
            SourceError: The server could not be asked to the end.
        """
        with self._client() as client:
            yield from _Pull(self, client, datetime.now(UTC)).items(known)

    def check(self) -> dict[str, object]:
        """Ask what the server is and what the key may do, for ``source test``.

        Raises:
            SourceError: The server cannot be asked.
        """
        with self._client() as client:
            version = client.version()
            return {
                "version": version.version,
                "role": client.role(),
                "perm_sighting": version.perm_sighting,
                "perm_sync": version.perm_sync,
                "events": len(client.index()),
                "key_open_to_others": read_key(self.key_file).open_to_others,
            }

    def _client(self) -> MispClient:
        key = read_key(self.key_file)
        if key.open_to_others:
            log.warning("source.key_open_to_others", source=self.name, key_file=self.key_file)
        return MispClient(self.url, key, self, rate_limit_wait_s=self.rate_limit_wait_s)


class _Changed(Struct):
    """An event to read: its place in the index, and what it says about itself."""

    row: IndexRow
    version: str
    event: Event

    @property
    def id(self) -> str:
        return str(self.row.id)

    @property
    def size(self) -> int | None:
        """How many attributes it has, if MISP says so."""
        count = self.event.attribute_count
        return int(count) if count is not None and str(count).isdecimal() else None


class _Pull:
    """One pass over a server.

    Attributes come in the order of their ids, so those of two events may interleave. Events are
    therefore asked for in batches that fit one page, by their own ``attribute_count``, and sorted
    into events here; an event that fills a page alone is asked for alone and streams page by page.
    A batch that does not fit after all (it grew) is asked for again, event by event.
    """

    def __init__(self, source: MispApi, client: MispClient, now: datetime) -> None:
        self._source = source
        self._client = client
        self._now = now
        self._stamp = source.filters.fingerprint(now)
        self._published_only = source.filters.wants_published_only(default=True)
        self._limit = source.page_size
        self._halvings = 0

    def items(self, known: Mapping[str, str]) -> Iterator[Item]:
        """Yield everything; what is unchanged comes first, then what changed last."""
        changed: list[tuple[IndexRow, str]] = []
        rows = self._client.index()
        for row in sorted(rows, key=lambda row: (-_int(row.timestamp), _int(row.id))):
            version = f"{row.timestamp}:{int(bool(row.published))}/{self._stamp}"
            held = known.get(row.uuid)
            if held == version or self._is_kept(row, held):
                yield Unchanged(row.uuid)
            elif self._published_only and not row.published:
                yield Skipped(UNPUBLISHED)
                yield Fetched(row.uuid, version)
            else:
                changed.append((row, version))
        for start in range(0, len(changed), _METADATA_CHUNK):
            yield from self._read(changed[start : start + _METADATA_CHUNK])
        log.info("source.read", source=self._source.name, events=len(rows), changed=len(changed))

    def _is_kept(self, row: IndexRow, held: str | None) -> bool:
        """Whether an unpublished event keeps the published state that we hold."""
        return (
            self._published_only
            and not row.published
            and self._source.unpublished == "keep"
            and held is not None
            and held.partition("/")[0].endswith(":1")
        )

    def _read(self, chunk: Sequence[tuple[IndexRow, str]]) -> Iterator[Item]:
        events = self._client.metadata([str(row.id) for row, _ in chunk])
        batch: list[_Changed] = []
        total = 0
        for row, version in chunk:
            event = events.get(str(row.id))
            if event is None:
                yield Broken(row.uuid, _HIDDEN)
                continue
            changed = _Changed(row, version, event)
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
            group = self._group(changed)
            yield from group.items(by_event.pop(changed.id))
            yield from group.end(changed.version)

    def _stream(self, changed: _Changed) -> Iterator[Item]:
        """Read one event page by page; it ends when its last page is through."""
        group = self._group(changed)
        if group.reason:
            group.skip(changed.size or 1)
            yield from group.end(changed.version)
            return
        offset = 0
        first = ""
        while True:
            limit = self._limit
            page = self._page([changed.id], offset=offset)
            if page is None:
                continue
            first = self._check_progress(page, first)
            yield from group.items(page.attributes, page.misfits)
            if not page.more:
                break
            offset += limit
        if offset and not self._is_still(changed):
            yield Broken(changed.row.uuid, _CHANGED)
            return
        yield from group.end(changed.version)

    def _page(self, ids: Sequence[str], *, offset: int = 0) -> Page | None:
        """Fetch a page, or halve the page size and return ``None`` if the server cannot take it.

        Halving keeps every offset a multiple of the page size.
        """
        limit = self._limit
        try:
            return self._client.attributes(ids, limit=limit, page=offset // limit + 1)
        except (ServerFailedError, SlowError) as error:
            if limit % 2 or self._halvings == _HALVINGS_MAX:
                raise
            self._halvings += 1
            self._limit = limit // 2
            log.warning("misp.page_halved", page_size=self._limit, reason=str(error))
            return None

    def _check_progress(self, page: Page, last_first: str) -> str:
        """Refuse a server that gives the same page again and again: it would never end."""
        first = page.attributes[0].uuid or "" if page.attributes else ""
        if first and first == last_first:
            raise SourceError(
                f"{self._source.url} gives the same page again",
                hint="Something in between may answer from a cache.",
            )
        return first

    def _is_still(self, changed: _Changed) -> bool:
        """Whether an event read in several pages is what it was.

        A row deleted between two pages moves a later one onto the page already read: it would be
        missed. Every deletion moves the event's timestamp.
        """
        event = self._client.metadata([changed.id]).get(changed.id)
        return event is not None and str(event.timestamp) == str(changed.event.timestamp)

    def _group(self, changed: _Changed) -> Group:
        return Group(
            changed.row.uuid,
            changed.event,
            self._source.filters,
            now=self._now,
            base_url=self._source.url,
        )


def _int(value: object) -> int:
    text = str(value)
    return int(text) if text.isdecimal() else 0
