"""A hit -> what MISP is told of it: pure, so that the same hit always says the same."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from vedette.feedback.policy import Policy
from vedette.model import Entry, Hit, MispSighting

SEEN, FALSE_POSITIVE = 0, 1
_NAMESPACE = uuid.UUID("9d5a4c1e-7d2f-4a57-9a0c-5b8f6f1f2a63")
"""Of all misp sightings that any Vedette makes; never to be changed."""
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def answers(hit: Hit, entries: Iterable[Entry], policy: Policy) -> Iterator[MispSighting]:
    """Yield what the MISPs that list a hit's indicator are told.

    One for each attribute, each day (or hour) in which it was seen, and whom it may be told of;
    two indicators that come from one attribute say the same.
    """
    if hit.origin == "retro" and not policy.retro:
        return
    who = policy.who(hit.client, hit.server)
    buckets = _buckets(hit, policy.bucket_s)
    for entry in entries:
        if entry.source not in policy.sources or not _are_uuids(entry.context.key, entry.ref):
            continue
        for bucket, at in buckets.items():
            yield _sighting(
                policy,
                source=entry.source,
                event=entry.context.key,
                attribute=entry.ref,
                who=who,
                bucket=str(bucket),
                at=at,
                type_=SEEN,
            )


def false_positives(
    contexts: Iterable[Sequence[Mapping[str, Any]]], policy: Policy, at: datetime
) -> Iterator[MispSighting]:
    """Yield what MISP is told when a person calls hits false positives; once for each attribute.

    Args:
        contexts: What the sources said, as hits keep it.
        policy: What may leave.
        at: When the person said so.
    """
    for claims in contexts:
        for claim in claims:
            if claim["source"] in policy.sources and _are_uuids(claim["event"], claim["ref"]):
                yield _sighting(
                    policy,
                    source=claim["source"],
                    event=claim["event"],
                    attribute=claim["ref"],
                    who="",
                    bucket="",
                    at=int(at.timestamp()),
                    type_=FALSE_POSITIVE,
                )


def _buckets(hit: Hit, bucket_s: int) -> dict[int, int]:
    """Return when it was seen last in each bucket that it was surely seen in."""
    moments = sorted((hit.first_seen, *hit.between, hit.last_seen))
    seen = (int(moment.timestamp()) for moment in moments)
    return {at // bucket_s: at for at in seen}


def _are_uuids(*texts: str) -> bool:
    """Whether these name things in a MISP; a list or a hand-made feed has other names."""
    return all(_UUID.fullmatch(text) for text in texts)


def _sighting(
    policy: Policy,
    *,
    source: str,
    event: str,
    attribute: str,
    who: str,
    bucket: str,
    at: int,
    type_: int,
) -> MispSighting:
    said = "|".join((policy.instance, attribute.lower(), who, bucket, str(type_)))
    return MispSighting(
        source=source,
        event=event,
        attribute=attribute,
        uuid=str(uuid.uuid5(_NAMESPACE, said)),
        at=at,
        type=type_,
        says=policy.says(who),
    )
