"""What the list of a MISP's events means for what we hold: stays, goes, or must be read.

Pure: rows and versions come in, the time is passed in. Nothing is gone because one list omits it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from vedette.misp.times import seconds
from vedette.misp.wire import IndexRow
from vedette.model import Fetched, Item, Skipped, Unchanged
from vedette.sources.filters import UNPUBLISHED
from vedette.sources.misp_version import Version, parse_version

KEPT_UNPUBLISHED = "not published at the moment: its last published state stays"
KEPT_MISSING = "not shown by the server at the moment: its last state stays"
_UNPUBLISHED_GONE = "its event was unpublished"


class Rules(Struct, frozen=True, kw_only=True):
    """What decides about a row."""

    stamp: str
    """Of the filters and the reconcile period."""
    published_only: bool
    unpublished: Literal["keep", "drop"]
    grace_s: int
    """How long an unpublished event keeps its last published state; 0: for ever."""
    grace: str
    """The same as the operator wrote it."""
    missing_grace_s: int
    """How long an event that the server no longer shows stays; 0: not at all."""
    now: int
    """The time of the pull, epoch seconds."""


class Held:
    """What we hold, by event, judged against rows of the list."""

    def __init__(self, known: Mapping[str, str], rules: Rules) -> None:
        self._known = known
        self._rules = rules

    def version(self, timestamp: object, published: object) -> Version:
        """The version of an event that says this of itself."""
        stamp = seconds(timestamp if isinstance(timestamp, str | int | float) else None)
        return Version(timestamp=stamp, published=bool(published), stamp=self._rules.stamp)

    def __contains__(self, key: str) -> bool:
        """Whether we may hold something of an event."""
        return key in self._known

    def judge(self, row: IndexRow) -> Sequence[Item] | None:
        """What a row means without reading its event; ``None``: it must be read."""
        held = parse_version(self._known.get(row.uuid))
        current = self.version(row.timestamp, row.published)
        if self._rules.published_only and not current.published:
            return self._unpublished(row.uuid, held, current)
        if held is not None and held.shows(current):
            return [Unchanged(row.uuid, str(current) if held.since else "")]
        return None

    def _unpublished(self, key: str, held: Version | None, current: Version) -> Sequence[Item]:
        rules = self._rules
        if held is None or not held.published:
            if held is not None and held.shows(current):
                return [Unchanged(key)]
            return [Skipped(UNPUBLISHED), Fetched(key, str(current), _UNPUBLISHED_GONE)]
        if rules.unpublished == "drop":
            return [Skipped(UNPUBLISHED), Fetched(key, str(current), _UNPUBLISHED_GONE)]
        since = held.since or rules.now
        if rules.grace_s and rules.now - since >= rules.grace_s:
            reason = f"its event has been unpublished for {rules.grace}"
            return [Skipped(UNPUBLISHED), Fetched(key, str(current), reason)]
        return [self._stays(key, held, since, KEPT_UNPUBLISHED)]

    def missing(self, key: str) -> Item | None:
        """What becomes of an event that the server does not show; ``None``: it is gone."""
        rules = self._rules
        held = parse_version(self._known.get(key))
        if held is None or not rules.missing_grace_s:
            return None
        since = held.since or rules.now
        if rules.now - since >= rules.missing_grace_s:
            return None
        return self._stays(key, held, since, KEPT_MISSING)

    @staticmethod
    def _stays(key: str, held: Version, since: int, reason: str) -> Unchanged:
        if held.since == since:
            return Unchanged(key, "", reason)
        return Unchanged(key, str(replace(held, since=since)), reason)
