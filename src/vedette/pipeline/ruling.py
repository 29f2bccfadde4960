"""Take a person's decision on values in any spelling, and say what it will change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import structlog
from msgspec import Struct

from vedette.errors import UsageError
from vedette.model import IndicatorType, Key, Outcome, Ruling, RulingKind
from vedette.pipeline.hub import Hub
from vedette.pipeline.meaning import meant_by, ruled_on
from vedette.store import Judged, Ruled, Wanted

log = structlog.get_logger(__name__)

_AT_ONCE = 1_000
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
    touched = 0
    for key in store.rulings.touched(made):
        touched += 1
        meeting.update(one.id for one in ruled.of(key))
    _log(ruling, made, touched)
    return Decided(
        made=tuple(made),
        touched=touched,
        unlisted=tuple(one.value for one in made if one.id not in meeting),
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
    return Decided(made=tuple(made), touched=len(made), refused=tuple(refused))


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
                yield text, withheld, "" if withheld else "it is not held"


def _is_withheld(verdict: Judged | None) -> bool:
    return verdict is not None and verdict.outcome in (Outcome.HOLD, Outcome.DROP)


def _log(kind: RulingKind, made: list[Ruling], touched: int) -> None:
    log.info("ruling.made", kind=kind.value, rulings=len(made), touched=touched)
