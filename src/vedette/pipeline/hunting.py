"""Hunts by themselves: new indicators against the past, and newly seen values against the listed.

Idempotent: hunting again changes no count. What was hunted moves with the hits that came of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import chain, islice
from typing import NamedTuple, TypeVar

import msgspec
import structlog
from msgspec import Struct

from vedette.hunt.hits import hits, is_asked
from vedette.hunt.matching import indicators_of
from vedette.model import Entry, Hit, IndicatorType, Key
from vedette.pipeline.figures import Asker
from vedette.pipeline.guarding import guard
from vedette.pipeline.hub import Hub
from vedette.pipeline.lock import exclusive
from vedette.pipeline.memory import Memory
from vedette.pipeline.verdicts import Verdicts
from vedette.pool.records import Coverage, Cursor, Found, Place, Wanted, Who
from vedette.store import HuntMark
from vedette.store.hunts import FoundRow
from vedette.store.retro import Met

log = structlog.get_logger(__name__)
R = TypeVar("R")

SIGHTINGS_MAX = 100_000
"""More new sightings than these are not looked up one by one: all indicators are hunted instead."""
FOUND_KEPT = 100_000
"""Findings that a run of a hunt keeps; the hits have them all."""

KEYS_AT_ONCE = 400_000
"""Indicators of one join: the engine's sets of them are what takes memory (200 MB)."""

_REFRESHED_MAX = 50_000
_REFRESH = timedelta(hours=1)
_LAG = timedelta(minutes=2)
"""New sightings are written a moment before the sightings that a hunt finds."""
_AT_ONCE = 500
_WAIT_S = 5.0
_ALERT_DELAY = timedelta(minutes=1)
"""An alert may be written before the event of its protocol, and the other way round."""


class Reached(Struct, frozen=True, kw_only=True):
    """How far the new sightings have been looked at; kept in the store as JSON."""

    cursor: Cursor | None = None
    refreshed_at: datetime | None = None
    """When the indicators that have hits were last hunted again."""


class Hunted(Struct, frozen=True, kw_only=True):
    """What a hunt by itself did."""

    started_at: datetime
    finished_at: datetime
    indicators: int = 0
    """That were looked for."""
    everything: bool = False
    """Whether all listed indicators were, because too many changed to name them."""
    sightings: int = 0
    """New sightings that were compared with the listed indicators."""
    found: int = 0
    """Indicator, field and observed value."""
    hits: int = 0
    """Retro hits that came of it, and how many of them are new:"""
    new_hits: int = 0
    alerted: int = 0
    """Contacts that are no retro hit, because they have been alerted on."""
    run: int = 0
    """Number of the run, for ``vedette hunt show``; 0: nothing to keep."""


class RunBody(Struct, frozen=True, kw_only=True):
    """What the store keeps of a run, beside what it found."""

    indicators: int = 0
    found: int = 0
    kept: int = 0
    """Of what was found."""
    hits: int = 0
    new_hits: int = 0
    types: dict[str, int] = {}
    rejected: dict[str, int] = {}
    coverage: Coverage | None = None
    place: str = ""
    """The OpenSearch that was hunted in; ``""``: our own memory."""


def hunt_new(hub: Hub, memory: Memory, *, everything: bool = False) -> Hunted:
    """Hunt the indicators that are new since the last time, and the values newly seen.

    What the guard withholds is not hunted; what it lets through again, or was released, is.
    Cheap if there is nothing new: call it after each pull and whenever EVE came in.

    Args:
        hub: The open state directory (of the calling thread).
        memory: The memory to ask.
        everything: Hunt all listed indicators over the whole past, whatever was hunted before.

    Raises:
        BusyError: Another Vedette hunts on this state directory.
        PoolError: The memory cannot answer; the next call goes on from where this one began.
        StoreError: SQLite failed.
    """
    with exclusive(hub.lock_file("hunt"), "hunting", wait_s=_WAIT_S), hub.store.guarded():
        hub.store.entries.forget_contexts()
        judged = guard(hub, Asker(memory))
        return _Hunt(hub, memory, judged.change_seq).run(everything=everything)


class _Plan(NamedTuple):
    """What is looked for, and how far everything has been hunted afterwards."""

    keys: Iterable[Key]
    reached: Reached
    everything: bool
    is_kept: bool
    """Whether it is a run worth keeping even if it brings nothing new."""


class _Hunt:
    """One call of :func:`hunt_new`."""

    def __init__(self, hub: Hub, memory: Memory, seq: int) -> None:
        self._hub, self._memory, self._seq = hub, memory, seq
        self._started = datetime.now(UTC)
        self._verdicts = Verdicts(hub)
        self._indicators = self._found = self._hits = self._new = self._alerted = 0
        self._sightings = 0
        self._kept: list[FoundRow] = []

    def run(self, *, everything: bool) -> Hunted:
        store = self._hub.store
        mark = store.retro.mark()
        seq = self._seq
        is_first = everything or mark.at is None
        plan = None if is_first else self._named(mark, seq)
        plan = plan or _Plan(
            keys=self._all(),
            reached=Reached(cursor=self._before(), refreshed_at=self._started),
            everything=True,
            is_kept=True,
        )
        mark = HuntMark(change_seq=seq, cursor=_encode(plan.reached), at=self._started)
        self._hunt(plan.keys, mark)
        return self._result(plan)

    def _named(self, mark: HuntMark, seq: int) -> _Plan | None:
        """Plan what is new on either side; None if it is too much to name."""
        reached = _decode(mark.cursor)
        delta = self._delta(mark.change_seq, seq)
        seen = self._newly_seen(reached.cursor) if delta is not None else None
        if delta is None or seen is None:
            return None
        listed, cursor = seen
        is_due = reached.refreshed_at is None or self._started - reached.refreshed_at > _REFRESH
        return _Plan(
            keys=delta | listed | (self._with_hits() if is_due else set()),
            reached=Reached(
                cursor=cursor, refreshed_at=self._started if is_due else reached.refreshed_at
            ),
            everything=False,
            is_kept=bool(delta),
        )

    # -- what to look for -----------------------------------------------------------------

    def _delta(self, since: int, until: int) -> set[Key] | None:
        """Return the indicators that came since; None if they are too many to name."""
        if since == until:
            return set()
        entries = self._hub.store.entries
        changed = entries.changed_since(since)
        return None if changed is None else self._hub.store.published.listed(changed)

    def _all(self) -> Iterator[Key]:
        for kind in IndicatorType:
            yield from self._hub.store.published.keys(kind)

    def _with_hits(self) -> set[Key]:
        """Return the listed indicators that were met: the same value may have been seen since."""
        store = self._hub.store
        keys = store.retro.keys(limit=_REFRESHED_MAX)
        domains = (key for key in keys if key.type is IndicatorType.DOMAIN)
        exact = (Key(IndicatorType.HOSTNAME, key.value) for key in domains)
        return store.published.listed([*keys, *exact])

    def _newly_seen(self, cursor: Cursor | None) -> tuple[set[Key], Cursor | None] | None:
        """Return the listed indicators that values seen for the first time may be.

        And how far that went; None if so many values are new that it is cheaper to hunt everything.
        """
        wanted = Wanted(limit=SIGHTINGS_MAX + 1, learning=True)
        listed: set[Key] = set()
        reached = cursor
        for some in pieces(self._memory.new(wanted, cursor)):
            self._sightings += len(some)
            if self._sightings > SIGHTINGS_MAX:
                return None
            keys = {key for one in some for key in indicators_of(one.field, one.value)}
            listed |= self._hub.store.published.listed(keys)
            last = some[-1]
            if last.found_at < self._started - _LAG:
                reached = Cursor(found_at=last.found_at, field=last.field, value=last.value)
        return listed, reached

    def _before(self) -> Cursor:
        """Everything that came in until now has been hunted."""
        return Cursor(found_at=self._started - _LAG, field="", value="")

    # -- looking, and what comes of it ----------------------------------------------------

    def _hunt(self, keys: Iterable[Key], mark: HuntMark) -> None:
        found = found_in(self._memory, self._counted(keys))
        for some in pieces(found):
            self._found += len(some)
            if len(self._kept) < FOUND_KEPT:
                self._kept += map(found_row, some)
            self._record(some)
        self._hub.store.retro.record([], mark=mark)

    def _counted(self, keys: Iterable[Key]) -> Iterator[Key]:
        for key in keys:
            self._indicators += 1
            yield key

    def _record(self, some: tuple[Found, ...]) -> None:
        """Make hits of findings; written at once, so that nobody waits for the whole hunt."""
        store = self._hub.store
        keys = {Key(IndicatorType(one.type), one.indicator) for one in some}
        entries = store.published.lookup(keys)
        own = {key: _own(key, entries.get(key, ())) for key in keys}
        published = store.retro.published(keys)
        met = store.retro.met(own.values())
        who = who_of(self._memory, some)
        made: list[Hit] = []
        for one in some:
            key = Key(IndicatorType(one.type), one.indicator)
            live = self._verdicts.of(key, one.field, published.get(key))
            some_hits = hits(one, who.get((one.field, one.observed), ()), live)
            made += (replace(hit, key=own[key]) for hit in some_hits)
        alerted = [hit for hit in made if _is_alerted(hit, met)]
        kept = [hit for hit in made if not _is_alerted(hit, met)]
        claims = {own[key]: listed for key, listed in entries.items()}
        self._alerted += len(alerted)
        self._hits += len(kept)
        self._new += store.retro.record(
            ((hit, claims.get(hit.key, [])) for hit in kept), alerted=alerted
        )

    def _result(self, plan: _Plan) -> Hunted:
        hunted = Hunted(
            started_at=self._started,
            finished_at=datetime.now(UTC),
            indicators=self._indicators,
            everything=plan.everything,
            sightings=self._sightings,
            found=self._found,
            hits=self._hits,
            new_hits=self._new,
            alerted=self._alerted,
        )
        if self._indicators and (plan.is_kept or self._new):
            hunted = msgspec.structs.replace(hunted, run=self._keep(hunted))
        if self._indicators or self._sightings:
            say = log.info if hunted.run else log.debug
            say(
                "hunt.finished",
                indicators=hunted.indicators,
                sightings=hunted.sightings,
                found=hunted.found,
                new_hits=hunted.new_hits,
            )
        return hunted

    def _keep(self, hunted: Hunted) -> int:
        body = RunBody(
            indicators=hunted.indicators,
            found=hunted.found,
            kept=len(self._kept),
            hits=hunted.hits,
            new_hits=hunted.new_hits,
            coverage=self._memory.coverage(),
        )
        return self._hub.store.hunts.add_run(
            hunt="",
            label="all indicators" if hunted.everything else "new indicators",
            started_at=hunted.started_at,
            finished_at=hunted.finished_at,
            body=msgspec.json.encode(body),
            found=self._kept,
        )


def _own(key: Key, claims: Sequence[Entry]) -> Key:
    """As what an alert would name it: a hostname may be a domain that is published exactly."""
    domain = Key(IndicatorType.DOMAIN, key.value)
    return domain if any(claim.key == domain for claim in claims) else key


def found_in(memory: Memory, keys: Iterable[Key]) -> Iterator[Found]:
    """Yield which of any number of indicators the network has met, in bounded memory."""
    left = iter(keys)
    for key in left:
        yield from memory.found(chain((key,), islice(left, KEYS_AT_ONCE - 1)))


def who_of(memory: Memory, some: Iterable[Found]) -> dict[tuple[str, str], list[Who]]:
    """Return who showed the values that were found, where that is known and not too many."""
    places = {Place(one.field, one.observed) for one in some if is_asked(one)}
    who: dict[tuple[str, str], list[Who]] = {}
    for chunk in pieces(sorted(places, key=lambda at: (at.field, at.value))):
        for one in memory.who(chunk):
            who.setdefault((one.field, one.value), []).append(one)
    return who


def pieces(items: Iterable[R], size: int = _AT_ONCE) -> Iterator[tuple[R, ...]]:
    """Yield items some at a time."""
    left = iter(items)
    while some := tuple(islice(left, size)):
        yield some


def found_row(one: Found) -> FoundRow:
    """Return a finding as the store keeps it."""
    body = msgspec.json.encode(one).decode()
    return FoundRow(one.type, one.indicator, one.field, one.observed, body)


def _is_alerted(hit: Hit, met: dict[Met, datetime]) -> bool:
    """Whether an alert or the EVE reader has met this client with it already, from the first on."""
    at = met.get(Met(hit.key, hit.observed, hit.sensor, hit.client))
    return at is not None and at <= hit.first_seen + _ALERT_DELAY


def _decode(text: str) -> Reached:
    return msgspec.json.decode(text, type=Reached) if text else Reached()


def _encode(reached: Reached) -> str:
    return msgspec.json.encode(reached).decode()
