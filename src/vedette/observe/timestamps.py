"""Times of EVE as microseconds since 1970, UTC.

A sensor writes many events a second, so the second and the zone are looked up, not parsed.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

END_US = (1 << 32) * 1_000_000
"""The first moment that is too late: in 2106."""

_TIMESTAMP = re.compile(
    r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:?\d\d)?", re.ASCII
).fullmatch
_ZONE = re.compile(r"Z|([+-])(\d\d):?(\d\d)", re.ASCII).fullmatch
_USUAL = 31
"""Length of ``2026-11-24T10:15:01.123456+0000``."""
_MINUTE_S, _HOUR_S = 60, 3600


def micros(text: str) -> int | None:
    """Return the time; None if it is no timestamp, or before 1970, or after 2106.

    A time without a zone is UTC. Digits behind the microsecond are cut off.
    """
    fraction = text[20:26]
    if len(text) == _USUAL and text[19] == "." and fraction.isdecimal() and fraction.isascii():
        seconds, offset = _seconds(text[:19]), _offset(text[26:])
    elif match := _TIMESTAMP(text):
        seconds, offset = _seconds(match[1]), _offset(match[3] or "Z")
        fraction = (match[2] or "")[:6].ljust(6, "0")
    else:
        return None
    if seconds is None or offset is None:
        return None
    time_us = (seconds - offset) * 1_000_000 + int(fraction)
    return time_us if 0 <= time_us < END_US else None


@lru_cache(maxsize=4096)
def _seconds(text: str) -> int | None:
    """Return ``2026-11-24T10:15:01`` as if it were UTC."""
    if not _TIMESTAMP(text):
        return None
    try:
        return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())
    except ValueError:
        return None


@lru_cache(maxsize=256)
def _offset(text: str) -> int | None:
    """Return the seconds by which a zone is ahead of UTC."""
    match = _ZONE(text)
    if match is None:
        return None
    if match[0] == "Z":
        return 0
    seconds = int(match[2]) * _HOUR_S + int(match[3]) * _MINUTE_S
    return -seconds if match[1] == "-" else seconds
