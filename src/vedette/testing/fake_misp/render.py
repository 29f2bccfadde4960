"""Memory -> MISP's JSON: ids and times are strings, flags are booleans, tags only where tagged.

Attributes and objects that the user may not see are not in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from vedette.testing.fake_misp.memory import Memory
from vedette.testing.fake_misp.model import (
    FakeAttribute,
    FakeEvent,
    FakeObject,
    FakeOrg,
    FakeSighting,
    FakeTag,
    FakeUser,
)
from vedette.testing.fake_misp.visibility import sees_part


def org(item: FakeOrg) -> dict[str, Any]:
    """An organisation."""
    return {"id": str(item.id), "name": item.name, "uuid": item.uuid, "local": item.id == 1}


def tags(
    items: Iterable[FakeTag], ids: Mapping[str, int], *, inherited: bool = False
) -> list[dict[str, Any]]:
    """Tags; with ``inherited`` as ``includeEventTags`` copies them to attributes."""
    return [
        {
            "id": str(ids.get(tag.name, 0)),
            "name": tag.name,
            "colour": "#204a87",
            "numerical_value": None,
        }
        | ({"inherited": 1} if inherited else {"local": tag.local})
        for tag in items
    ]


def sighting(item: FakeSighting) -> dict[str, Any]:
    """A sighting."""
    return {
        "id": str(item.id),
        "attribute_id": str(item.attribute_id),
        "attribute_uuid": item.attribute_uuid,
        "event_id": str(item.event_id),
        "org_id": str(item.org.id),
        "date_sighting": str(item.date),
        "uuid": item.uuid,
        "source": item.source,
        "type": item.type,
        "Organisation": {"id": str(item.org.id), "uuid": item.org.uuid, "name": item.org.name},
    }


@dataclass(frozen=True)
class View:
    """What one user sees of the memory."""

    memory: Memory
    user: FakeUser

    def attribute(self, item: FakeAttribute) -> dict[str, Any]:
        """An attribute as an event carries it."""
        fields: dict[str, Any] = {
            "id": str(item.id),
            "event_id": str(item.event_id),
            "object_id": str(item.object_id),
            "object_relation": item.object_relation,
            "category": item.category,
            "type": item.type,
            "value": item.value,
            "to_ids": item.to_ids,
            "uuid": item.uuid,
            "timestamp": str(item.timestamp),
            "distribution": item.distribution,
            "sharing_group_id": item.sharing_group_id,
            "comment": item.comment,
            "deleted": item.deleted,
            "disable_correlation": False,
            "first_seen": item.first_seen,
            "last_seen": item.last_seen,
        }
        if item.tags:
            fields["Tag"] = tags(item.tags, self.memory.tag_ids)
        return fields

    def found_attribute(
        self, item: FakeAttribute, event: FakeEvent, *, event_tags: bool, event_uuid: bool
    ) -> dict[str, Any]:
        """An attribute as a search finds it, with a little of its event and its object."""
        fields = self.attribute(item)
        if event_uuid:
            fields["event_uuid"] = event.uuid
        fields["Event"] = found_event(event)
        if (found := event.objects.get(item.object_id)) is not None:
            fields["Object"] = {
                "id": str(found.id),
                "distribution": found.distribution,
                "sharing_group_id": found.sharing_group_id,
                "name": found.name,
            }
        if event_tags and event.tags:
            inherited = tags(event.tags, self.memory.tag_ids, inherited=True)
            fields["Tag"] = fields.get("Tag", []) + inherited
        return fields

    def obj(self, item: FakeObject, event: FakeEvent, *, deleted: bool = False) -> dict[str, Any]:
        """An object with its attributes."""
        return {
            "id": str(item.id),
            "name": item.name,
            **item.meta,
            "event_id": str(event.id),
            "uuid": item.uuid,
            "timestamp": str(item.timestamp),
            "distribution": item.distribution,
            "sharing_group_id": item.sharing_group_id,
            "comment": item.comment,
            "deleted": item.deleted,
            "ObjectReference": [],
            "Attribute": self._attributes(event, item.id, deleted=deleted),
        }

    def event_head(self, item: FakeEvent) -> dict[str, Any]:
        """An event without attributes and objects (``metadata``)."""
        return {
            "id": str(item.id),
            "orgc_id": str(item.orgc.id),
            "org_id": str(item.org.id),
            "date": item.date,
            "threat_level_id": item.threat_level_id,
            "info": item.info,
            "published": item.published,
            "uuid": item.uuid,
            "attribute_count": str(item.attribute_count),
            "analysis": item.analysis,
            "timestamp": str(item.timestamp),
            "distribution": item.distribution,
            "proposal_email_lock": False,
            "locked": False,
            "publish_timestamp": str(item.publish_timestamp),
            "sighting_timestamp": str(item.sighting_timestamp),
            "sharing_group_id": item.sharing_group_id,
            "disable_correlation": False,
            "extends_uuid": "",
            "Org": org(item.org),
            "Orgc": org(item.orgc),
            "Tag": tags(item.tags, self.memory.tag_ids),
        }

    def event(self, item: FakeEvent, *, deleted: bool = False) -> dict[str, Any]:
        """A whole event."""
        return self.event_head(item) | {
            "Attribute": self._attributes(item, 0, deleted=deleted),
            "ShadowAttribute": [],
            "RelatedEvent": [],
            "Galaxy": [],
            "Object": [
                self.obj(found, item, deleted=deleted)
                for found in item.objects.values()
                if (deleted or not found.deleted) and self.sees(item, found)
            ],
            "EventReport": [],
        }

    def index_row(self, item: FakeEvent) -> dict[str, Any]:
        """A row of ``/events/index``."""
        head = self.event_head(item)
        found = head.pop("Tag")
        return head | {"EventTag": [{"Tag": tag, "local": tag["local"]} for tag in found]}

    def sees(self, event: FakeEvent, part: FakeAttribute | FakeObject) -> bool:
        """Whether the user sees this part of an event that they see."""
        return sees_part(self.user, event, part, self.memory.sharing_groups)

    def _attributes(
        self, event: FakeEvent, object_id: int, *, deleted: bool
    ) -> list[dict[str, Any]]:
        """Attributes of one object, or of none, with their sightings."""
        rows = []
        for item in event.attributes.values():
            if item.object_id != object_id or not (deleted or not item.deleted):
                continue
            if self.sees(event, item):
                fields = self.attribute(item)
                if seen := self.memory.sightings_of(item):
                    fields["Sighting"] = [sighting(one) for one in seen]
                rows.append(fields)
        return rows


def found_event(event: FakeEvent) -> dict[str, Any]:
    """The little of its event that an attribute found by a search has with it."""
    return {
        "id": str(event.id),
        "org_id": str(event.org.id),
        "orgc_id": str(event.orgc.id),
        "distribution": event.distribution,
        "info": event.info,
        "uuid": event.uuid,
        "publish_timestamp": str(event.publish_timestamp),
    }


def minimal_row(item: FakeEvent) -> dict[str, Any]:
    """A row of ``/events/index`` with ``minimal``."""
    return {
        "id": str(item.id),
        "timestamp": str(item.timestamp),
        "sighting_timestamp": str(item.sighting_timestamp),
        "published": item.published,
        "uuid": item.uuid,
        "orgc_uuid": item.orgc.uuid,
    }
