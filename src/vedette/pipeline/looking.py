"""All that is known about one value: the card of the command line and of the web."""

from __future__ import annotations

from msgspec import Struct

from vedette.model import Entry, Key, Outcome
from vedette.pipeline.memory import Memory
from vedette.pipeline.naming import Named
from vedette.pool.records import Coverage, Day, Place, Sighting, Who
from vedette.store import Judged, Store


class Listed(Struct, frozen=True, kw_only=True):
    """What the sources say about one indicator."""

    type: str
    value: str
    entries: tuple[Entry, ...]
    outcome: str = Outcome.PUBLISH.value
    """What the guard decided."""
    reason: str = ""
    """Why, where it is not simply published."""


class Card(Struct, frozen=True, kw_only=True):
    """One value: seen or not, by whom, when, and who lists it."""

    asked: str
    """As it was pasted."""
    looked_for: tuple[Place, ...]
    sightings: tuple[Sighting, ...]
    """The earliest first."""
    who: tuple[Who, ...]
    """Within the retention, the last seen first."""
    days: tuple[Day, ...]
    """Within the retention."""
    listed: tuple[Listed, ...]
    coverage: Coverage


def look_up(store: Store, memory: Memory, named: Named) -> Card:
    """Ask memory and sources about a value.

    Raises:
        PoolError: The memory cannot answer.
    """
    sightings = memory.seen(named.places)
    entries = store.entries.lookup(named.keys)
    verdicts = store.inbox.verdicts(entries)
    fields = {sighting.field for sighting in sightings}
    seen = [place for place in named.places if place.field in fields]
    return Card(
        asked=named.text,
        looked_for=named.places,
        sightings=tuple(sightings),
        who=tuple(memory.who(seen)) if seen else (),
        days=tuple(memory.days(seen)) if seen else (),
        listed=tuple(_listed(key, claims, verdicts.get(key)) for key, claims in entries.items()),
        coverage=memory.coverage(),
    )


def _listed(key: Key, entries: list[Entry], verdict: Judged | None) -> Listed:
    return Listed(
        type=key.type.value,
        value=key.value,
        entries=tuple(entries),
        outcome=verdict.outcome.value if verdict else Outcome.PUBLISH.value,
        reason=verdict.reason if verdict else "",
    )
