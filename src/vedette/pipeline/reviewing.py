"""Why an indicator is on the sensors or is not: everything that is known about one value.

Hard rule: what is said here comes from where it is decided (the guard's own chain, the files of the
generation, the sensors' proofs), never from a second opinion.
"""

from __future__ import annotations

import time
from datetime import datetime
from enum import StrEnum
from shlex import quote

from msgspec import Struct

from vedette.model import Entry, IndicatorType, Key, Outcome, Ruling, RulingKind
from vedette.normalize import ancestors
from vedette.pipeline.covering import covering
from vedette.pipeline.explaining import explained
from vedette.pipeline.hub import Hub
from vedette.pipeline.meaning import Meant, meant_by
from vedette.pipeline.recalling import Past, recall
from vedette.pipeline.whereabouts import OnSensor, Whereabouts
from vedette.store import Fired, Judged, PastRuling, SourceRecord, Withdrawn

_UNJUDGED = "unjudged"
_NEW = "new: the next build judges it before it goes to any sensor"
_NAMES = (IndicatorType.DOMAIN, IndicatorType.HOSTNAME)


class State(StrEnum):
    """What has become of an indicator."""

    PUBLISHED = "published"
    EXACT = "exact"
    """Published, without the names below it."""
    COVERED = "covered"
    """A published name above it alerts on it as well, so it is left out."""
    WAITING = "waiting"
    """Let through, and in no generation yet."""
    UNMATCHED = "unmatched"
    """Let through, and no rule of any sensor can match it."""
    HELD = "held"
    DROPPED = "dropped"


class Tested(Struct, frozen=True, kw_only=True):
    """What one test of the guard said."""

    test: str
    outcome: str
    """``pass``, ``label``, or what it decided."""
    text: str


class RefusedValue(Struct, frozen=True, kw_only=True):
    """A value that a source has and that cannot be used."""

    source: str
    ref: str
    reason: str


class About(Struct, frozen=True, kw_only=True):
    """One listed indicator that a value may mean."""

    type: IndicatorType
    value: str
    state: State
    why: str
    """One line; ``""``: nothing speaks against it."""
    entries: tuple[Entry, ...]
    steps: tuple[Tested, ...]
    """The guard's tests up to the one that decided."""
    verdict: Judged | None
    """As it is in force; None: published, with nothing to say."""
    is_stale: bool
    """Whether the tests say something else now: the next build applies it."""
    covered_by: str
    """The published name or network that alerts on it as well, even if it is withheld itself."""
    rulings: tuple[Ruling, ...]
    """In force, the most specific first."""
    past_rulings: tuple[PastRuling, ...]
    """On exactly this value, ended or run out."""
    published_at: datetime | None
    """When the first generation was built that has it, and had it ever since."""
    sensors: tuple[OnSensor, ...]
    fired: Fired | None
    is_asked: bool
    """Whether it is the value itself and no name above it."""
    next: tuple[str, ...]
    """Commands, with what they are for."""


class SourceTrouble(Struct, frozen=True, kw_only=True):
    """Why a source may not list what it should."""

    source: str
    why: str


class Review(Struct, frozen=True, kw_only=True):
    """The answer on one pasted value."""

    asked: str
    meant: Meant
    indicators: tuple[About, ...]
    """Listed ones: of the value itself, then of names above it."""
    unusable: tuple[RefusedValue, ...]
    """Where a source gave exactly this."""
    withdrawn: tuple[Withdrawn, ...]
    """When it went from a source last."""
    sources: tuple[SourceTrouble, ...]
    left_out: dict[str, int]
    """Values that sources have and that are no indicators here, by reason; not kept one by one."""
    listed: int
    """All indicators."""
    past: Past | None
    """None: nobody who has the memory open answers."""
    rulings: tuple[Ruling, ...]
    """In force on the value, listed or not."""
    next: tuple[str, ...]


def review(hub: Hub, text: str, *, now: int = 0) -> Review:
    """Tell all that is known about a value in any spelling.

    Raises:
        StoreError: The database cannot be read.
    """
    now = now or int(time.time())
    store = hub.store
    meant = meant_by(text)
    above = {
        Key(IndicatorType.DOMAIN, name): None
        for key in meant.keys
        if key.type in _NAMES
        for name in ancestors(key.value)
    }
    entries = store.entries.lookup([*meant.keys, *above])
    keys = [key for key in (*meant.keys, *above) if key in entries]
    reviewer = _Reviewer(hub, keys, now)
    indicators = tuple(
        reviewer.about(key, tuple(entries[key]), is_asked=key in meant.keys) for key in keys
    )
    itself = any(one.is_asked for one in indicators)
    applying = store.rulings.applying_to(meant.keys, now)
    rulings = {one.id: one for some in applying.values() for one in some}
    troubles = [] if itself else _troubles(store.sources())
    return Review(
        asked=text,
        meant=meant,
        indicators=indicators,
        unusable=tuple(
            RefusedValue(source=source, ref=ref, reason=reason)
            for source, ref, reason in store.inbox.rejected((text, text.strip()))
        ),
        withdrawn=() if itself else tuple(store.inbox.withdrawn(meant.keys)),
        sources=tuple(troubles),
        left_out={} if itself else store.skipped(),
        past=recall(hub, text),
        listed=sum(store.entries.counts().values()),
        rulings=tuple(rulings.values()),
        next=() if indicators else _next_for_unlisted(text, meant, troubles),
    )


class _Reviewer:
    """Knows what is the same for all indicators of one review."""

    def __init__(self, hub: Hub, keys: list[Key], now: int) -> None:
        self._hub = hub
        self._now = now
        self._steps = explained(hub, keys, now=now)
        self._where = Whereabouts(hub)

    def about(self, key: Key, entries: tuple[Entry, ...], *, is_asked: bool) -> About:
        store = self._hub.store
        steps = tuple(
            Tested(test=step.test, outcome=step.outcome, text=step.text)
            for step in self._steps[key]
        )
        verdict = store.inbox.verdicts([key]).get(key)
        outcome = verdict.outcome if verdict else Outcome.PUBLISH
        is_judged = store.published.outcomes([key]).get(key) != _UNJUDGED
        passes = is_judged and outcome in (Outcome.PUBLISH, Outcome.EXACT)
        covered_by = self._covering(key) if is_judged and (not passes or key.type in _NAMES) else ""
        compiled = self._compiled(key, outcome, covered_by if passes else "")
        sensors = tuple(self._where.on_sensors(compiled))
        state = self._state(outcome, covered_by, compiled) if is_judged else State.WAITING
        is_stale = is_judged and steps[-1].outcome != outcome.value
        rulings = store.rulings.applying_to([key], self._now).get(key, ())
        return About(
            type=key.type,
            value=key.value,
            state=state,
            why=self._why(state, verdict, covered_by, compiled) if is_judged else _NEW,
            entries=entries,
            steps=steps,
            verdict=verdict,
            is_stale=is_stale,
            covered_by=covered_by,
            rulings=rulings,
            past_rulings=tuple(
                past
                for past in store.rulings.of_value(key.value)
                if not past.is_in_force(self._now)
            ),
            published_at=self._where.since(compiled, verdict) if passes else None,
            sensors=sensors,
            fired=store.firing.of(key),
            is_asked=is_asked,
            next=_next(key, State.WAITING if is_stale else state, steps, rulings, covered_by),
        )

    def _covering(self, key: Key) -> str:
        found = covering(self._hub, key)
        return found.value if found else ""

    @staticmethod
    def _compiled(key: Key, outcome: Outcome, covered_by: str) -> Key:
        """As what it stands in a generation."""
        if covered_by:
            return Key(IndicatorType.DOMAIN, covered_by)
        return Key(IndicatorType.HOSTNAME, key.value) if outcome is Outcome.EXACT else key

    def _state(self, outcome: Outcome, covered_by: str, compiled: Key) -> State:
        if outcome in (Outcome.HOLD, Outcome.DROP):
            return State.HELD if outcome is Outcome.HOLD else State.DROPPED
        if covered_by:
            return State.COVERED
        if self._where.blind(compiled.type):
            return State.UNMATCHED
        if self._where.is_in_eve(compiled.type):
            return State.PUBLISHED
        if not self._where.is_compiled(compiled):
            return State.UNMATCHED if self._where.unmatched(compiled) else State.WAITING
        return State.EXACT if outcome is Outcome.EXACT else State.PUBLISHED

    def _why(self, state: State, verdict: Judged | None, covered_by: str, compiled: Key) -> str:
        reason = verdict.reason if verdict else ""
        match state:
            case State.COVERED:
                return f"alerts come from {covered_by}, which covers it"
            case State.HELD | State.DROPPED if covered_by:
                return f"{reason}; but {covered_by} is published, and alerts on it as well"
            case State.WAITING:
                return self._where.why_waiting()
            case State.UNMATCHED:
                return self._where.unmatched(compiled) or self._where.blind(compiled.type)
            case _:
                return reason


def _troubles(sources: list[SourceRecord]) -> list[SourceTrouble]:
    """Say of which sources the store does not have what they have now."""
    found = []
    for record in sources:
        last = record.last_pull
        if last is None:
            why = "was never pulled"
        elif last.outcome in ("failed", "held"):
            good = record.last_good_at
            since = f"since {good:%Y-%m-%d %H:%M}Z" if good else "ever"
            why = f"{last.outcome}, nothing new {since}: {last.error}"
        else:
            continue
        found.append(SourceTrouble(source=record.name, why=why))
    if not sources:
        found.append(SourceTrouble(source="", why="there is no source yet"))
    return found


def _next(
    key: Key,
    state: State,
    steps: tuple[Tested, ...],
    rulings: tuple[Ruling, ...],
    covered_by: str,
) -> tuple[str, ...]:
    value = quote(key.value)
    allow = f"vedette allow add {value} --why TEXT     (never alert on it)"
    hold = f"vedette indicator hold {value} --why TEXT     (off the sensors for now)"
    release = f"vedette indicator release {value} --why TEXT     (publish it)"
    deny = f"vedette deny add {value} --why TEXT     (names below it too)"
    commands = {
        State.PUBLISHED: (allow, hold),
        State.COVERED: (allow, hold),
        State.EXACT: (deny, allow),
        State.WAITING: ("vedette bundle build     (`vedette run` does it by itself)",),
        State.UNMATCHED: ("vedette coverage     (what each engine can match)",),
        State.HELD: (release, allow),
        State.DROPPED: _undrop(value, steps[-1].test, rulings) or (release,),
    }
    if covered_by and state in (State.HELD, State.DROPPED):
        return (*commands[state], f"vedette indicator show {quote(covered_by)}     (alerts on it)")
    return commands[state]


def _undrop(value: str, test: str, rulings: tuple[Ruling, ...]) -> tuple[str, ...]:
    """What takes a drop back that a release does not."""
    if test == "allow":
        on = next((one.value for one in rulings if one.kind is RulingKind.ALLOW), value)
        return (f"vedette allow remove {quote(on)} --why TEXT     (alert on it again)",)
    if test == "own":
        return ("vedette.toml, [guard] own     (what is ours)",)
    if test == "expired":
        return (f"vedette deny add {value} --why TEXT     (alert on it all the same)",)
    return ()


def _next_for_unlisted(text: str, meant: Meant, troubles: list[SourceTrouble]) -> tuple[str, ...]:
    found = [
        f"vedette source pull {one.source}     ({one.why.partition(',')[0]})"
        for one in troubles
        if one.source
    ]
    if meant.value:
        found.append(
            f"echo {quote(meant.value)} | vedette indicator import - --name NAME --why TEXT"
            "     (list it yourself)"
        )
        found.append(f"vedette sighting show {quote(text)}     (whether it was ever met)")
    return tuple(found)
