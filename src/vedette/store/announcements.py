"""Which generation was wanted when, signed: rows that are only ever added.

Hard rule: a serial is chosen, signed and written in one transaction, and is greater than all before
it, whatever the clock says.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import msgspec

_COLUMNS = "serial, generation, content_id, at, who, why, document, signature"


class AnnouncementRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A generation that was announced."""

    serial: int
    generation: int
    content_id: str
    at: int
    """Epoch seconds."""
    who: str
    why: str
    document: str
    """The text that is signed: a :class:`vedette.sensor.wire.Announcement` as JSON."""
    signature: str


Sign = Callable[[int], tuple[str, str]]
"""Makes document and signature for a serial."""


class Announcements:
    """Everything that was ever announced; the last one counts."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def add(
        self,
        sign: Sign,
        *,
        generation: int,
        content_id: str,
        at_ms: int,
        who: str,
        why: str,
        then: Callable[[int], None] = lambda _: None,
    ) -> AnnouncementRecord:
        """Announce a generation.

        Args:
            sign: Called once, inside the transaction.
            generation: Its number.
            content_id: Of its manifest.
            at_ms: Now, in milliseconds since the epoch: the serial, unless a greater one was used
                already. A hub that was restored from an old copy is therefore ahead of itself.
            who: Did it: a person's name, ``vedette run``.
            why: For people.
            then: Writes what belongs to it with this serial, in the same transaction.
        """
        db = self._db
        with db:
            db.execute("BEGIN IMMEDIATE")
            (last,) = db.execute("SELECT coalesce(max(serial), 0) FROM announcement").fetchone()
            serial = max(last + 1, at_ms)
            document, signature = sign(serial)
            record = AnnouncementRecord(
                serial=serial,
                generation=generation,
                content_id=content_id,
                at=at_ms // 1_000,
                who=who,
                why=why,
                document=document,
                signature=signature,
            )
            db.execute(
                f"INSERT INTO announcement({_COLUMNS}) VALUES(?,?,?,?,?,?,?,?)",
                msgspec.structs.astuple(record),
            )
            then(serial)
        return record

    def last(self) -> AnnouncementRecord | None:
        """Return the newest one; None: nothing was ever announced."""
        return next(iter(self.history(limit=1)), None)

    def get(self, serial: int) -> AnnouncementRecord | None:
        """Return one by its serial."""
        row = self._db.execute(
            f"SELECT {_COLUMNS} FROM announcement WHERE serial=?",  # noqa: S608
            (serial,),
        ).fetchone()
        return _record(row) if row else None

    def history(self, *, limit: int = 100) -> list[AnnouncementRecord]:
        """Return the last ones, the newest first."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM announcement ORDER BY serial DESC LIMIT ?",  # noqa: S608
            (limit,),
        )
        return [_record(row) for row in rows]


def _record(row: tuple[int, int, str, int, str, str, str, str]) -> AnnouncementRecord:
    serial, generation, content_id, at, who, why, document, signature = row
    return AnnouncementRecord(
        serial=serial,
        generation=generation,
        content_id=content_id,
        at=at,
        who=who,
        why=why,
        document=document,
        signature=signature,
    )
