"""Hits, grouped as the inbox groups them: by indicator, observed value, buffer, client, origin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import NamedTuple

from vedette.eve.extract import Event
from vedette.hits.candidates import plain_address
from vedette.hits.places import Place
from vedette.model import Entry, Hit, Key

_TEXT_MAX = 300
_ADDRESS_MAX = 64


class Meant(NamedTuple):
    """An indicator that an event is about."""

    key: Key
    """Its value is empty where it could not be identified."""
    text: str
    """As the network showed it."""
    entries: list[Entry]


class Joined(NamedTuple):
    """A hit and what the sources say about its indicator."""

    hit: Hit
    entries: list[Entry]


class Findings(NamedTuple):
    """What a block of lines said."""

    hits: list[Joined]
    """One for each indicator, observed value, buffer, client and origin."""
    counts: Counter[str]
    """Alerts by what became of them: ``hit``; ``unlisted`` and ``unresolved`` (hits whose key has
    no value); ``unconfirmed`` (no hit); ``canary``, ``foreign``, ``unknown_sid``. Also ``mail``,
    what was matched here, and lines that are no events, by reason."""
    canaries: dict[str, datetime]
    """Canary names that were asked for on the network, and when last."""
    held: tuple[str, ...]
    """Alerts that wait for the event with their value; they belong into the bookmark."""
    minutes: Mapping[int, int] = MappingProxyType({})
    """Alerts of our rules (no canaries) by minute of the engine's time: epoch seconds // 60."""


class Fold:
    """Groups hits as they come."""

    def __init__(self, sensor: str) -> None:
        """Begin with none."""
        self._sensor = sensor
        self._joined: dict[tuple[str, ...], Joined] = {}
        self._counted: set[tuple[object, ...]] = set()
        self._hours: dict[tuple[str, ...], dict[int, datetime]] = {}
        self.counts: Counter[str] = Counter()
        self.canaries: dict[str, datetime] = {}
        self._minutes: Counter[int] = Counter()

    def count_alert(self, event: Event) -> None:
        """Count an alert of our rules, whatever becomes of it."""
        self._minutes[int(moment(event).timestamp()) // 60] += 1

    def add(self, event: Event, place: Place, meant: list[Meant], origin: str) -> None:
        """Count one request for each indicator that it is about.

        Two rules may alert on one request and show the same values: names stand in two sets.
        """
        at = moment(event)
        client, server = (_spelt(end) for end in (event.ends.src_ip, event.ends.dest_ip))
        for key, text, entries in meant:
            shown = text[:_TEXT_MAX]
            group = (*key, shown, place.buffer.name, client, origin)
            request = (event.flow_id, event.transaction, *group)
            if request in self._counted:
                continue
            if event.transaction is not None:
                self._counted.add(request)
            if (before := self._joined.get(group)) is None:
                hit = Hit(
                    key=key,
                    observed=shown,
                    buffer=place.buffer.name,
                    sensor=self._sensor,
                    client=client,
                    server=server,
                    origin=origin,
                    first_seen=at,
                    last_seen=at,
                    count=1,
                )
            else:
                hit = replace(
                    before.hit,
                    first_seen=min(before.hit.first_seen, at),
                    last_seen=max(before.hit.last_seen, at),
                    server=server,
                    count=before.hit.count + 1,
                )
            self._joined[group] = Joined(hit, entries)
            self._see(group, at)

    def _see(self, group: tuple[str, ...], at: datetime) -> None:
        hours = self._hours.setdefault(group, {})
        hour = _hour(at)
        hours[hour] = max(hours.get(hour, at), at)

    def findings(self, held: tuple[str, ...]) -> Findings:
        """Return all of it."""
        for group, hours in self._hours.items():
            hit, entries = self._joined[group]
            ends = (_hour(hit.first_seen), _hour(hit.last_seen))
            if between := tuple(at for hour, at in sorted(hours.items()) if hour not in ends):
                self._joined[group] = Joined(replace(hit, between=between), entries)
        joined = list(self._joined.values())
        return Findings(joined, self.counts, self.canaries, held, self._minutes)


def _hour(at: datetime) -> int:
    return int(at.timestamp()) // 3_600


def moment(event: Event) -> datetime:
    """Return when an event happened; now, if it does not say."""
    return event.at or datetime.now(UTC)


def _spelt(address: str) -> str:
    """Return an address as people write it."""
    return str(plain_address(address) or address)[:_ADDRESS_MAX]
