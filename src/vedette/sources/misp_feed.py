"""Indicators from a MISP feed: a directory, an archive, a URL, or single events in files.

An event that is missing or broken costs only itself; a manifest that cannot be read costs the pull.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import ClassVar

import msgspec
import structlog

from vedette.errors import SourceError
from vedette.misp.feed import UUID, open_feed
from vedette.misp.feed_document import Document, Feed, NotModified, Unreadable
from vedette.misp.http import Connection, check_location, without_secrets
from vedette.misp.validators import Validators
from vedette.misp.wire import (
    UNDECODABLE,
    Event,
    Misfit,
    WireError,
    read_event,
    read_manifest,
    split_events,
)
from vedette.model import Broken, Fetched, Item, Unchanged
from vedette.sources.filters import Filters
from vedette.sources.manifest_group import MANIFEST, read_held, write_held
from vedette.sources.misp_group import Group

log = structlog.get_logger(__name__)

_KEY_MAX = 100
_BROKEN_LOGGED = 20


class MispFeed(Connection, frozen=True, kw_only=True):
    """A MISP feed.

    Example::

        vedette source add misp-feed /srv/feeds/partner
        vedette source add misp-feed https://feeds.example.org/misp/
    """

    kind: ClassVar[str] = "misp-feed"

    name: str
    location: str
    """A directory, a tar (plain, gz, zst) or zip archive, a JSON file, or an http(s) URL."""
    filters: Filters = Filters()

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            ValueError: The location is neither a path nor an http(s) address.
        """
        check_location(self.location)

    def fetch(self, known: Mapping[str, str]) -> Iterator[Item]:
        """Yield the events of the feed that differ from what we hold, and name the others.

        Raises:
            SourceError: The location or its manifest cannot be read.
        """
        reader = _Reader(self, known, datetime.now(UTC))
        with open_feed(self.location, self, reader.validators) as feed:
            manifest = feed.manifest()
            if manifest is None:
                yield from reader.without_manifest(feed)
            elif isinstance(manifest, NotModified):
                yield from reader.not_modified(feed)
            else:
                yield from reader.with_manifest(feed, manifest)
        log.info("source.read", source=self.name, **reader.counts)


class _Reader:
    """One pass over a feed."""

    def __init__(self, source: MispFeed, known: Mapping[str, str], now: datetime) -> None:
        self._source = source
        self._known = known
        self._now = now
        self._stamp = source.filters.fingerprint(now)
        # What another server says of its own manifest is nothing to ask this one with.
        place = f"{zlib.crc32(source.location.encode()):08x}"
        self._settings = f"{self._stamp}@{place}"
        self._held = read_held(known, self._settings)
        self._versions: dict[str, str] = {}
        self._again: dict[str, str] = {}
        self.counts = {"events": 0, "unchanged": 0, "broken": 0}

    @property
    def validators(self) -> Validators:
        """What the server said about the manifest that we hold."""
        return self._held.validators if self._held else Validators()

    def not_modified(self, feed: Feed) -> Iterator[Item]:
        """Yield what has to be read again although the manifest is the one that we hold."""
        again = self._held.again if self._held else {}
        for key, version in self._known.items():
            if key not in again and key != MANIFEST:
                self._versions[key] = version
                yield self._unchanged(key)
        yield from self._events(feed, again)

    def with_manifest(self, feed: Feed, manifest: bytes) -> Iterator[Item]:
        """Yield what the manifest says has changed."""
        try:
            entries = read_manifest(manifest)
        except WireError as error:
            raise SourceError(
                f"the manifest of {without_secrets(self._source.location)} is {error}",
                hint="Open its manifest.json and see whether a login page or an error is shown.",
            ) from error
        wanted: dict[str, str] = {}
        for key, entry in entries.items():
            version = f"{entry.timestamp}/{self._stamp}"
            if entry.timestamp and self._known.get(key) == version and key != MANIFEST:
                self._versions[key] = version
                yield self._unchanged(key)
            else:
                wanted[key] = version
                if not entry.timestamp:
                    self._again[key] = version
        yield from self._events(feed, wanted)

    def _events(self, feed: Feed, wanted: Mapping[str, str]) -> Iterator[Item]:
        """Yield what the manifest names, then the manifest itself."""
        named = {key: version for key, version in wanted.items() if UUID.fullmatch(key)}
        for key in wanted:
            if key not in named:
                self._again[key[:_KEY_MAX]] = ""
                yield self._broken(key[:_KEY_MAX], "the manifest names an event that is no UUID")
        for key, document in feed.read(named):
            for item in self._named_event(key, named[key], document):
                self._note(item, named)
                yield item
        version = write_held(feed.validators, self._settings, self._versions, self._again)
        if version and version == self._known.get(MANIFEST):
            yield Unchanged(MANIFEST)
        elif version:
            yield Fetched(MANIFEST, version)

    def _note(self, item: Item, named: Mapping[str, str]) -> None:
        """Remember which version of an event will be held."""
        if isinstance(item, Fetched):
            self._versions[item.key] = item.version
        elif isinstance(item, Broken):
            self._again[item.key] = named[item.key]
            if item.key in self._known:
                self._versions[item.key] = self._known[item.key]

    def without_manifest(self, feed: Feed) -> Iterator[Item]:
        """Yield the events in all JSON documents; other JSON is passed over."""
        seen: set[str] = set()
        broken = 0
        for name, document in feed.read_all():
            if isinstance(document, Unreadable):
                broken += 1
                yield self._broken(name[:_KEY_MAX], document.reason)
                continue
            try:
                raws = split_events(document)
            except WireError as error:
                if not _is_json(document):
                    broken += 1
                    yield from self._broken_document(name, document, str(error))
                continue
            for raw in raws:
                yield from self._unnamed_event(name, bytes(raw), seen)
        if not seen and not broken:
            raise SourceError(
                f"{without_secrets(self._source.location)} holds no manifest.json"
                " and no MISP event",
                hint="A feed is made by MISP or PyMISP's feed generator; check the path.",
            )

    def _named_event(self, key: str, version: str, document: Document) -> Iterator[Item]:
        if isinstance(document, Unreadable):
            yield self._broken(key, document.reason)
            return
        try:
            raws = split_events(document)
            if len(raws) != 1:
                raise WireError(f"{len(raws)} events in one file")  # noqa: TRY301
            event, misfits = read_event(raws[0])
        except WireError as error:
            yield self._broken(key, str(error))
            return
        yield from self._group(key, version, event, misfits)

    def _unnamed_event(self, name: str, raw: bytes, seen: set[str]) -> Iterator[Item]:
        try:
            event, misfits = read_event(raw)
        except WireError as error:
            seen.add(name)
            yield from self._broken_document(name, raw, str(error))
            return
        key = (event.uuid or "").lower() or name[:_KEY_MAX]
        version = f"{hashlib.blake2b(raw, digest_size=8).hexdigest()}/{self._stamp}"
        if key in seen:
            yield self._broken(f"{name}:{key}"[:_KEY_MAX], "this event was in another file before")
        elif self._known.get(key) == version:
            yield self._unchanged(key)
        else:
            yield from self._group(key, version, event, misfits)
        seen.add(key)

    def _broken_document(self, name: str, document: bytes, reason: str) -> Iterator[Item]:
        """Name the events we hold that this document was about, so that they stay."""
        held = [key for key in self._known if key.encode() in document]
        for key in held or [name[:_KEY_MAX]]:
            yield self._broken(key, f"{reason} (in {name})" if held else reason)

    def _group(self, key: str, version: str, event: Event, misfits: list[Misfit]) -> Iterator[Item]:
        self.counts["events"] += 1
        filters = self._source.filters
        group = Group(
            key,
            event,
            filters,
            now=self._now,
            published_only=filters.wants_published_only(default=False),
        )
        yield from group.items(event.all_attributes(), misfits)
        yield from group.end(version)

    def _unchanged(self, key: str) -> Unchanged:
        self.counts["unchanged"] += 1
        return Unchanged(key)

    def _broken(self, key: str, reason: str) -> Broken:
        self.counts["broken"] += 1
        # Of a manifest that names a million events that do not exist, the first ones will do.
        say = log.warning if self.counts["broken"] <= _BROKEN_LOGGED else log.debug
        say("source.event_broken", source=self._source.name, key=key, reason=reason)
        return Broken(key, reason)


def _is_json(document: bytes) -> bool:
    try:
        msgspec.json.decode(document, type=msgspec.Raw)
    except UNDECODABLE:
        return False
    return True
