"""A million attributes without a million objects: generated events, rendered from a template.

The same number always gives the same attribute, so pages need no memory and no preparation.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from vedette.testing.fake_misp.model import FakeAttribute, FakeEvent, FakeTag
from vedette.testing.fake_misp.render import tags
from vedette.testing.fake_misp.search import count_header
from vedette.testing.fake_misp.state import HOME, State, truth

FIRST_ID = 10_000_000
"""Generated attributes count from here, far from those that are added."""

_STAMP = 1_700_000_000
_PLAIN = frozenset(
    {"returnFormat", "eventid", "deleted", "includeEventTags", "includeEventUuid", "order"}
    | {"limit", "page"}
)

_LIVE_TOO = (None, 0, "0", False, [0], [0, 1], [1, 0])
"""Ways to ask for what is not deleted; nothing of a generated event ever is."""


class BulkEvent(FakeEvent):
    """An event whose attributes exist only while they are looked at."""

    first: int
    size: int

    @property
    def attribute_count(self) -> int:
        """Attributes, without making them."""
        return self.size

    def render(self, start: int, stop: int, *, event_tags: bool) -> bytes:
        """Attributes ``start`` to ``stop`` of this event as JSON, comma separated."""
        head = json.dumps(
            {
                "id": str(self.id),
                "org_id": str(self.org.id),
                "orgc_id": str(self.orgc.id),
                "distribution": self.distribution,
                "info": self.info,
                "uuid": self.uuid,
                "publish_timestamp": str(self.publish_timestamp),
            }
        )
        tail = f'"event_uuid":"{self.uuid}","Event":{head}'
        if event_tags:
            tail += f',"Tag":{json.dumps(tags(self.tags, inherited=True))}'
        event_id = self.id
        return ",".join(
            [
                f'{{"id":"{FIRST_ID + n}","event_id":"{event_id}","object_id":"0",'
                f'"object_relation":null,"category":"Network activity","type":"{kind}",'
                f'"to_ids":true,"uuid":"{n:08x}-0000-4000-8000-{n:012x}","timestamp":"{_STAMP}",'
                f'"distribution":"5","sharing_group_id":"0","comment":"","deleted":false,'
                f'"disable_correlation":false,"first_seen":null,"last_seen":null,'
                f'"value":"{value}",{tail}}}'
                for n in range(self.first + start, self.first + stop)
                for kind, value in (generated(n),)
            ]
        ).encode()

    def materialize(self) -> None:
        """Make the attributes after all, for a request that needs them one by one."""
        if self.attributes:
            return
        for n in range(self.first, self.first + self.size):
            kind, value = generated(n)
            self.attributes[FIRST_ID + n] = FakeAttribute(
                id=FIRST_ID + n,
                uuid=f"{n:08x}-0000-4000-8000-{n:012x}",
                event_id=self.id,
                type=kind,
                value=value,
                timestamp=_STAMP,
            )


def generated(n: int) -> tuple[str, str]:
    """Type and value of generated attribute ``n``: the mix of a real feed, every value unique."""
    match n % 10:
        case 0 | 1:
            return "url", f"http://h{n:x}.example-{n % 89}.com/p/{n}.php"
        case 2:
            return "ip-dst", f"{11 + n // 16_777_216 % 80}.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}"
        case 3:
            return "sha256", f"{n * 0x9E3779B97F4A7C15:064x}"[-64:]
        case _:
            return "domain", f"d{n:x}.example-{n % 97}.net"


def add_bulk(state: State, attributes: int, per_event: int) -> None:
    """Add published events with generated attributes."""
    for first in range(0, attributes, per_event):
        event_id = state.next_id("event")
        event = BulkEvent(
            id=event_id,
            uuid=f"b0000000-0000-4000-8000-{event_id:012d}",
            info=f"Generated event {event_id}",
            date="2026-01-01",
            org=HOME,
            orgc=HOME,
            threat_level_id="2",
            published=True,
            timestamp=_STAMP + event_id,
            publish_timestamp=_STAMP + event_id,
            tags=[FakeTag("tlp:green"), FakeTag("type:OSINT")],
        )
        event.first = first
        event.size = min(per_event, attributes - first)
        state.events[event_id] = event


def bulk_page(events: list[FakeEvent], query: Mapping[str, Any]) -> tuple[bytes, int] | None:
    """A page of generated events, or ``None`` if anything in the query needs a real search."""
    limit = int(query.get("limit") or 0)
    if not limit or not set(query) <= _PLAIN or query.get("deleted") not in _LIVE_TOO:
        return None
    bulk = [event for event in events if isinstance(event, BulkEvent) and not event.attributes]
    if len(bulk) != len(events) or "desc" in str(query.get("order", "")).lower():
        return None
    left = (max(int(query.get("page") or 1), 1) - 1) * limit
    room = limit
    parts: list[bytes] = []
    for event in sorted(bulk, key=lambda event: event.first):
        start = min(left, event.size)
        stop = min(start + room, event.size)
        left -= start
        if stop > start:
            tagged = truth(query.get("includeEventTags"))
            parts.append(event.render(start, stop, event_tags=tagged))
            room -= stop - start
        if not room:
            break
    body = b'{"response":{"Attribute":[' + b",".join(parts) + b"]}}"
    return body, count_header(limit - room, limit)
