"""The guard's tests on many indicators at once: facts only for those that anything speaks about.

Hard rule: the verdict on an indicator is that of :func:`vedette.guard.chain.judge` on its facts;
what is quicker here says the same (tests/unit/pipeline/test_judging.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import repeat
from typing import NamedTuple, Self

import vedette
from vedette.config import Settings, parse_duration
from vedette.guard.addresses import may_be_special
from vedette.guard.chain import SHARED, judge
from vedette.guard.facts import Claim, Facts, ListHit, Prevalence
from vedette.guard.hosts import HOSTED, NAMES
from vedette.guard.own import Own
from vedette.guard.policy import Policy
from vedette.guard.suffixes import Suffixes
from vedette.guard.warninglists import Index
from vedette.model import IndicatorType, Key, SourceRules, Verdict
from vedette.pipeline.hub import Hub
from vedette.pipeline.warninglists import open_index, place_of
from vedette.store.claims import ClaimRow, Claims, FoldedRows
from vedette.store.keys import from_skey
from vedette.store.ruled import Ruled
from vedette.store.verdicts import Figure, Kept

_MANY = 2
"""With more claims than this, the first and the last source do not tell all of them."""


@dataclass(frozen=True, slots=True)
class Basis:
    """Everything that verdicts rest on and that is the same for all indicators."""

    policy: Policy
    index: Index
    suffixes: Suffixes
    own: Own
    ruled: Ruled
    has_rulings: bool
    sources: Mapping[int, tuple[str, SourceRules]]
    """Name and rules by the number that claims have of a source."""
    now: int

    @classmethod
    def of(cls, hub: Hub, now: int) -> Self:
        """Open the warning lists and read what people ruled.

        Raises:
            ConfigError: A setting of [guard] means nothing.
        """
        settings, store = hub.settings, hub.store
        policy = Policy.of(settings.guard)
        rulings = store.rulings.in_force(now)
        return cls(
            policy=policy,
            index=_lists(settings) if policy.enabled else Index.empty(),
            suffixes=Suffixes(suffix_list()),
            own=Own(policy.own),
            ruled=Ruled(rulings),
            has_rulings=bool(rulings),
            sources=store.claims.sources(),
            now=now,
        )

    @property
    def digest(self) -> str:
        """Another one whenever anything may be judged otherwise, but for rulings and time."""
        sources = repr(sorted(self.sources.items()))
        lists = (self.index.version, self.suffixes.version)
        parts = (vedette.__version__, self.policy.digest, *lists, sources)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def ages(self) -> tuple[list[tuple[str, int, int]], list[int]]:
        """Type or source with its age in seconds, and the sources that have an age of their own."""
        own = {number: _age_s(rules) for number, (_, rules) in self.sources.items() if rules.age}
        by_type = [(kind, 0, age_s) for kind, age_s in sorted(self.policy.age_s.items())]
        return [*by_type, *(("", number, age_s) for number, age_s in own.items())], list(own)

    def claim(self, row: ClaimRow) -> Claim:
        """A claim with what the rules of its source add."""
        name, rules = self.sources.get(row.source_id, ("a removed source", SourceRules()))
        return Claim(
            source=name,
            changed=row.changed,
            expires=row.expires,
            confidence=row.confidence if row.confidence >= 0 else rules.confidence,
            age_s=_age_s(rules),
            review=rules.review,
        )

    def facts(
        self,
        key: Key,
        claims: Sequence[ClaimRow],
        hits: tuple[ListHit, ...],
        figure: Figure | None,
        *,
        is_new: bool,
    ) -> Facts:
        """Everything that is known of one indicator."""
        return Facts(
            key=key,
            claims=tuple(map(self.claim, claims)),
            lists=hits,
            suffix=self.suffixes.of(key),
            own=self.own.of(key),
            rulings=self.ruled.of(key) if self.has_rulings else (),
            is_new=is_new,
            prevalence=Prevalence(*figure) if figure else None,
            now=self.now,
        )


def _lists(settings: Settings) -> Index:
    """The lists of ``[guard] warning_lists``, or those that were fetched; no others."""
    place = place_of(settings)
    if place.directory is None or place.what == "package":
        return Index.empty()
    return open_index(settings)


def suffix_list() -> str:
    """The public suffix list, as its package ships it."""
    return (files("publicsuffixlist") / "public_suffix_list.dat").read_text(encoding="utf-8")


def _age_s(rules: SourceRules) -> int:
    return parse_duration(rules.age) if rules.age else 0


class Batch(NamedTuple):
    """Some indicators of one type, with what the store knows of them."""

    kind: IndicatorType
    rows: FoldedRows
    kept: Mapping[str, Kept]
    """Verdicts as they are, by sort key."""
    figures: Mapping[str, Figure]
    new: frozenset[int]
    """Places of the rows that were not published before, as far as their claims tell."""

    def is_new(self, place: int) -> bool:
        """Whether an indicator was never published: what is withheld remembers it."""
        kept = self.kept.get(self.rows.skey[place])
        return bool(kept.is_new) if kept and kept.is_withheld else place in self.new


class Judge:
    """Judges batches by one basis."""

    def __init__(self, basis: Basis, claims: Claims) -> None:
        """Take what verdicts rest on, and where the claims are."""
        self._basis = basis
        self._claims = claims

    def verdicts(self, batch: Batch) -> dict[int, tuple[Verdict, bool]]:
        """Verdict by place in the batch, and whether it is on something new.

        Absent is what is published as it is.
        """
        if not self._basis.policy.enabled:
            return {}
        keys = _keys(batch.kind, batch.rows.skey)
        hits = self._basis.index.match_many(keys)
        listed = [place for place, found in enumerate(hits) if found]
        doubts = _Doubts(self._basis, batch, keys, listed).places
        doubtful = sorted(doubts | self._deciding(listed, hits))
        skeys = [batch.rows.skey[place] for place in doubtful]
        claims = self._claims.of(batch.kind, skeys)
        found = {place: (_label(hits[place]), batch.is_new(place)) for place in listed}
        for place, skey in zip(doubtful, skeys, strict=True):
            is_new = batch.is_new(place)
            facts = self._basis.facts(
                keys[place], claims[skey], hits[place], batch.figures.get(skey), is_new=is_new
            )
            found[place] = judge(facts, self._basis.policy), is_new
        return found

    @staticmethod
    def _deciding(listed: Sequence[int], hits: Sequence[tuple[ListHit, ...]]) -> set[int]:
        """Of what is on a list, those for which it may be more than a label."""
        return {
            place
            for place in listed
            if any(hit.itself and (hit.curated or hit.list in SHARED) for hit in hits[place])
        }


def _keys(kind: IndicatorType, skeys: Sequence[str]) -> list[Key]:
    if kind in NAMES:
        values = [skey.replace("!", ".")[::-1] for skey in skeys]  # as unreverse_key, inlined
        return list(map(Key._make, zip(repeat(kind), values)))
    return [from_skey(kind, skey) for skey in skeys]


def _label(hits: tuple[ListHit, ...]) -> Verdict:
    return Verdict(labels=tuple(sorted({hit.list for hit in hits})))


class _Doubts:
    """Which indicators of a batch need all their facts, but for lists; never one too few."""

    def __init__(
        self, basis: Basis, batch: Batch, keys: Sequence[Key], labelled: Sequence[int]
    ) -> None:
        self._basis, self._batch, self._keys = basis, batch, keys
        self._review = {number for number, (_, rules) in basis.sources.items() if rules.review}
        self._least_age_s = min(
            (age for kind, _, age in basis.ages()[0] if kind in ("", batch.kind.value)), default=0
        )
        """Of the ages that may apply; 0: none does."""
        self._labelled = set(labelled)
        self.places: set[int] = set()
        for some in (self._values(), self._people(), self._dates(), self._new(), self._sure()):
            self.places.update(some)

    def _values(self) -> Iterator[int]:
        kind, values = self._batch.kind, [key.value for key in self._keys]
        if kind is IndicatorType.DOMAIN:
            yield from self._basis.suffixes.matching(values)
        if kind in NAMES:
            yield from (place for place, value in enumerate(values) if value[-1:] <= "9")
        elif kind in HOSTED:
            yield from (place for place, value in enumerate(values) if may_be_special(kind, value))

    def _people(self) -> Iterator[int]:
        if self._basis.own:
            is_own = self._basis.own.of
            yield from (place for place, key in enumerate(self._keys) if is_own(key))
        if self._basis.has_rulings:
            is_ruled = self._basis.ruled.of
            yield from (place for place, key in enumerate(self._keys) if is_ruled(key))

    def _dates(self) -> Iterator[int]:
        rows = self._batch.rows
        yield from _nonzero(rows.expires)
        if self._least_age_s:
            # While the last claim counts, the others matter to what counts claims only.
            every = bool(self._basis.policy.min_confidence or self._review)
            young = self._basis.now - self._least_age_s
            yield from (
                place
                for place in _nonzero(rows.changed)
                if every or rows.changed[place] <= young or place in self._labelled
            )

    def _new(self) -> Iterator[int]:
        rows = self._batch.rows
        if figures := self._batch.figures:
            yield from (place for place, skey in enumerate(rows.skey) if skey in figures)
        if review := self._review:
            columns = zip(rows.claims, rows.first_source, rows.last_source, strict=True)
            yield from (
                place
                for place, (claims, first, last) in enumerate(columns)
                if claims > _MANY or first in review or last in review
            )

    def _sure(self) -> Iterator[int]:
        policy = self._basis.policy
        if not policy.min_confidence:
            return
        is_low = policy.confidence[self._batch.kind.value] < policy.min_confidence
        is_ruled = any(rules.confidence >= 0 for _, rules in self._basis.sources.values())
        yield from (
            place
            for place, said in enumerate(self._batch.rows.confidence)
            if is_low or is_ruled or said >= 0
        )


def _nonzero(numbers: Sequence[int]) -> Sequence[int]:
    """The places of those that are not 0: mostly of none."""
    if not any(numbers):
        return ()
    return [place for place, number in enumerate(numbers) if number]
