"""What an operator wants of a MISP: one set of settings for servers and feeds.

Pure: the time is passed in. What a filter leaves out is counted under the reason given here.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from datetime import datetime
from fnmatch import fnmatchcase

import msgspec
from msgspec import Struct

from vedette.misp.attribute_types import check_types
from vedette.misp.convert import REVISION, TLP_ORDER, own_tags, tlp_of
from vedette.misp.times import last_change, seconds
from vedette.misp.wire import Attribute, Event

NO_TLP = "none"
"""How an operator writes "without a TLP tag" in the list of allowed TLPs."""

UNPUBLISHED = "event is not published"

_DAY_S = 86_400


class Filters(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which attributes of which events are wanted; empty means no restriction.

    Tags are compared without case and may hold ``*``; an attribute has its own tags and those of
    its event. Organisations are names or uuids of the event's creator.
    """

    to_ids: bool = True
    """Only attributes that MISP marks as fit for detection."""
    types: tuple[str, ...] = ()
    """MISP attribute types."""
    exclude_types: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    """At least one of them is needed."""
    exclude_tags: tuple[str, ...] = ()
    """None of them is allowed."""
    tlp: tuple[str, ...] = ()
    """Allowed TLPs (``clear`` to ``red``); ``none`` allows what has no TLP."""
    organisations: tuple[str, ...] = ()
    exclude_organisations: tuple[str, ...] = ()
    max_age_days: int = 0
    """Oldest time of change or last sight of an attribute; 0 takes all."""
    published_only: bool | None = None
    """Only published events; unset means yes for a server and no for a feed, which is published
    by being there (most feeds say ``published: false``)."""

    def __post_init__(self) -> None:
        """Refuse what cannot mean anything.

        Raises:
            ValueError: A TLP or a type that does not exist, or a negative age.
        """
        check_types((*self.types, *self.exclude_types))
        if unknown := sorted({*self.tlp} - {*TLP_ORDER, NO_TLP}):
            raise ValueError(
                f"unknown TLP {', '.join(unknown)}; known: {', '.join(TLP_ORDER)}, none"
            )
        if self.max_age_days < 0:
            raise ValueError("max_age_days is negative")

    def fingerprint(self, now: datetime) -> str:
        """Eight hex digits that change when the same event may yield other indicators.

        It is a part of each group's version: a changed filter, a changed conversion and, with an
        age limit, a new day make every event be read again.
        """
        day = int(now.timestamp()) // _DAY_S if self.max_age_days else 0
        return f"{zlib.crc32(msgspec.json.encode((REVISION, day, self))):08x}"

    def wants_published_only(self, *, default: bool) -> bool:
        """The setting, or what its kind of source takes for granted."""
        return default if self.published_only is None else self.published_only


class EventFilter:
    """Filters applied to one event and its attributes."""

    def __init__(
        self, filters: Filters, event: Event, *, now: datetime, published_only: bool = False
    ) -> None:
        """Judge what concerns the whole event."""
        self._filters = filters
        self._types = frozenset(filters.types)
        self._exclude_types = frozenset(filters.exclude_types)
        self._event_time = seconds(event.timestamp)
        self._now = int(now.timestamp())
        self._oldest = self._now - filters.max_age_days * _DAY_S
        self._event_tags = own_tags(event.tags)
        self._reason_by_tags = self._judge_tags(self._event_tags)
        self.reason = self._judge_organisation(event)
        """Why the whole event is left out, or ``""``."""
        if published_only and not event.published:
            self.reason = UNPUBLISHED

    def judge(self, attribute: Attribute) -> str:
        """Why an attribute is left out, or ``""``."""
        if self.reason:
            return self.reason
        if attribute.deleted:
            return "deleted in MISP"
        if self._filters.to_ids and not attribute.to_ids:
            return "to_ids is false"
        if self._types and attribute.type not in self._types:
            return f"type not wanted: {attribute.type[:64]}"
        if attribute.type in self._exclude_types:
            return f"type not wanted: {attribute.type[:64]}"
        own = own_tags(attribute.tags)
        reason = self._judge_tags(self._event_tags + own) if own else self._reason_by_tags
        return reason or self._judge_age(attribute)

    def _judge_tags(self, tags: tuple[str, ...]) -> str:
        filters = self._filters
        if filters.tlp and (tlp_of(tags) or NO_TLP) not in filters.tlp:
            return f"TLP not wanted: {tlp_of(tags) or NO_TLP}"
        lowered = [tag.lower() for tag in tags]
        if filters.tags and not _matching(lowered, filters.tags):
            return "no wanted tag"
        if unwanted := _matching(lowered, filters.exclude_tags):
            return f"tag not wanted: {unwanted}"
        return ""

    def _judge_organisation(self, event: Event) -> str:
        filters = self._filters
        creator = event.orgc or event.org
        names = {(creator.name or "").lower(), (creator.uuid or "").lower()} if creator else set()
        shown = (creator.name or creator.uuid or "unknown") if creator else "unknown"
        wanted = {name.lower() for name in filters.organisations}
        if (wanted and not names & wanted) or names & {
            name.lower() for name in filters.exclude_organisations
        }:
            return f"organisation not wanted: {shown}"
        return ""

    def _judge_age(self, attribute: Attribute) -> str:
        if not self._filters.max_age_days:
            return ""
        newest = last_change(attribute, event_time=self._event_time, now=self._now)
        if newest and newest < self._oldest:
            return f"older than {self._filters.max_age_days} days"
        return ""


def _matching(lowered: Iterable[str], patterns: tuple[str, ...]) -> str:
    for pattern in patterns:
        if any(fnmatchcase(tag, pattern.lower()) for tag in lowered):
            return pattern
    return ""
