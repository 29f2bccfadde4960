"""What a MISP holds: events, objects, attributes, tags, users; as plain records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class FakeTag:
    """A tag where it is attached; a local one is nobody else's business."""

    name: str
    local: bool = False


@dataclass
class FakeAttribute:
    """An attribute; ids are numbers here and strings on the wire."""

    id: int
    uuid: str
    event_id: int
    type: str
    value: str
    category: str = "Network activity"
    to_ids: bool = True
    comment: str = ""
    timestamp: int = 0
    deleted: bool = False
    distribution: str = "5"
    first_seen: str | None = None
    last_seen: str | None = None
    object_id: int = 0
    object_relation: str | None = None
    tags: list[FakeTag] = field(default_factory=list)


@dataclass
class FakeObject:
    """An object; its attributes are in the event's."""

    id: int
    uuid: str
    event_id: int
    name: str
    meta: dict[str, str] = field(default_factory=dict)
    """Template fields, given back as they came."""
    comment: str = ""
    timestamp: int = 0
    deleted: bool = False


@dataclass(frozen=True)
class FakeOrg:
    """An organisation."""

    id: int
    name: str
    uuid: str


@dataclass
class FakeEvent:
    """An event with everything in it."""

    id: int
    uuid: str
    info: str
    date: str
    org: FakeOrg
    orgc: FakeOrg
    threat_level_id: str = "4"
    analysis: str = "0"
    distribution: str = "1"
    published: bool = False
    timestamp: int = 0
    publish_timestamp: int = 0
    sighting_timestamp: int = 0
    tags: list[FakeTag] = field(default_factory=list)
    attributes: dict[int, FakeAttribute] = field(default_factory=dict)
    objects: dict[int, FakeObject] = field(default_factory=dict)

    @property
    def attribute_count(self) -> int:
        """Attributes that are not deleted, those of objects included."""
        return sum(1 for _ in self.live_attributes())

    def live_attributes(self) -> Iterator[FakeAttribute]:
        """Attributes that are not deleted."""
        return (item for item in self.attributes.values() if not item.deleted)


@dataclass(frozen=True)
class FakeUser:
    """Who has a key."""

    id: int
    email: str
    org: FakeOrg
    role: str = "admin"
    """``admin``, or ``read only``, which may search but not change anything."""

    @property
    def may_write(self) -> bool:
        """Whether it may change things."""
        return self.role != "read only"
