"""How much a source may change by itself; beyond it a person is asked."""

from __future__ import annotations

SHRINK_HELD_BELOW = 2 / 3
"""A source that keeps less than this share of its entries is held for a person."""

_GROWTH_FINE = 100_000
_GROWTH_HELD_ABOVE = 10
_ENTRIES_UNASKED = 5_000_000


def most_entries(before: int) -> int:
    """How many values one pull may bring unless a person accepts more.

    Ten times what the source had, and always 100,000; but five millions, or twice what was
    accepted before, only if somebody was asked: every sensor would have to hold them.
    """
    if not before:
        return _ENTRIES_UNASKED
    ceiling = max(_ENTRIES_UNASKED, 2 * before)
    return min(max(_GROWTH_FINE, _GROWTH_HELD_ABOVE * before), ceiling)
