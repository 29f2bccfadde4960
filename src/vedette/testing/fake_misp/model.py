"""What a MISP holds: events, objects, attributes, tags, sightings, users; as plain records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

OWN_ORG, COMMUNITY, SHARING_GROUP, INHERIT = "0", "1", "4", "5"
"""MISP's distributions, as far as they decide who sees what; 1, 2 and 3 are all of the server."""


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
    distribution: str = INHERIT
    sharing_group_id: str = "0"
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
    distribution: str = INHERIT
    sharing_group_id: str = "0"


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
    distribution: str = COMMUNITY
    sharing_group_id: str = "0"
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
class FakeSighting:
    """What somebody says about an attribute: seen, no threat, or over."""

    id: int
    uuid: str
    attribute_id: int
    attribute_uuid: str
    event_id: int
    org: FakeOrg
    date: int
    source: str = ""
    type: str = "0"
    """``0`` seen, ``1`` false positive, ``2`` expiration."""


@dataclass(frozen=True)
class FakeRole:
    """What a user may do."""

    id: int
    name: str
    rights: frozenset[str] = frozenset()
    """MISP's, without ``perm_``: ``add``, ``modify``, ``publish``, ``sighting``, ``sync``, ..."""


_USER = frozenset({"add", "modify", "modify_org", "sighting", "tagger"})
_ADMIN = _USER | {"publish", "sync", "admin", "site_admin", "tag_editor", "warninglist", "decaying"}

ADMIN = FakeRole(1, "admin", _ADMIN)
USER = FakeRole(3, "User", _USER)
SYNC_USER = FakeRole(5, "Sync user", _USER | {"publish", "sync"})
READ_ONLY = FakeRole(6, "read only")
SIGHTER = FakeRole(7, "Sightings only", frozenset({"sighting"}))
"""No role that MISP brings, but the least that may report sightings."""


@dataclass(frozen=True)
class FakeUser:
    """Who has a key."""

    id: int
    email: str
    org: FakeOrg
    role: FakeRole = ADMIN

    def may(self, right: str) -> bool:
        """Whether the role has a right; ``a or b``: one of them; ``""``: everybody has it."""
        return not right or any(one in self.role.rights for one in right.split(" or "))
