"""What a place answers: what it found, how much of the past that covers, and what it left out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct

from vedette.pool.records import Found, Gap


class IndexWindow(Struct, frozen=True, kw_only=True):
    """One index that was searched."""

    name: str
    documents: int
    """Within the window; of any kind."""
    first_seen: datetime | None
    last_seen: datetime | None


class Window(Struct, frozen=True, kw_only=True):
    """How much of the past was searched; times are aware UTC."""

    since: datetime | None
    """As asked for; None: without limit."""
    until: datetime | None
    first_seen: datetime | None
    """The earliest document in the window; None: it is empty."""
    last_seen: datetime | None
    documents: int
    events: Mapping[str, int]
    """Documents by type of event."""
    indices: tuple[IndexWindow, ...]
    gaps: tuple[Gap, ...]
    """Days (UTC) without any document between the first and the last, the longest first, 20."""
    gap_days: int
    """Of all gaps."""


class Answer(Struct, frozen=True, kw_only=True):
    """A hunt in one place."""

    engine: str
    """``OpenSearch 2.19.1``."""
    layout: str
    found: tuple[Found, ...]
    """By indicator, field and observed value. Times are exact to the millisecond."""
    window: Window
    unanswered: Mapping[str, str]
    """Fields in which nothing could be looked for, with the reason."""
    partly: Mapping[str, str]
    """Fields in which some documents could not be looked at, with what is missing."""
    partial: tuple[str, ...]
    """What the place itself left out: failed shards, time that ran out. Empty: nothing."""
    skipped: Mapping[str, int]
    """Indicators that were not looked for, by reason."""
    more_hosts: int
    """Findings with more hosts than were counted: their ``hosts`` is a minimum."""
    requests: int
    seconds: float

    @property
    def complete(self) -> bool:
        """Whether every document of the window was looked at, as far as the place can tell."""
        return not self.partial
