"""What each change of a MISP does to timestamps and publication.

Calibrated on MISP 2.5: any edit of content takes the event out of publication until somebody
publishes it again; unpublishing, local tags and hard deletes leave no trace on attributes.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable

from vedette.testing.fake_misp.memory import HOME, Json, Memory, truth
from vedette.testing.fake_misp.model import (
    FakeAttribute,
    FakeEvent,
    FakeObject,
    FakeOrg,
    FakeSighting,
    FakeTag,
)

__all__ = ["HOME", "State", "truth"]

_EVENT_FIELDS = (
    *("info", "date", "threat_level_id", "analysis", "distribution", "sharing_group_id"),
)
_ATTRIBUTE_FIELDS = (*("type", "value", "category", "comment", "distribution", "sharing_group_id"),)


class State(Memory):
    """A MISP's memory and every change of it that a user, a synchronisation or a feed can make."""

    # -- events

    def add_event(self, data: Json, org: FakeOrg = HOME) -> FakeEvent:
        """Add an event as the API or a synchronisation brings it: timestamps it has are kept.

        Args:
            data: MISP's JSON.
            org: Who brings it; also who made it, if ``data`` has no ``Orgc``.
        """
        with self.lock:
            now = self.now()
            published = bool(data.get("published", False))
            made_by = data.get("Orgc")
            event = FakeEvent(
                id=self.next_id("event"),
                uuid=str(data.get("uuid") or uuid.uuid4()),
                info=str(data.get("info", "")),
                date=str(data.get("date") or time.strftime("%Y-%m-%d", time.gmtime(now))),
                org=org,
                orgc=self._org(made_by) if made_by else org,
                threat_level_id=str(data.get("threat_level_id", "4")),
                analysis=str(data.get("analysis", "0")),
                distribution=str(data.get("distribution", "1")),
                sharing_group_id=str(data.get("sharing_group_id") or "0"),
                published=published,
                timestamp=int(data.get("timestamp") or now),
                publish_timestamp=now if published else 0,
                tags=self._tags(data),
            )
            self.events[event.id] = event
            self._fill(event, data)
            return event

    def receive_event(self, data: Json) -> FakeEvent:
        """Add or replace an event as a synchronisation or a feed does: with the times it has.

        Ids stay; what the new one does not hold is gone; publication is of now.
        """
        with self.lock:
            event = self.event(data.get("uuid", ""))
            if event is None:
                return self.add_event({**data, "published": True})
            for name in _EVENT_FIELDS:
                if name in data:
                    setattr(event, name, str(data[name]))
            ids = {item.uuid: item.id for item in event.attributes.values()}
            for item in event.attributes.values():
                self.attributes.pop(item.uuid, None)
            event.attributes, event.objects = {}, {}
            event.tags = self._tags(data)
            event.timestamp = int(data.get("timestamp") or self.now())
            event.published, event.publish_timestamp = True, self.now()
            self._fill(event, data, ids)
            return event

    def edit_event(self, event: FakeEvent, data: Json) -> None:
        """Change an event's own fields; attributes with a known uuid are replaced, others added."""
        with self.lock:
            for name in _EVENT_FIELDS:
                if name in data:
                    setattr(event, name, str(data[name]))
            if "Tag" in data:
                event.tags = self._tags(data)
            fresh = self._edit_known(event, data.get("Attribute") or ())
            known_objects = {item.uuid: item for item in event.objects.values()}
            objects = []
            for item in data.get("Object") or ():
                if known := known_objects.get(str(item.get("uuid", ""))):
                    self.edit_object(event, known, item)
                else:
                    objects.append(item)
            self._fill(event, {"Attribute": fresh, "Object": objects})
            self.touch(event)
            event.published = bool(data.get("published", False))
            if event.published:
                event.publish_timestamp = self.now()

    def delete_event(self, event: FakeEvent) -> None:
        """Delete an event; nothing is left but an entry on the blocklist."""
        with self.lock:
            del self.events[event.id]
            self._drop(event.attributes.values())
            self.blocklist[event.uuid] = {
                "id": str(self.next_id("blocklist")),
                "event_uuid": event.uuid,
                "event_info": event.info,
                "event_orgc": event.orgc.name,
                "comment": "",
                "created": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(self.now())),
            }

    def publish(self, event: FakeEvent) -> None:
        """Publish; the time is set only if it was not published."""
        with self.lock:
            if not event.published:
                event.published = True
                event.publish_timestamp = self.now()

    def unpublish(self, event: FakeEvent) -> None:
        """Unpublish: no timestamp moves."""
        with self.lock:
            event.published = False

    def touch(self, event: FakeEvent, item: FakeAttribute | FakeObject | None = None) -> None:
        """What every edit does: new times, and out of publication."""
        event.timestamp = self.now()
        event.published = False
        if item is not None:
            item.timestamp = self.now()

    # -- attributes

    def add_attribute(self, event: FakeEvent, data: Json) -> FakeAttribute:
        """Add one attribute through the API."""
        with self.lock:
            attribute = self._new_attribute(event, data)
            self.touch(event, attribute)
            return attribute

    def edit_attribute(self, event: FakeEvent, attribute: FakeAttribute, data: Json) -> None:
        """Change fields of an attribute."""
        with self.lock:
            for name in _ATTRIBUTE_FIELDS:
                if name in data:
                    setattr(attribute, name, str(data[name]))
            for name in ("first_seen", "last_seen"):
                if name in data:
                    setattr(attribute, name, data[name])
            if "to_ids" in data:
                attribute.to_ids = truth(data["to_ids"])
            if "deleted" in data:
                attribute.deleted = truth(data["deleted"])
            if "Tag" in data:
                attribute.tags = self._tags(data)
            self.touch(event, attribute)

    def delete_attribute(self, event: FakeEvent, attribute: FakeAttribute, *, hard: bool) -> None:
        """Delete softly, which leaves a tombstone, or hard, which leaves nothing."""
        with self.lock:
            if hard:
                self._drop([event.attributes.pop(attribute.id)])
            else:
                attribute.deleted = True
            self.touch(event, None if hard else attribute)

    def restore_attribute(self, event: FakeEvent, attribute: FakeAttribute) -> None:
        """Undo a soft delete."""
        with self.lock:
            attribute.deleted = False
            self.touch(event, attribute)

    # -- objects and tags

    def add_object(self, event: FakeEvent, data: Json) -> FakeObject:
        """Add an object with its attributes through the API."""
        with self.lock:
            item = self._new_object(event, data)
            self.touch(event, item)
            return item

    def edit_object(self, event: FakeEvent, item: FakeObject, data: Json) -> None:
        """Change an object; attributes with a known uuid are replaced, others added."""
        with self.lock:
            for name in ("comment", "distribution", "sharing_group_id"):
                if name in data:
                    setattr(item, name, str(data[name]))
            for fresh in self._edit_known(event, data.get("Attribute") or ()):
                self._new_attribute(event, fresh, item.id)
            self.touch(event, item)

    def delete_object(self, event: FakeEvent, item: FakeObject, *, hard: bool) -> None:
        """Delete an object and its attributes."""
        with self.lock:
            for attribute in list(event.attributes.values()):
                if attribute.object_id == item.id:
                    self.delete_attribute(event, attribute, hard=hard)
            if hard:
                del event.objects[item.id]
            else:
                item.deleted = True
            self.touch(event)

    def tag(self, target: FakeEvent | FakeAttribute, name: str, *, local: bool = False) -> None:
        """Attach a tag; only a global one is an edit."""
        with self.lock:
            if all(tag.name != name for tag in target.tags):
                self.tag_id(name)
                target.tags.append(FakeTag(name, local))
            if not local:
                self._touch_target(target)

    def untag(self, target: FakeEvent | FakeAttribute, name: str) -> None:
        """Detach a tag."""
        with self.lock:
            gone = [tag for tag in target.tags if tag.name == name]
            target.tags = [tag for tag in target.tags if tag.name != name]
            if any(not tag.local for tag in gone):
                self._touch_target(target)

    # -- sightings

    def add_sighting(
        self,
        attribute: FakeAttribute,
        *,
        org: FakeOrg = HOME,
        type: str = "0",  # noqa: A002 - MISP's word
        source: str = "",
        date: int = 0,
        uuid_: str = "",
    ) -> FakeSighting | None:
        """Report a sighting; ``None`` if one of this uuid is known, for sightings never change.

        The event's ``sighting_timestamp`` moves and nothing else.
        """
        with self.lock:
            key = uuid_.lower() or str(uuid.uuid4())
            if key in self.sightings:
                return None
            if type == "2":
                for old in list(self.sightings_of(attribute)):
                    if (old.org, old.type) == (org, type):
                        self.forget(old)
            sighting = FakeSighting(
                id=self.next_id("sighting"),
                uuid=key,
                attribute_id=attribute.id,
                attribute_uuid=attribute.uuid,
                event_id=attribute.event_id,
                org=org,
                date=date or self.now(),
                source=source,
                type=type,
            )
            self.remember(sighting)
            self.events[attribute.event_id].sighting_timestamp = self.now()
            return sighting

    # -- from MISP's JSON

    def _touch_target(self, target: FakeEvent | FakeAttribute) -> None:
        if isinstance(target, FakeEvent):
            self.touch(target)
        elif event := self.events.get(target.event_id):
            self.touch(event, target)

    def _edit_known(self, event: FakeEvent, items: Iterable[Json]) -> list[Json]:
        """Edit the attributes whose uuid the event has; returns the others."""
        known = {item.uuid: item for item in event.attributes.values()}
        fresh: list[Json] = []
        for item in items:
            if attribute := known.get(str(item.get("uuid", ""))):
                self.edit_attribute(event, attribute, item)
            else:
                fresh.append(item)
        return fresh

    def _drop(self, attributes: Iterable[FakeAttribute]) -> None:
        for attribute in attributes:
            self.attributes.pop(attribute.uuid, None)
            for sighting in list(self.sightings_of(attribute)):
                self.forget(sighting)

    def _fill(self, event: FakeEvent, data: Json, ids: Json | None = None) -> None:
        for item in data.get("Attribute") or ():
            self._new_attribute(event, item, ids=ids)
        for item in data.get("Object") or ():
            self._new_object(event, item, ids)

    def _new_attribute(
        self, event: FakeEvent, data: Json, object_id: int = 0, ids: Json | None = None
    ) -> FakeAttribute:
        key = str(data.get("uuid") or uuid.uuid4())
        attribute = FakeAttribute(
            id=(ids or {}).get(key) or self.next_id("attribute"),
            uuid=key,
            event_id=event.id,
            type=str(data["type"]),
            value=str(data["value"]),
            category=str(data.get("category") or "Network activity"),
            to_ids=truth(data.get("to_ids", True)),
            comment=str(data.get("comment") or ""),
            timestamp=int(data.get("timestamp") or self.now()),
            deleted=truth(data.get("deleted", False)),
            distribution=str(data.get("distribution", "5")),
            sharing_group_id=str(data.get("sharing_group_id") or "0"),
            first_seen=data.get("first_seen"),
            last_seen=data.get("last_seen"),
            object_id=object_id,
            object_relation=data.get("object_relation"),
            tags=self._tags(data),
        )
        event.attributes[attribute.id] = attribute
        self.attributes[attribute.uuid] = attribute
        return attribute

    def _new_object(self, event: FakeEvent, data: Json, ids: Json | None = None) -> FakeObject:
        meta = ("description", "meta-category", "template_uuid", "template_version")
        item = FakeObject(
            id=self.next_id("object"),
            uuid=str(data.get("uuid") or uuid.uuid4()),
            event_id=event.id,
            name=str(data.get("name", "")),
            meta={name: str(data[name]) for name in meta if name in data},
            comment=str(data.get("comment") or ""),
            timestamp=int(data.get("timestamp") or self.now()),
            deleted=truth(data.get("deleted", False)),
            distribution=str(data.get("distribution", "5")),
            sharing_group_id=str(data.get("sharing_group_id") or "0"),
        )
        event.objects[item.id] = item
        for attribute in data.get("Attribute") or ():
            self._new_attribute(event, attribute, item.id, ids)
        return item

    def _org(self, data: Json) -> FakeOrg:
        return (
            self.org(str(data["name"]), str(data.get("uuid") or "")) if data.get("name") else HOME
        )

    def _tags(self, data: Json) -> list[FakeTag]:
        tags = [
            FakeTag(str(tag["name"]), truth(tag.get("local", False)))
            for tag in data.get("Tag") or ()
        ]
        for tag in tags:
            self.tag_id(tag.name)
        return tags
