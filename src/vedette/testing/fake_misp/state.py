"""A MISP's memory, and what each change does to timestamps and publication.

Calibrated on MISP 2.5: any edit of content takes the event out of publication until somebody
publishes it again; unpublishing, local tags and hard deletes leave no trace on attributes.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from vedette.testing.fake_misp.model import (
    FakeAttribute,
    FakeEvent,
    FakeObject,
    FakeOrg,
    FakeTag,
    FakeUser,
)

Json = Mapping[str, Any]

HOME = FakeOrg(1, "Vedette Test", "5f0c2d1e-0000-4000-8000-000000000001")
"""The organisation that owns the server."""


class State:
    """Everything a MISP knows. One lock guards it: take it around reads that must be consistent."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """Start empty, with an administrator and a read-only user."""
        self.lock = threading.RLock()
        self.clock = clock
        self.events: dict[int, FakeEvent] = {}
        self.users: dict[str, FakeUser] = {}
        self.feeds: dict[int, dict[str, Any]] = {}
        self.warninglist: set[str] = set()
        """Values that ``enforceWarninglist`` removes."""
        self._ids: dict[str, int] = {}
        self._orgs: dict[str, FakeOrg] = {HOME.uuid: HOME}

    def now(self) -> int:
        """The server's time, in whole seconds as MISP has it."""
        return int(self.clock())

    def next_id(self, what: str) -> int:
        """Count up the ids of one table."""
        self._ids[what] = self._ids.get(what, 0) + 1
        return self._ids[what]

    def event(self, ref: object) -> FakeEvent | None:
        """Find an event by id or uuid."""
        text = str(ref)
        if text.isdecimal():
            return self.events.get(int(text))
        return next((event for event in self.events.values() if event.uuid == text), None)

    def attribute(self, ref: object) -> tuple[FakeEvent, FakeAttribute] | None:
        """Find an attribute by id or uuid, with its event."""
        text = str(ref)
        for event in self.events.values():
            for attribute in event.attributes.values():
                if text in {str(attribute.id), attribute.uuid}:
                    return event, attribute
        return None

    def object(self, ref: object) -> tuple[FakeEvent, FakeObject] | None:
        """Find an object by id or uuid, with its event."""
        text = str(ref)
        for event in self.events.values():
            for item in event.objects.values():
                if text in {str(item.id), item.uuid}:
                    return event, item
        return None

    # -- events

    def add_event(self, data: Json) -> FakeEvent:
        """Add an event as the API or a synchronisation brings it: timestamps it has are kept."""
        with self.lock:
            now = self.now()
            published = bool(data.get("published", False))
            event = FakeEvent(
                id=self.next_id("event"),
                uuid=str(data.get("uuid") or uuid.uuid4()),
                info=str(data.get("info", "")),
                date=str(data.get("date") or time.strftime("%Y-%m-%d", time.gmtime(now))),
                org=HOME,
                orgc=self._org(data.get("Orgc")),
                threat_level_id=str(data.get("threat_level_id", "4")),
                analysis=str(data.get("analysis", "0")),
                distribution=str(data.get("distribution", "1")),
                published=published,
                timestamp=int(data.get("timestamp") or now),
                publish_timestamp=now if published else 0,
                tags=_tags(data),
            )
            self.events[event.id] = event
            self._fill(event, data)
            return event

    def edit_event(self, event: FakeEvent, data: Json) -> None:
        """Change an event's own fields; attributes with a known uuid are replaced, others added."""
        with self.lock:
            for name in ("info", "date", "threat_level_id", "analysis", "distribution"):
                if name in data:
                    setattr(event, name, str(data[name]))
            if "Tag" in data:
                event.tags = _tags(data)
            known = {item.uuid: item for item in event.attributes.values()}
            fresh = []
            for item in data.get("Attribute") or ():
                if attribute := known.get(str(item.get("uuid", ""))):
                    self.edit_attribute(event, attribute, item)
                else:
                    fresh.append(item)
            known_objects = {item.uuid for item in event.objects.values()}
            objects = [
                item
                for item in data.get("Object") or ()
                if str(item.get("uuid", "")) not in known_objects
            ]
            self._fill(event, {"Attribute": fresh, "Object": objects})
            self.touch(event)
            event.published = bool(data.get("published", False))
            if event.published:
                event.publish_timestamp = self.now()

    def delete_event(self, event: FakeEvent) -> None:
        """Remove an event: nothing is left of it."""
        with self.lock:
            del self.events[event.id]

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
            for name in ("type", "value", "category", "comment", "distribution"):
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
                attribute.tags = _tags(data)
            self.touch(event, attribute)

    def delete_attribute(self, event: FakeEvent, attribute: FakeAttribute, *, hard: bool) -> None:
        """Delete softly, which leaves a tombstone, or hard, which leaves nothing."""
        with self.lock:
            if hard:
                del event.attributes[attribute.id]
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

    def _touch_target(self, target: FakeEvent | FakeAttribute) -> None:
        if isinstance(target, FakeEvent):
            self.touch(target)
        elif event := self.events.get(target.event_id):
            self.touch(event, target)

    def _fill(self, event: FakeEvent, data: Json) -> None:
        for item in data.get("Attribute") or ():
            self._new_attribute(event, item)
        for item in data.get("Object") or ():
            self._new_object(event, item)

    def _new_attribute(self, event: FakeEvent, data: Json, object_id: int = 0) -> FakeAttribute:
        attribute = FakeAttribute(
            id=self.next_id("attribute"),
            uuid=str(data.get("uuid") or uuid.uuid4()),
            event_id=event.id,
            type=str(data["type"]),
            value=str(data["value"]),
            category=str(data.get("category") or "Network activity"),
            to_ids=truth(data.get("to_ids", True)),
            comment=str(data.get("comment") or ""),
            timestamp=int(data.get("timestamp") or self.now()),
            deleted=truth(data.get("deleted", False)),
            distribution=str(data.get("distribution", "5")),
            first_seen=data.get("first_seen"),
            last_seen=data.get("last_seen"),
            object_id=object_id,
            object_relation=data.get("object_relation"),
            tags=_tags(data),
        )
        event.attributes[attribute.id] = attribute
        return attribute

    def _new_object(self, event: FakeEvent, data: Json) -> FakeObject:
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
        )
        event.objects[item.id] = item
        for attribute in data.get("Attribute") or ():
            self._new_attribute(event, attribute, item.id)
        return item

    def _org(self, data: Json | None) -> FakeOrg:
        if not data or not data.get("name"):
            return HOME
        key = str(data.get("uuid") or data["name"])
        if key not in self._orgs:
            self._orgs[key] = FakeOrg(len(self._orgs) + 1, str(data["name"]), key)
        return self._orgs[key]


def truth(value: object) -> bool:
    """MISP's booleans: true, 1 and "1"."""
    return value in (True, "1", "true", "True")


def _tags(data: Json) -> list[FakeTag]:
    tags = data.get("Tag") or ()
    return [FakeTag(str(tag["name"]), truth(tag.get("local", False))) for tag in tags]
