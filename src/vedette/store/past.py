"""What became of a source: its last pulls, and what left with them and why. Only reads."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import NamedTuple

import msgspec

from vedette.model import IndicatorType, Key
from vedette.store.history import PullSummary
from vedette.store.keys import from_skey

_LOOKED_AT = 1_000_000  # changes; older ones are not worth a second of waiting


class Removal(NamedTuple):
    """A value that a source let go."""

    at: datetime
    key: Key
    reason: str


class Past:
    """The past of sources, as far as the store remembers it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Read from an open database."""
        self._db = connection

    def pulls(self, source: str, limit: int) -> list[PullSummary]:
        """The last pulls of a source, the newest first."""
        rows = self._db.execute(
            "SELECT p.body FROM pull p JOIN source s ON s.id=p.source_id WHERE s.name=?"
            " ORDER BY p.id DESC LIMIT ?",
            (source, limit),
        )
        return [msgspec.json.decode(body, type=PullSummary) for (body,) in rows]

    def removals(self, source: str, limit: int) -> list[Removal]:
        """What a source let go last, the newest first; removals too many to name are not here."""
        rows = self._db.execute(
            "SELECT c.at, c.type, c.skey, c.reason FROM change c"
            " WHERE c.source_id=(SELECT id FROM source WHERE name=?) AND c.added=0 AND c.claim=1"
            " AND c.type<>'' AND c.seq>(SELECT coalesce(max(seq), 0) FROM change)-?"
            " ORDER BY c.seq DESC LIMIT ?",
            (source, _LOOKED_AT, limit),
        )
        return [
            Removal(datetime.fromisoformat(at), from_skey(IndicatorType(kind), skey), reason)
            for at, kind, skey, reason in rows
        ]
