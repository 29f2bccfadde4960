"""What another verdict changes on the sensors, indicator by indicator, with the reason."""

from __future__ import annotations

from collections.abc import Iterator

from vedette.model import IndicatorType, Key, Outcome
from vedette.store.keys import from_skey
from vedette.store.verdicts import Flip, Kept

_SAYS = {Outcome.HOLD.value: "held", Outcome.DROP.value: "dropped", Outcome.EXACT.value: "exact"}


def flips_of(
    kind: IndicatorType,
    skey: str,
    old: Kept | None,
    new: Kept | None,
    *,
    is_listed: bool,
    is_unborn: bool,
) -> Iterator[Flip]:
    """Yield what is published from now on, and what is not any more.

    A domain that is exact is published as the hostname of its name: both are told.

    Args:
        kind: The type of the indicator.
        skey: Its sort key.
        old: The verdict that was kept.
        new: The verdict that is kept now.
        is_listed: Whether any source lists it; that it does not any more is told already.
        is_unborn: Whether it came after the guard was here last; that is told already.
    """
    key, reason = from_skey(kind, skey), _reason(old, new)
    is_told = not is_listed or (is_unborn and old is None)
    if not is_told and _is_itself(old) != _is_itself(new):
        yield Flip(_is_itself(new), key, reason)
    was_exact, is_exact = _is_exact(old), is_listed and _is_exact(new)
    if was_exact != is_exact:
        why = reason if is_listed else "no source lists the domain any more"
        yield Flip(is_exact, Key(IndicatorType.HOSTNAME, key.value), why)


def _is_itself(kept: Kept | None) -> bool:
    return kept is None or kept.outcome == Outcome.PUBLISH.value


def _is_exact(kept: Kept | None) -> bool:
    return kept is not None and kept.outcome == Outcome.EXACT.value


def _reason(old: Kept | None, new: Kept | None) -> str:
    if new and new.outcome in _SAYS:
        return f"{_SAYS[new.outcome]}: {new.reason}"
    if new and new.reason:
        return new.reason
    return (
        f"not {_SAYS[old.outcome]} any more ({old.reason})" if old and old.outcome in _SAYS else ""
    )
