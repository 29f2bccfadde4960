"""A timeline in one line of text."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple

from vedette.pool.records import Day

_BLOCKS = "▁▂▃▄▅▆▇█"
_PLAIN = ".:-=+*#%"
_NONE = {_BLOCKS: "·", _PLAIN: " "}


class Bars(NamedTuple):
    """Days as bars of equal width."""

    text: str
    since: date
    until: date
    days: int
    """Days in one bar."""
    peak: Day
    """The day on which it was seen most often."""


def draw(days: Sequence[Day], width: int, *, blocks: bool | None = None) -> Bars | None:
    """Draw the days on which something was seen; None for none.

    A bar stands for one day, or for several where the time is longer than the line.

    Args:
        days: In order; days without a sighting are left out.
        width: Characters at most.
        blocks: Whether the terminal has block characters; None: as its encoding says.
    """
    if not days:
        return None
    since, until = days[0].day, days[-1].day
    span = (until - since).days + 1
    step = -(-span // max(width, 1))
    sums = [0] * -(-span // step)
    for day in days:
        sums[(day.day - since).days // step] += day.count
    ramp = _BLOCKS if (_has_blocks() if blocks is None else blocks) else _PLAIN
    top = max(sums)
    text = "".join(ramp[-(-n * len(ramp) // top) - 1] if n else _NONE[ramp] for n in sums)
    last = min(until, since + timedelta(days=len(sums) * step - 1))
    return Bars(text, since, last, step, max(days, key=lambda day: day.count))


def _has_blocks() -> bool:
    try:
        _BLOCKS.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
