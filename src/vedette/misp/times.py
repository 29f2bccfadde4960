"""MISP's times as epoch seconds: when an attribute was last changed or seen, whether it decayed."""

from __future__ import annotations

from datetime import UTC, datetime

from vedette.misp.wire import Attribute, Scalar

_DAY_S = 86_400


def seconds(stamp: Scalar) -> int:
    """Read a timestamp as MISP writes it; 0 for what is none."""
    try:
        return max(int(stamp or 0), 0)
    except ValueError:
        pass
    except OverflowError:
        return 0
    try:
        return max(int(float(stamp or 0)), 0)
    except (ValueError, OverflowError):
        return 0


def iso_seconds(text: str | None) -> int:
    """Read a ``last_seen``; without a zone it is UTC, and 0 for what is none."""
    if not text:
        return 0
    try:
        moment = datetime.fromisoformat(text)
        return max(int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()), 0)
    except (ValueError, OverflowError):
        return 0


def last_change(attribute: Attribute, *, event_time: int, now: int) -> int:
    """When an attribute was last changed or seen, epoch seconds; 0 if nobody says.

    A time in the future is a mistake, and would keep the indicator for ever: it does not count.

    Args:
        attribute: The attribute.
        event_time: Its event's timestamp, where the attribute has none.
        now: The time of the pull.
    """
    latest = now + _DAY_S
    changed = seconds(attribute.timestamp)
    if changed > latest:
        changed = 0
    if attribute.last_seen and changed < (seen := iso_seconds(attribute.last_seen)) <= latest:
        changed = seen
    return changed or (event_time if event_time <= latest else 0)


def is_decayed(attribute: Attribute) -> bool:
    """Whether every decaying model that MISP applies to it says that it is void."""
    return bool(attribute.decay_score) and all(
        score.decayed is True for score in attribute.decay_score or ()
    )
