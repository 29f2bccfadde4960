"""How the guard's reasons spell figures, dates and people."""

from __future__ import annotations

from datetime import UTC, datetime

from vedette.model import Ruling

_SPANS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))
_LAST_YEAR = 253_370_764_800
"""The year 9999: what is later says never, and no calendar can spell it."""


def day(at: int) -> str:
    """The UTC date of epoch seconds."""
    return datetime.fromtimestamp(min(at, _LAST_YEAR), UTC).date().isoformat()


def moment(at: int) -> str:
    """The UTC time of epoch seconds, to the minute."""
    return datetime.fromtimestamp(min(at, _LAST_YEAR), UTC).strftime("%Y-%m-%d %H:%MZ")


def span(seconds: int) -> str:
    """A length of time in its largest whole unit: ``90 days``."""
    name, unit = next((name, unit) for name, unit in _SPANS if seconds % unit == 0)
    return plural(seconds // unit, name)


def plural(n: int, what: str) -> str:
    """``1 day``, ``1,200 days``."""
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


def hosts(n: int) -> str:
    """``34 of our hosts``."""
    return "1 of our hosts" if n == 1 else f"{n:,} of our hosts"


def said(ruling: Ruling) -> str:
    """Who ruled, when, until when, on what, and why."""
    until = f" until {moment(ruling.until)}" if ruling.until else ""
    wide = f" with all of {ruling.value}" if ruling.below else ""
    return f"by {ruling.who} on {day(ruling.at)}{until}{wide}: {ruling.why}"
