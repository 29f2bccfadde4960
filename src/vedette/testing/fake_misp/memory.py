"""A MISP's memory: what is in it and where to find it; how it changes is in ``state``."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from vedette.testing.fake_misp.decay import FakeModel
from vedette.testing.fake_misp.model import (
    ADMIN,
    FakeAttribute,
    FakeEvent,
    FakeObject,
    FakeOrg,
    FakeRole,
    FakeSighting,
    FakeUser,
)
from vedette.testing.fake_misp.warninglists import ALL, FakeWarninglist

Json = Mapping[str, Any]

HOME = FakeOrg(1, "Vedette Test", "5f0c2d1e-0000-4000-8000-000000000001")
"""The organisation that owns the server."""


class Memory:
    """Everything a MISP knows. One lock guards it: take it around reads that must be consistent."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """Start empty, without users."""
        self.lock = threading.RLock()
        self.clock = clock
        self.events: dict[int, FakeEvent] = {}
        self.users: dict[str, FakeUser] = {}
        """By key."""
        self.orgs: dict[str, FakeOrg] = {HOME.uuid: HOME}
        """By uuid."""
        self.sharing_groups: dict[str, frozenset[int]] = {}
        """Id -> ids of the organisations in it."""
        self.feeds: dict[int, dict[str, Any]] = {}
        self.sightings: dict[str, FakeSighting] = {}
        """By uuid, in the order in which they came."""
        self.warninglists: dict[int, FakeWarninglist] = {}
        self.decaying_models: dict[int, FakeModel] = {}
        self.blocklist: dict[str, dict[str, str]] = {}
        """Events that were deleted, by uuid; only an administrator is told."""
        self.tag_ids: dict[str, int] = {}
        """Every tag that was ever used, in the order of its id."""
        self.attributes: dict[str, FakeAttribute] = {}
        """By uuid; those of generated events come when they are asked for."""
        self._sighted: dict[int, list[FakeSighting]] = {}
        self._ids: dict[str, int] = {}

    def now(self) -> int:
        """The server's time, in whole seconds as MISP has it."""
        return int(self.clock())

    def next_id(self, what: str) -> int:
        """Count up the ids of one table."""
        self._ids[what] = self._ids.get(what, 0) + 1
        return self._ids[what]

    def add_user(
        self, key: str, role: FakeRole = ADMIN, org: FakeOrg = HOME, *, email: str = ""
    ) -> FakeUser:
        """Give somebody a key, 40 letters and digits."""
        number = self.next_id("user")
        user = FakeUser(number, email or f"user{number}@misp.test", org, role)
        self.users[key] = user
        return user

    def org(self, name: str, ref: str = "") -> FakeOrg:
        """The organisation of a uuid or, without one, of a name; it is made if it is new."""
        for org in self.orgs.values():
            if (org.uuid == ref) if ref else (org.name == name):
                return org
        key = ref or str(uuid.uuid5(uuid.NAMESPACE_DNS, name))
        self.orgs[key] = FakeOrg(len(self.orgs) + 1, name, key)
        return self.orgs[key]

    def tag_id(self, name: str) -> int:
        """The id of a tag; it is made if it is new."""
        return self.tag_ids.setdefault(name, len(self.tag_ids) + 1)

    def add_warninglist(
        self,
        name: str,
        entries: Iterable[str],
        *,
        type: str = "string",  # noqa: A002 - MISP's word
        matching: Iterable[str] = (ALL,),
        enabled: bool = True,
    ) -> FakeWarninglist:
        """Install a warning list; only an enabled one has an effect."""
        with self.lock:
            number = self.next_id("warninglist")
            self.warninglists[number] = FakeWarninglist(
                number, name, list(entries), type, list(matching), enabled=enabled
            )
            return self.warninglists[number]

    def add_decaying_model(
        self, name: str, types: Iterable[str], *, lifetime_days: float, threshold: float = 30.0
    ) -> FakeModel:
        """Let the worth of some types end after a time."""
        with self.lock:
            number = self.next_id("model")
            self.decaying_models[number] = FakeModel(
                number, name, tuple(types), lifetime_days, threshold=threshold
            )
            return self.decaying_models[number]

    def event(self, ref: object) -> FakeEvent | None:
        """Find an event by id or uuid."""
        text = str(ref)
        if text.isdecimal():
            return self.events.get(int(text))
        return next((event for event in self.events.values() if event.uuid == text), None)

    def attribute(self, ref: object) -> tuple[FakeEvent, FakeAttribute] | None:
        """Find an attribute by id or uuid, with its event."""
        text = str(ref)
        if (found := self.attributes.get(text)) is not None:
            return self.events[found.event_id], found
        if not text.isdecimal():
            return None
        for event in self.events.values():
            if (item := event.attributes.get(int(text))) is not None:
                return event, item
        return None

    def object(self, ref: object) -> tuple[FakeEvent, FakeObject] | None:
        """Find an object by id or uuid, with its event."""
        text = str(ref)
        for event in self.events.values():
            for item in event.objects.values():
                if text in {str(item.id), item.uuid}:
                    return event, item
        return None

    def sightings_of(self, attribute: FakeAttribute) -> list[FakeSighting]:
        """What was reported about an attribute."""
        return self._sighted.get(attribute.id, [])

    def remember(self, sighting: FakeSighting) -> None:
        """Put a sighting into both places."""
        self.sightings[sighting.uuid] = sighting
        self._sighted.setdefault(sighting.attribute_id, []).append(sighting)

    def forget(self, sighting: FakeSighting) -> None:
        """Take a sighting out of both places."""
        del self.sightings[sighting.uuid]
        self._sighted[sighting.attribute_id].remove(sighting)

    def warnings_for(self, attribute: FakeAttribute) -> Iterator[dict[str, Any]]:
        """Hits of enabled warning lists, as ``includeWarninglistHits`` shows them."""
        for warninglist in self.warninglists.values():
            if not warninglist.enabled:
                continue
            for value, match in warninglist.hits(attribute.type, attribute.value):
                yield {
                    "match": match,
                    "value": value,
                    "warninglist_id": str(warninglist.id),
                    "warninglist_name": warninglist.name,
                    "warninglist_category": warninglist.category,
                }


def truth(value: object) -> bool:
    """MISP's booleans: true, 1 and "1"."""
    return value in (True, "1", "true", "True")
