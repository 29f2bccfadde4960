"""What the warning lists say of any value, and of all our indicators."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import msgspec

from vedette.guard.facts import ListHit
from vedette.guard.warninglists import Index
from vedette.model import IndicatorType, Key
from vedette.pipeline.hub import Hub
from vedette.pipeline.meaning import meant_by

_BATCH = 50_000


class Counts(msgspec.Struct, kw_only=True):
    """How many of our indicators each list has."""

    itself: Counter[str]
    """List -> indicators that are members."""
    around: Counter[str]
    """List -> indicators below, or within, a member."""


class Checked(msgspec.Struct, kw_only=True):
    """What the lists say of one value."""

    value: str
    """As it was given."""
    key: Key | None = None
    hits: tuple[ListHit, ...] = ()
    follows: str = ""
    """What the guard makes of it, in a few words; other tests may decide before."""
    rejected: str = ""
    """Why it is no value that the lists could have."""


def count_members(hub: Hub, index: Index) -> Counts:
    """Count our indicators on each list; 2 us for each of them."""
    counts = Counts(itself=Counter(), around=Counter())
    if index.lists:
        for keys in _batches(hub):
            for hits in index.match_many(keys):
                for hit in hits:
                    (counts.itself if hit.itself else counts.around)[hit.list] += 1
    return counts


def _batches(hub: Hub) -> Iterator[Sequence[Key]]:
    for kind in IndicatorType:
        keys = iter(hub.store.entries.keys(kind))
        while batch := list(islice(keys, _BATCH)):
            yield batch


def check_values(index: Index, values: Iterable[str]) -> list[Checked]:
    """Look values up in any spelling, in the meaning of theirs that is on the most lists."""
    return [_checked(index, value) for value in values]


def _checked(index: Index, value: str) -> Checked:
    meant = meant_by(value)
    answers = list(zip(meant.keys, index.match_many(meant.keys), strict=True))
    key, hits = max(answers, key=lambda answer: len(answer[1]), default=(None, ()))
    if key is None or not (hits or meant.value):
        return Checked(value=value, rejected=meant.refused or "no name, address, URL or hash")
    return Checked(value=value, key=key, hits=hits, follows=_follows(hits))


def _follows(hits: Sequence[ListHit]) -> str:
    if dropping := [hit.list for hit in hits if hit.itself and hit.curated]:
        return f"dropped, as it is itself on {' and '.join(dropping)}"
    return f"labelled ({len(hits)})" if hits else "on no list"
