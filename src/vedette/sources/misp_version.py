"""What we hold of one MISP event, as the text that the store keeps beside it.

Timestamps of synchronised events go backwards: versions are compared for equality, never by order.
"""

from __future__ import annotations

import re
import zlib
from datetime import datetime

from msgspec import Struct

_TEXT = re.compile(
    r"(?P<timestamp>\d+):(?P<published>[01])/(?P<stamp>[^~@]*)(?P<fresh>~?)(?:@(?P<since>\d+))?"
)
_NIGHT_S = 3 * 3_600
_SPREAD_S = 3_600


class Version(Struct, frozen=True, kw_only=True):
    """One state of one event."""

    timestamp: int
    """The event's own, epoch seconds."""
    published: bool
    stamp: str
    """Of the filters and the reconcile period it was read under."""
    is_fresh: bool = False
    """Read so soon after its last edit that another one in the same second could not be told."""
    since: int = 0
    """From when on the server no longer shows this state, epoch seconds; 0: it does."""

    def __str__(self) -> str:
        """The text that :func:`parse_version` reads."""
        fresh = "~" if self.is_fresh else ""
        since = f"@{self.since}" if self.since else ""
        return f"{self.timestamp}:{int(self.published)}/{self.stamp}{fresh}{since}"

    def shows(self, other: Version) -> bool:
        """Whether what we hold is what ``other`` would bring, so that it need not be read."""
        mine = (self.timestamp, self.published, self.stamp)
        return mine == (other.timestamp, other.published, other.stamp) and not self.is_fresh


def parse_version(text: str | None) -> Version | None:
    """Read a version; ``None`` for no version, and for one that we did not write."""
    match = _TEXT.fullmatch(text or "")
    if match is None:
        return None
    return Version(
        timestamp=int(match["timestamp"]),
        published=match["published"] == "1",
        stamp=match["stamp"],
        is_fresh=bool(match["fresh"]),
        since=int(match["since"] or 0),
    )


def period_of(now: datetime, every_s: int, name: str) -> int:
    """Number the periods after each of which a source is read from end to end.

    They begin at night, between three and four o'clock by the local clock, and not for all
    sources at once.

    Args:
        now: The time of the pull.
        every_s: Length of a period in seconds.
        name: Of the source.
    """
    offset = now.astimezone().utcoffset()
    local_s = int(now.timestamp()) + (int(offset.total_seconds()) if offset else 0)
    return (local_s - _NIGHT_S - zlib.crc32(name.encode()) % _SPREAD_S) // every_s
