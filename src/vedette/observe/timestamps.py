"""Times of EVE as microseconds since 1970, UTC.

A sensor writes many events a minute, so the minute and the zone are looked up, not parsed.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

END_US = (1 << 32) * 1_000_000
"""The first moment that is too late: in 2106."""

_TIMESTAMP = re.compile(
    r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:)(\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:?\d\d)?", re.ASCII
).fullmatch
_MINUTE = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:", re.ASCII).fullmatch
_ZONE = re.compile(r"Z|([+-])(\d\d):?(\d\d)", re.ASCII).fullmatch
_USUAL = 31
"""Length of ``2026-11-24T10:15:01.123456+0000``."""
_MINUTE_S, _HOUR_S = 60, 3600
_SECONDS = {f"{second:02}": second for second in range(_MINUTE_S)}


def micros(text: str) -> int | None:
    """Return the time; None if it is no timestamp, or before 1970, or after 2106.

    A time without a zone is UTC. Digits behind the microsecond are cut off.
    """
    fraction = text[20:26]
    if len(text) == _USUAL and text[19] == "." and fraction.isdecimal() and fraction.isascii():
        minute, second, offset = _minute(text[:17]), _SECONDS.get(text[17:19]), _offset(text[26:])
    elif match := _TIMESTAMP(text):
        minute, second, offset = _minute(match[1]), _SECONDS.get(match[2]), _offset(match[4] or "Z")
        fraction = (match[3] or "")[:6].ljust(6, "0")
    else:
        return None
    if minute is None or second is None or offset is None:
        return None
    time_us = (minute + second - offset) * 1_000_000 + int(fraction)
    return time_us if 0 <= time_us < END_US else None


@lru_cache(maxsize=4096)
def _minute(text: str) -> int | None:
    """Return the seconds of ``2026-11-24T10:15:``, as if it were UTC."""
    if not _MINUTE(text):
        return None
    try:
        return int(datetime.fromisoformat(f"{text}00").replace(tzinfo=UTC).timestamp())
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
