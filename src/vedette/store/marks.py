"""What people think of a hit, and who said so when; nothing of it is ever deleted."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import StrEnum

import msgspec

from vedette.errors import UsageError
from vedette.model import MispSighting
from vedette.store.outbox import Outbox


class Status(StrEnum):
    """What a hit is judged to be."""

    NEW = "new"
    INVESTIGATING = "investigating"
    CONFIRMED = "confirmed"
    FALSE_POSITIVE = "false-positive"


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """One judgement of one hit."""

    at: datetime
    who: str
    status: str
    note: str


class Marks:
    """The trail of judgements; the last one is the hit's status."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._outbox = Outbox(connection)

    def mark(
        self,
        ids: Sequence[int],
        status: Status,
        *,
        who: str,
        note: str,
        sightings: Iterable[MispSighting] = (),
    ) -> None:
        """Judge hits and let MISP know, in one transaction.

        Args:
            ids: The hits.
            status: What they are.
            who: Who says so.
            note: Why.
            sightings: What leaves because of it.

        Raises:
            UsageError: One of the hits is not there; none is marked.
        """
        now = datetime.now(UTC)
        with self._db:
            for one in ids:
                if not self._db.execute(
                    "UPDATE hit SET status=? WHERE id=?", (status.value, one)
                ).rowcount:
                    raise UsageError(f"there is no hit {one}", hint="See: vedette hit list")
                self._db.execute(
                    "INSERT INTO hit_mark(hit_id, at, who, status, note) VALUES(?,?,?,?,?)",
                    (one, now.isoformat(), who, status.value, note),
                )
            self._outbox.put(sightings, int(now.timestamp()))

    def of(self, hit_id: int) -> list[Mark]:
        """Return the trail of a hit, the oldest first."""
        rows = self._db.execute(
            "SELECT at, who, status, note FROM hit_mark WHERE hit_id=? ORDER BY id", (hit_id,)
        )
        return [
            Mark(at=datetime.fromisoformat(at), who=who, status=status, note=note)
            for at, who, status, note in rows
        ]
