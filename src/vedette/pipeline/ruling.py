"""Take a person's decision on values in any spelling, and say what it will change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

import structlog
from msgspec import Struct

from vedette.errors import UsageError
from vedette.model import IndicatorType, Key, Outcome, Ruling, RulingKind
from vedette.pipeline.covering import still_alerting
from vedette.pipeline.hub import Hub
from vedette.pipeline.meaning import meant_by, ruled_on
from vedette.store import Judged, Ruled, Wanted

log = structlog.get_logger(__name__)

_AT_ONCE = 1_000
_FINAL = frozenset({"own", "impossible"})
"""Tests that go before whatever a person releases or denies."""
_EVERYTHING = 10_000_000


class Decided(Struct, frozen=True, kw_only=True):
    """What became of a decision."""

    made: tuple[Ruling, ...]
    touched: int
    """Listed indicators that it is about."""
    unlisted: tuple[str, ...] = ()
    """Values of it about which no source says anything."""
    refused: tuple[tuple[str, str], ...] = ()
    """Values that it cannot be about, with why."""
    alerting: tuple[tuple[str, str], ...] = ()
    """Values taken off the sensors, with the published name or network that alerts on them."""
    powerless: tuple[tuple[str, str], ...] = ()
    """Denied values that stay off the sensors all the same, with why."""


def rule(
    hub: Hub,
    ruling: RulingKind,
    texts: Iterable[str],
    *,
    who: str,
    why: str,
    until: int = 0,
    kind: str = "",
    exact: bool = False,
) -> Decided:
    """Allow or deny values, listed or not, with what is below or within them unless ``exact``.

    Raises:
        UsageError: A value cannot be ruled on, no reason is given, or the opposite is in force.
    """
    meant = [ruled_on(text, kind) for text in texts]
    store = hub.store
    made = store.rulings.add_all(
        ruling,
        [Key(IndicatorType(of_type), value) for of_type, value in meant if of_type],
        words=[value for of_type, value in meant if not of_type],
        below=not exact,
        who=who,
        why=why,
        until=until,
    )
    ruled, meeting = Ruled(made), set[int]()
    touched, first = 0, list[Key]()
    for key in store.rulings.touched(made):
        touched += 1
        if len(first) < _AT_ONCE:
            first.append(key)
        meeting.update(one.id for one in ruled.of(key))
    _log(ruling, made, touched)
    return Decided(
        made=tuple(made),
        touched=touched,
        unlisted=tuple(one.value for one in made if one.id not in meeting),
        alerting=_alerting(hub, made) if ruling is RulingKind.ALLOW else (),
        powerless=_powerless(hub, first) if ruling is RulingKind.DENY else (),
    )


def unrule(
    hub: Hub, ruling: RulingKind, texts: Iterable[str], *, who: str, why: str, kind: str = ""
) -> Decided:
    """End what is allowed or denied.

    Raises:
        UsageError: Nothing of the kind is in force on one of the values; then nothing ends.
    """
    in_force = hub.store.rulings.in_force(kinds=[ruling])
    ids: list[int] = []
    for text in texts:
        of_type, value = ruled_on(text, kind)
        mine = [
            one.id for one in in_force if one.value == value and (not kind or one.type == of_type)
        ]
        if not mine:
            raise UsageError(
                f"{value} is not on the {ruling.value} list",
                hint=f"See: vedette {ruling.value} list",
            )
        ids += mine
    ended = hub.store.rulings.end(ids, who=who, why=why)
    touched = sum(1 for _ in hub.store.rulings.touched(ended))
    log.info("ruling.ended", kind=ruling.value, rulings=len(ended), touched=touched)
    return Decided(made=tuple(ended), touched=touched)


def hold(hub: Hub, texts: Iterable[str], *, who: str, why: str, until: int = 0) -> Decided:
    """Keep listed indicators from the sensors until they are released.

    Raises:
        UsageError: No reason is given.
    """
    return _decide(hub, RulingKind.HOLD, texts, who=who, why=why, until=until)


def release(hub: Hub, texts: Iterable[str], *, who: str, why: str, until: int = 0) -> Decided:
    """Publish what is held, or dropped for being on a warning list.

    Raises:
        UsageError: No reason is given.
    """
    return _decide(hub, RulingKind.RELEASE, texts, who=who, why=why, until=until)


def release_all(hub: Hub, held: Iterable[Judged], *, who: str, why: str, until: int = 0) -> Decided:
    """Publish these held indicators.

    Raises:
        UsageError: No reason is given.
    """
    keys = [one.key for one in held]
    made = hub.store.rulings.add_all(RulingKind.RELEASE, keys, who=who, why=why, until=until)
    _log(RulingKind.RELEASE, made, len(made))
    return Decided(made=tuple(made), touched=len(made))


def held(hub: Hub, wanted: Wanted) -> list[Judged]:
    """All held indicators that a list is of, whatever its limit."""
    everything = Wanted(
        source=wanted.source, type=wanted.type, reason=wanted.reason, limit=_EVERYTHING
    )
    return hub.store.inbox.judged(Outcome.HOLD, everything)


def _decide(
    hub: Hub, kind: RulingKind, texts: Iterable[str], *, who: str, why: str, until: int
) -> Decided:
    keys: list[Key] = []
    refused: list[tuple[str, str]] = []
    left = iter(texts)
    while some := list(islice(left, _AT_ONCE)):
        for text, mine, why_not in _decidable(hub, kind, some):
            keys += mine
            if why_not:
                refused.append((text, why_not))
    made = hub.store.rulings.add_all(kind, keys, who=who, why=why, until=until)
    _log(kind, made, len(made))
    return Decided(
        made=tuple(made),
        touched=len(made),
        refused=tuple(refused),
        alerting=_alerting(hub, made) if kind is RulingKind.HOLD else (),
    )


def _alerting(hub: Hub, made: Iterable[Ruling]) -> tuple[tuple[str, str], ...]:
    return tuple(
        dict.fromkeys(
            (one.value, key.value)
            for one in islice(made, _AT_ONCE)
            for key in still_alerting(hub, one)
        )
    )


def _powerless(hub: Hub, keys: list[Key]) -> tuple[tuple[str, str], ...]:
    """Say of denied indicators what a denial does not change, as the guard saw them last."""
    verdicts = hub.store.inbox.verdicts(keys)
    return tuple((key.value, why) for key in keys if (why := _for_good(verdicts.get(key))))


def _for_good(verdict: Judged | None) -> str:
    """Why neither a release nor a denial brings it back; ``""``: one may."""
    return verdict.reason if verdict and verdict.test in _FINAL else ""


def _decidable(
    hub: Hub, kind: RulingKind, texts: list[str]
) -> Iterator[tuple[str, list[Key], str]]:
    """Yield each text with the indicators that it is, or why it is none to decide about."""
    meant = {text: meant_by(text).keys for text in texts}
    every = [key for keys in meant.values() for key in keys]
    listed = hub.store.entries.listed(every)
    verdicts = hub.store.inbox.verdicts(listed)
    rulings = hub.store.rulings.applying_to(listed)
    for text, keys in meant.items():
        mine = [key for key in keys if key in listed]
        if not mine:
            yield text, [], "no source lists it"
        elif kind is RulingKind.HOLD:
            yield text, mine, ""
        else:
            said = {key: {one.kind for one in rulings.get(key, ())} for key in mine}
            withheld = [
                key
                for key in mine
                if _is_withheld(verdicts.get(key)) or RulingKind.HOLD in said[key]
            ]
            if any(RulingKind.ALLOW in kinds for kinds in said.values()):
                yield text, [], "it is on the allow list: vedette allow remove"
            else:
                yield text, *_releasable(withheld, verdicts, said)


def _releasable(
    withheld: list[Key],
    verdicts: Mapping[Key, Judged],
    said: Mapping[Key, set[RulingKind]],
) -> tuple[list[Key], str]:
    """Return what a release changes anything about; why not, if nothing."""
    mine, why = [], "it is not held"
    for key in withheld:
        verdict = verdicts.get(key)
        if RulingKind.HOLD in said[key]:
            mine.append(key)
        elif reason := _for_good(verdict):
            why = f"a release does not bring it back: {reason}"
        elif verdict and verdict.test == "expired":
            why = f"it is over ({verdict.reason}); to alert on it all the same: vedette deny add"
        else:
            mine.append(key)
    return mine, "" if mine else why


def _is_withheld(verdict: Judged | None) -> bool:
    return verdict is not None and verdict.outcome in (Outcome.HOLD, Outcome.DROP)


def _log(kind: RulingKind, made: list[Ruling], touched: int) -> None:
    log.info("ruling.made", kind=kind.value, rulings=len(made), touched=touched)
