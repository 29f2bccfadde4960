"""A million attributes without a million objects: generated events, rendered from a template.

The same number always gives the same attribute, so pages need no memory and no preparation; or
they are rendered once into a file, and then served as fast as one.
"""

from __future__ import annotations

import json
import os
import tempfile
from array import array
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from vedette.testing.fake_misp.memory import HOME, Memory, truth
from vedette.testing.fake_misp.model import FakeAttribute, FakeEvent, FakeTag
from vedette.testing.fake_misp.render import found_event, tags
from vedette.testing.fake_misp.search import count_header

FIRST_ID = 10_000_000
"""Generated attributes count from here, far from those that are added."""

_STAMP = 1_700_000_000
_PLAIN = frozenset(
    {"returnFormat", "eventid", "deleted", "includeEventTags", "includeEventUuid", "order"}
    | {"limit", "page", "published", "to_ids"}
)
"""What a query may say without needing a real search; generated ones are published and to_ids."""


class BulkEvent(FakeEvent):
    """An event whose attributes exist only while they are looked at."""

    first: int
    size: int
    is_made: bool = False
    """Whether the attributes are there, those that nobody deleted since."""

    @property
    def attribute_count(self) -> int:
        """Attributes, without making them."""
        return super().attribute_count if self.is_made else self.size

    def rows(self, start: int, stop: int, ids: Mapping[str, int], *, event_tags: bool) -> list[str]:
        """Attributes ``start`` to ``stop`` of this event, each as JSON."""
        tail = f'"event_uuid":"{self.uuid}","Event":{json.dumps(found_event(self))}'
        if event_tags:
            tail += f',"Tag":{json.dumps(tags(self.tags, ids, inherited=True))}'
        event_id = self.id
        return [
            f'{{"id":"{FIRST_ID + n}","event_id":"{event_id}","object_id":"0",'
            f'"object_relation":null,"category":"Network activity","type":"{kind}",'
            f'"to_ids":true,"uuid":"{_uuid(n)}","timestamp":"{_STAMP}",'
            f'"distribution":"5","sharing_group_id":"0","comment":"","deleted":false,'
            f'"disable_correlation":false,"first_seen":null,"last_seen":null,'
            f'"value":"{value}",{tail}}}'
            for n in range(self.first + start, self.first + stop)
            for kind, value in (generated(n),)
        ]

    def materialize(self, memory: Memory) -> None:
        """Make the attributes after all, for a request that needs them one by one."""
        if not self.is_made:
            self.is_made = True
            for n in range(self.first, self.first + self.size):
                self.attributes[FIRST_ID + n] = self.attribute(n, memory)

    def attribute(self, n: int, memory: Memory) -> FakeAttribute:
        """Make one of them; it is always the same object."""
        kind, value = generated(n)
        return memory.attributes.setdefault(
            _uuid(n),
            FakeAttribute(
                id=FIRST_ID + n,
                uuid=_uuid(n),
                event_id=self.id,
                type=kind,
                value=value,
                timestamp=_STAMP,
            ),
        )


class Bulk:
    """The generated events of one server.

    Args:
        memory: Where the events are added.
        attributes: How many to generate.
        per_event: How many of them in each event.
        rendered: Render all pages now, into a temporary file.
    """

    def __init__(
        self, memory: Memory, attributes: int, per_event: int, *, rendered: bool = False
    ) -> None:
        """Add published events with generated attributes."""
        self._memory = memory
        self._events = [
            _event(memory, first, min(per_event, attributes - first))
            for first in range(0, attributes, per_event)
        ]
        self._file = _Rendered(self._events, memory.tag_ids) if rendered else None

    def close(self) -> None:
        """Give the file back."""
        if self._file is not None:
            self._file.close()

    def attribute(self, ref: object) -> tuple[FakeEvent, FakeAttribute] | None:
        """Find a generated attribute by uuid or id, without making its neighbours."""
        n = _number(str(ref))
        at = bisect_right(self._events, n, key=lambda event: event.first) - 1
        if n < 0 or at < 0 or n >= self._events[at].first + self._events[at].size:
            return None
        event = self._events[at]
        if event.id not in self._memory.events or event.is_made:
            return None  # deleted, or made long ago and then deleted
        return event, event.attribute(n, self._memory)

    def page(
        self, events: Sequence[FakeEvent], query: Mapping[str, Any]
    ) -> tuple[bytes, int] | None:
        """A page and its count, or ``None`` if anything in the query needs a real search."""
        limit = int(query.get("limit") or 0)
        if not limit or not _is_plain(query):
            return None
        bulk = [event for event in events if isinstance(event, BulkEvent) and not event.is_made]
        if len(bulk) != len(events):
            return None
        left = (max(int(query.get("page") or 1), 1) - 1) * limit
        room = limit
        parts: list[bytes] = []
        tagged = truth(query.get("includeEventTags"))
        for event in sorted(bulk, key=lambda event: event.first):
            start = min(left, event.size)
            stop = min(start + room, event.size)
            left -= start
            if stop > start:
                parts.append(self._render(event, start, stop, event_tags=tagged))
                room -= stop - start
            if not room:
                break
        body = b'{"response":{"Attribute":[' + b",".join(parts) + b"]}}"
        return body, count_header(limit - room, limit)

    def _render(self, event: BulkEvent, start: int, stop: int, *, event_tags: bool) -> bytes:
        if self._file is not None and event_tags:
            return self._file.read(event.first + start, event.first + stop)
        ids = self._memory.tag_ids
        return ",".join(event.rows(start, stop, ids, event_tags=event_tags)).encode()


class _Rendered:
    """Every generated attribute as JSON in one file without a name."""

    def __init__(self, events: Sequence[BulkEvent], ids: Mapping[str, int]) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the server is
        self._starts = array("Q", [0])
        for event in events:
            rows = [row.encode() for row in event.rows(0, event.size, ids, event_tags=True)]
            for row in rows:
                self._starts.append(self._starts[-1] + len(row) + 1)
            self._file.write(b",".join(rows) + b",")
        self._file.flush()

    def read(self, start: int, stop: int) -> bytes:
        """Attributes ``start`` to ``stop``, comma separated."""
        size = self._starts[stop] - self._starts[start] - 1
        return os.pread(self._file.fileno(), size, self._starts[start])

    def close(self) -> None:
        self._file.close()


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


def _is_plain(query: Mapping[str, Any]) -> bool:
    for name, value in query.items():
        if value in (None, "", [], False):
            continue
        if name not in _PLAIN or (name in {"published", "to_ids"} and not truth(value)):
            return False
        if name == "deleted" and value not in ("0", [0], [0, 1], [1, 0]):
            return False
        if name == "order" and not str(value).lower().strip("[']").endswith("id asc"):
            return False
    return True


def _event(memory: Memory, first: int, size: int) -> BulkEvent:
    event_id = memory.next_id("event")
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
    for tag in event.tags:
        memory.tag_id(tag.name)
    event.first = first
    event.size = size
    memory.events[event_id] = event
    return event


def _uuid(n: int) -> str:
    return f"{n:08x}-0000-4000-8000-{n:012x}"


def _number(ref: str) -> int:
    """The number of a generated attribute, or -1."""
    if ref.isdecimal():
        return int(ref) - FIRST_ID
    try:
        n = int(ref[:8], 16)
    except ValueError:
        return -1
    return n if ref == _uuid(n) else -1
