"""People judge hits: the trail is kept, and MISP hears of false positives."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from vedette.feedback.answering import false_positives
from vedette.model import MispSighting
from vedette.pipeline.hub import Hub
from vedette.pipeline.telling import policy_of
from vedette.store import HitRecord, Mark, Status
from vedette.store.outbox import Sent

_ALL = 1_000_000


class Marked(msgspec.Struct, kw_only=True):
    """What became of hits that were judged."""

    hits: list[int]
    status: str
    told: int = 0
    """Sightings of type 1 that MISP will be sent; what it was told before is not told again."""
    withdrawn: int = 0
    """Such sightings that had not left yet and will not."""
    stays: int = 0
    """Such sightings that have left: MISP keeps them."""
    indicators: list[str] = []
    """Values of a false positive, for the command that allows or holds them."""


class Card(msgspec.Struct, kw_only=True):
    """Everything about one hit."""

    hit: HitRecord
    marks: list[Mark]
    sightings: list[Sent]
    """What MISP was or will be told of its attributes, by this hit and others like it."""


def card_of(hub: Hub, hit_id: int) -> Card | None:
    """Return everything about a hit; None: there is none of that number."""
    for record in hub.store.fleet.hits_of([hit_id]):
        attributes = [claim["ref"] for claim in record.contexts if claim["ref"]]
        return Card(
            hit=record,
            marks=hub.store.marks.of(hit_id),
            sightings=hub.store.outbox.about(attributes),
        )
    return None


def mark(hub: Hub, ids: Sequence[int], status: Status, *, who: str, note: str) -> Marked:
    """Judge hits.

    Raises:
        UsageError: One of them is not there; none is marked.
    """
    records = hub.store.fleet.hits_of(ids)
    done = Marked(hits=list(dict.fromkeys(ids)), status=status.value)
    new: list[MispSighting] = []
    if status is Status.FALSE_POSITIVE:
        new = _false(hub, records)
        done.told = len(new) - len(hub.store.outbox.known(new))
        done.indicators = list(dict.fromkeys(one.value for one in records if one.value))
    hub.store.marks.mark(done.hits, status, who=who, note=note, sightings=new)
    if status is not Status.FALSE_POSITIVE:
        was_false = [one for one in records if one.status == Status.FALSE_POSITIVE.value]
        _take_back(hub, was_false, done)
    return done


def _false(hub: Hub, records: Sequence[HitRecord]) -> list[MispSighting]:
    """Return what MISP is told of hits that are false positives; nothing if it is not told."""
    if not hub.settings.feedback.sources:
        return []
    policy = policy_of(hub.settings, hub.store)
    contexts = (one.contexts for one in records)
    found = {one.uuid: one for one in false_positives(contexts, policy, datetime.now(UTC))}
    return list(found.values())


def _take_back(hub: Hub, records: Sequence[HitRecord], done: Marked) -> None:
    """Keep from leaving what no other hit's judgement says as well."""
    said = _false(hub, records)
    if not said:
        return
    others = hub.store.fleet.hits(status=Status.FALSE_POSITIVE.value, limit=_ALL)
    still = {one.uuid for one in _false(hub, others)}
    known = hub.store.outbox.known([one for one in said if one.uuid not in still])
    done.withdrawn = hub.store.outbox.withdraw(known)
    done.stays = len(known) - done.withdrawn
