"""State -> MISP's JSON: ids and times are strings, flags are booleans, tags only where tagged."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from vedette.testing.fake_misp.model import (
    FakeAttribute,
    FakeEvent,
    FakeObject,
    FakeOrg,
    FakeTag,
    FakeUser,
)


def org(item: FakeOrg) -> dict[str, Any]:
    """An organisation."""
    return {"id": str(item.id), "name": item.name, "uuid": item.uuid, "local": item.id == 1}


def tags(items: Iterable[FakeTag], *, inherited: bool = False) -> list[dict[str, Any]]:
    """Tags; with ``inherited`` as ``includeEventTags`` copies them to attributes."""
    return [
        {"id": "1", "name": tag.name, "colour": "#204a87", "numerical_value": None}
        | ({"inherited": 1} if inherited else {"local": tag.local})
        for tag in items
    ]


def attribute(item: FakeAttribute) -> dict[str, Any]:
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
        "sharing_group_id": "0",
        "comment": item.comment,
        "deleted": item.deleted,
        "disable_correlation": False,
        "first_seen": item.first_seen,
        "last_seen": item.last_seen,
    }
    if item.tags:
        fields["Tag"] = tags(item.tags)
    return fields


def found_attribute(
    item: FakeAttribute, event: FakeEvent, *, event_tags: bool, event_uuid: bool
) -> dict[str, Any]:
    """An attribute as a search finds it, with a little of its event and its object."""
    fields = attribute(item)
    if event_uuid:
        fields["event_uuid"] = event.uuid
    fields["Event"] = {
        "id": str(event.id),
        "org_id": str(event.org.id),
        "orgc_id": str(event.orgc.id),
        "distribution": event.distribution,
        "info": event.info,
        "uuid": event.uuid,
        "publish_timestamp": str(event.publish_timestamp),
    }
    if (found := event.objects.get(item.object_id)) is not None:
        fields["Object"] = {
            "id": str(found.id),
            "distribution": "5",
            "sharing_group_id": "0",
            "name": found.name,
        }
    if event_tags and event.tags:
        fields["Tag"] = fields.get("Tag", []) + tags(event.tags, inherited=True)
    return fields


def obj(item: FakeObject, event: FakeEvent, *, deleted: bool = False) -> dict[str, Any]:
    """An object with its attributes."""
    return {
        "id": str(item.id),
        "name": item.name,
        **item.meta,
        "event_id": str(event.id),
        "uuid": item.uuid,
        "timestamp": str(item.timestamp),
        "distribution": "5",
        "sharing_group_id": "0",
        "comment": item.comment,
        "deleted": item.deleted,
        "ObjectReference": [],
        "Attribute": [
            attribute(found)
            for found in event.attributes.values()
            if found.object_id == item.id and (deleted or not found.deleted)
        ],
    }


def event_head(item: FakeEvent) -> dict[str, Any]:
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
        "sharing_group_id": "0",
        "disable_correlation": False,
        "extends_uuid": "",
        "Org": org(item.org),
        "Orgc": org(item.orgc),
        "Tag": tags(item.tags),
    }


def event(item: FakeEvent, *, deleted: bool = False) -> dict[str, Any]:
    """A whole event."""
    return event_head(item) | {
        "Attribute": [
            attribute(found)
            for found in item.attributes.values()
            if not found.object_id and (deleted or not found.deleted)
        ],
        "ShadowAttribute": [],
        "RelatedEvent": [],
        "Galaxy": [],
        "Object": [
            obj(found, item, deleted=deleted)
            for found in item.objects.values()
            if deleted or not found.deleted
        ],
        "EventReport": [],
    }


def index_row(item: FakeEvent) -> dict[str, Any]:
    """A row of ``/events/index``."""
    head = event_head(item)
    found = head.pop("Tag")
    return head | {"EventTag": [{"Tag": tag, "local": tag["local"]} for tag in found]}


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


def me(user: FakeUser) -> dict[str, Any]:
    """``/users/view/me``."""
    rights = {
        f"perm_{name}": user.may_write
        for name in ("add", "modify", "modify_org", "publish", "sync", "sighting", "tagger")
    }
    return {
        "User": {"id": str(user.id), "org_id": str(user.org.id), "email": user.email},
        "Role": {
            "id": "1" if user.may_write else "6",
            "name": user.role,
            "perm_auth": True,
            "perm_admin": user.may_write,
            "perm_site_admin": user.may_write,
            **rights,
        },
        "UserSetting": {},
        "Organisation": org(user.org),
    }
