"""What has to be told of a hit is noted in the transaction that records the hit.

So nothing is told of a hit that was never recorded, and nothing recorded is forgotten; reading the
same events again after a kill notes nothing twice.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from vedette.model import Entry, Hit, MispSighting
from vedette.store.news import News
from vedette.store.outbox import Outbox

QUIET = timedelta(days=1)
"""A group of hits that was not seen for so long is news again."""

Answers = Callable[[Hit, Sequence[Entry]], Iterable[MispSighting]]
"""What MISP has to be told of a hit."""


class Noting:
    """Called by whoever records hits; does nothing until somebody wants to be told."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._outbox = Outbox(connection)
        self._news = News(connection)
        self.answers: Answers | None = None
        """None: no MISP is told of anything."""
        self.wants_news = False
        """Whether people are told."""

    def hit(
        self, hit_id: int, hit: Hit, entries: Sequence[Entry], last_seen: datetime | None
    ) -> None:
        """Note a hit; for use inside the transaction that records it.

        Args:
            hit_id: Its row.
            hit: What was met just now.
            entries: What the sources say about its indicator.
            last_seen: When its group was seen before; None: never.
        """
        if self.answers is not None and entries:
            self._outbox.put(self.answers(hit, entries), int(time.time()))
        if self.wants_news and (last_seen is None or hit.last_seen - last_seen > QUIET):
            kind = "retro" if hit.origin == "retro" else "hit"
            self._news.note_hit(kind, hit.key.type.value, hit.key.value, hit_id)
