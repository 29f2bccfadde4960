"""Judge what changed, and write down what that changes on the sensors.

Hard rule: whoever compiles, hunts or matches calls :func:`guard` first. It is cheap if nothing
changed, idempotent, and a kill at any instant costs nothing but time: the next call goes on.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain, islice

import structlog
from msgspec import Struct

from vedette.errors import BusyError, PoolError
from vedette.model import IndicatorType
from vedette.pipeline.figures import GIVE_UP_S, Asker, why_never
from vedette.pipeline.flips import flips_of
from vedette.pipeline.hub import Hub
from vedette.pipeline.judging import Basis, Batch, Judge
from vedette.pipeline.lock import exclusive
from vedette.store.claims import FoldedRows, Place
from vedette.store.keys import to_skey
from vedette.store.verdicts import Flip, Kept, Mark

log = structlog.get_logger(__name__)

NAMED_MAX = 100_000
"""More changes on the sensors than these are not named: the next build reads all indicators."""
BATCH = 20_000
_WAIT_S = 120.0
_AGES_EVERY_S = 3_600
_CLOCK_S = 60
"""So far a clock may be put back without anybody having relied on it."""


class Guarded(Struct, frozen=True, kw_only=True):
    """What a call of :func:`guard` did."""

    judged: int = 0
    everything: bool = False
    """Whether all indicators were judged: the policy, a list or too much else changed."""
    verdicts: int = 0
    """That were written or forgotten."""
    withheld: int = 0
    """What leaves the sensors."""
    published: int = 0
    """What comes back to the sensors."""
    asked: bool = True
    """Whether the memory answered, if there was anything to ask it."""
    change_seq: int = 0
    """Up to which change everything has been judged."""


def guard(
    hub: Hub, asker: Asker | None = None, *, now: int = 0, everything: bool = False
) -> Guarded:
    """Bring the verdicts to what is known now.

    Args:
        hub: The open state directory (of the calling thread).
        asker: Whom to ask how common new indicators are; None: the daemon, if there is one.
        now: Epoch seconds; 0: the present.
        everything: Judge all indicators, whatever changed.

    Raises:
        BusyError: Another Vedette is at it for two minutes.
        ConfigError: A setting of [guard] means nothing.
        StoreError: SQLite failed.
    """
    with judged(hub, asker, now=now, everything=everything) as done:
        return done


@contextmanager
def judged(
    hub: Hub, asker: Asker | None = None, *, now: int = 0, everything: bool = False
) -> Iterator[Guarded]:
    """Do the same, and keep verdicts from changing while the caller reads them.

    Raises:
        BusyError: As :func:`guard`.
    """
    with (
        exclusive(hub.lock_file("guard"), "judging indicators", wait_s=_WAIT_S),
        hub.store.guarded(),
    ):
        yield _Run(hub, asker or Asker(), now or int(time.time())).run(everything=everything)


def is_due(hub: Hub, now: int = 0) -> bool:
    """Whether a source, a person or time changed what the guard would say; a moment's work.

    Another policy and other warning lists are not seen here: the next build looks at them.
    """
    now = now or int(time.time())
    store = hub.store
    mark = store.verdicts.mark()
    if mark is None:
        return store.claims.last_change() > 0
    return (
        store.claims.last_change() > mark.change_seq
        or store.rulings.mark() != mark.rulings
        or bool(store.rulings.ran_out(mark.at, now))
        or store.claims.is_expired(mark.at, now)
        or store.verdicts.is_due(now)
        or now < mark.at - _CLOCK_S
        or (now - mark.aged_at >= _AGES_EVERY_S and _ages(hub))
    )


def _ages(hub: Hub) -> bool:
    """Whether anything ages."""
    sources = hub.store.claims.sources().values()
    return bool(hub.settings.guard.age) or any(rules.age for _, rules in sources)


class _Run:
    """One call of :func:`guard`."""

    def __init__(self, hub: Hub, asker: Asker, now: int) -> None:
        self._hub, self._store, self._asker, self._now = hub, hub.store, asker, now
        self._before = hub.store.verdicts.mark() or Mark()
        self._basis = Basis.of(hub, now)
        self._judge = Judge(self._basis, hub.store.claims)
        self._judged_before: set[Place] = set()
        """Of what came since the guard was here last: what was listed then, by other claims."""
        self._asked_before: set[Place] = set()
        """The same since the memory was asked last."""
        self._judged = self._written = self._named = 0
        self._flipped = {True: 0, False: 0}
        self._ran_out = False

    def run(self, *, everything: bool) -> Guarded:
        store, before = self._store, self._before
        seq, rulings = store.claims.last_change(), store.rulings.mark()
        changed = store.claims.changed_since(before.change_seq)
        self._judged_before = store.claims.listed_before(before.change_seq)
        self._asked_before = (
            self._judged_before
            if before.asked_seq == before.change_seq
            else store.claims.listed_before(before.asked_seq)
        )
        is_due = self._now - before.aged_at >= _AGES_EVERY_S
        basis = self._basis.digest
        places: set[Place] | None = None
        # A clock that was wrong and is right again: what it made void is not.
        is_back = self._now < before.at - _CLOCK_S
        if changed is not None and basis == before.basis and not (everything or is_back):
            places = {*changed, *self._by_time(is_due), *self._by_people(rulings)}
        asked = self._ask(places, seq)
        if places is None:
            self._judge_all()
        else:
            self._judge_some(places)
        mark = Mark(
            change_seq=seq,
            at=self._now,
            basis=basis,
            rulings=rulings,
            aged_at=self._now if places is None or is_due else before.aged_at,
            asked_seq=asked.asked_seq,
            unasked_at=asked.unasked_at,
        )
        if self._judged or self._ran_out or mark._replace(at=before.at) != before:
            store.verdicts.move(mark)
        return self._result(seq, everything=places is None, asked=not asked.unasked_at)

    def _result(self, seq: int, *, everything: bool, asked: bool) -> Guarded:
        last = self._store.entries.last_change()
        done = Guarded(
            judged=self._judged,
            everything=everything,
            verdicts=self._written,
            withheld=self._flipped[False],
            published=self._flipped[True],
            asked=asked,
            # The guard's own changes are behind the last of others, unless more came meanwhile.
            change_seq=last if self._store.claims.last_change() <= seq else seq,
        )
        say = log.info if done.verdicts else log.debug
        say(
            "guard.judged",
            judged=done.judged,
            verdicts=done.verdicts,
            withheld=done.withheld,
            published=done.published,
        )
        return done

    # -- what to judge ------------------------------------------------------------------------

    def _by_time(self, is_due: bool) -> Iterator[Place]:
        """What became void, or whose verdict has a date that came."""
        before, store = self._before, self._store
        yield from store.claims.expired(before.at, self._now)
        yield from store.verdicts.due(self._now)
        ages, own_rules = self._basis.ages()
        if ages and is_due:
            yield from store.claims.aged(ages, own_rules, before.aged_at, self._now)

    def _by_people(self, mark: int) -> Iterator[Place]:
        """What rulings are about that were made, ended or ran out."""
        rulings = self._store.rulings
        some = rulings.changed_since(self._before.rulings) if mark != self._before.rulings else []
        ended = rulings.ran_out(self._before.at, self._now)
        self._ran_out = bool(ended)
        some += ended
        if some:
            for key in rulings.touched(some):
                yield key.type.value, to_skey(*key)

    # -- prevalence ---------------------------------------------------------------------------

    def _ask(self, places: set[Place] | None, seq: int) -> Mark:
        """Ask how common it is what is new; what somebody met is judged, too.

        Returns:
            ``asked_seq`` and ``unasked_at`` from now on.
        """
        before = self._before
        if seq == before.asked_seq or self._is_nobody_asked():
            return before._replace(asked_seq=seq, unasked_at=0)
        new = self._new(places)
        first = next(new, None)
        if first is None:
            return before._replace(asked_seq=seq, unasked_at=0)
        try:
            figures = self._asker.figures(self._hub, chain((first,), new))
            while some := list(islice(figures, BATCH)):
                self._store.verdicts.note_figures(some, self._now)
                if places is not None:
                    places.update(place for place, _ in some)
        except (PoolError, BusyError) as error:
            since = before.unasked_at or self._now
            log.warning("guard.unasked", error=str(error), hint=error.hint)
            given_up = self._now - since >= GIVE_UP_S
            return before._replace(
                asked_seq=seq if given_up else before.asked_seq,
                unasked_at=0 if given_up else since,
            )
        return before._replace(asked_seq=seq, unasked_at=0)

    def _is_nobody_asked(self) -> bool:
        settings = self._hub.settings
        if not (settings.guard.enabled and settings.guard.prevalence_hosts):
            return True
        return not self._asker.has_memory() and bool(why_never(settings))

    def _new(self, places: set[Place] | None) -> Iterator[Place]:
        """Yield what the memory was not asked about."""
        claims, since = self._store.claims, self._before.asked_seq
        if places is None or since != self._before.change_seq:
            yield from claims.new_since(since)
            return
        for kind, skeys in _by_type(places):
            rows = claims.folded_of(kind, skeys)
            for skey, seq in zip(rows.skey, rows.seq, strict=True):
                if seq > since:
                    yield kind.value, skey

    # -- judging ------------------------------------------------------------------------------

    def _judge_all(self) -> None:
        claims, verdicts = self._store.claims, self._store.verdicts
        for kind in IndicatorType:
            after: str | None = ""
            while after is not None:
                rows = claims.folded(kind, after, BATCH)
                last = rows.skey[-1] if rows else None
                kept = verdicts.between(kind, after, last)
                figures = verdicts.figures_between(kind, after, last)
                self._judge_batch(Batch(kind, rows, kept, figures, self._fresh(kind, rows)))
                after = last
        verdicts.forget_figures()

    def _judge_some(self, places: set[Place]) -> None:
        claims, verdicts = self._store.claims, self._store.verdicts
        for kind, skeys in _by_type(places):
            for start in range(0, len(skeys), BATCH):
                some = skeys[start : start + BATCH]
                rows = claims.folded_of(kind, some)
                figures = verdicts.figures_of(kind, some)
                kept = verdicts.of(kind, some)
                self._judge_batch(Batch(kind, rows, kept, figures, self._fresh(kind, rows)))
                if figures.keys() - set(rows.skey):
                    verdicts.forget_figures()

    def _fresh(self, kind: IndicatorType, rows: FoldedRows) -> frozenset[int]:
        """Places of what was not published before, as far as claims tell."""
        since, known = self._before.asked_seq, self._asked_before
        return frozenset(
            place
            for place, seq in enumerate(rows.seq)
            if seq > since and (kind.value, rows.skey[place]) not in known
        )

    def _judge_batch(self, batch: Batch) -> None:
        verdicts = self._judge.verdicts(batch)
        now: dict[str, Kept | None] = dict.fromkeys(batch.kept)
        for place, (verdict, is_new) in verdicts.items():
            skey = batch.rows.skey[place]
            old = batch.kept.get(skey)
            is_same = old and (old.outcome, old.test) == (verdict.outcome.value, verdict.test)
            at = old.at if old and is_same else self._now
            now[skey] = Kept.of(verdict, at=at, is_new=is_new)
        differ = {skey: kept for skey, kept in now.items() if kept != batch.kept.get(skey)}
        self._judged += len(batch.rows)
        if differ:
            self._write(batch, differ)

    def _write(self, batch: Batch, differ: Mapping[str, Kept | None]) -> None:
        flips = list(self._flips(batch, differ))
        for flip in flips:
            self._flipped[flip.added] += 1
        if self._named <= NAMED_MAX < self._named + len(flips):
            # First, so that a kill behind it cannot leave changes that nobody is told of.
            self._store.verdicts.note_bulk("the guard judges much otherwise")
        self._named += len(flips)
        self._store.verdicts.write(
            batch.kind,
            [(skey, kept) for skey, kept in differ.items() if kept],
            [skey for skey, kept in differ.items() if not kept],
            flips if self._named <= NAMED_MAX else [],
        )
        self._written += len(differ)

    def _flips(self, batch: Batch, differ: Mapping[str, Kept | None]) -> Iterator[Flip]:
        places = {skey: place for place, skey in enumerate(batch.rows.skey)}
        for skey, kept in differ.items():
            place = places.get(skey)
            is_unborn = (
                place is not None
                and batch.rows.seq[place] > self._before.change_seq
                and (batch.kind.value, skey) not in self._judged_before
            )
            yield from flips_of(
                batch.kind,
                skey,
                batch.kept.get(skey),
                kept,
                is_listed=place is not None,
                is_unborn=is_unborn,
            )


def _by_type(places: Iterable[Place]) -> Iterator[tuple[IndicatorType, list[str]]]:
    """Yield types with their sort keys, both in order."""
    by_type: dict[str, list[str]] = {}
    for kind, skey in places:
        by_type.setdefault(kind, []).append(skey)
    for kind in IndicatorType:
        if kind.value in by_type:
            yield kind, sorted(by_type[kind.value])
