"""How announced generations spread: one row for each roll-out, the last one is in force."""

from __future__ import annotations

import sqlite3
from typing import Any, Literal

import msgspec

Phase = Literal["canary", "watch", "done", "paused", "stopped", "superseded"]


class RolloutRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One roll-out. Times are epoch seconds; 0: not yet."""

    serial: int
    """Of the announcement that it spreads."""
    previous: int = 0
    """Serial of the announcement that the others stay at while it is ``canary``; 0: none."""
    state: Phase
    was: Literal["canary", "watch", "done", "stopped", ""] = ""
    """What a pause interrupted."""
    started_at: int
    proved_at: int = 0
    """Since when all canaries hold it."""
    spread_at: int = 0
    """When the others got it."""
    resumed_at: int = 0
    """When a person let it go on; what happened before that stops it no more. Of one that was
    stopped: newer generations may follow."""
    ended_at: int = 0
    why: str = ""
    """Of a pause or a stop, for people."""
    id: int = 0

    @property
    def phase(self) -> Phase:
        """Its state, or what a pause interrupted."""
        return self.was if self.state == "paused" and self.was else self.state

    @property
    def is_held(self) -> bool:
        """Whether newer generations have to wait for a person."""
        return self.state == "paused" or (self.state == "stopped" and not self.resumed_at)


_FIELDS = tuple(field for field in RolloutRecord.__struct_fields__ if field != "id")
_COLUMNS = ", ".join(_FIELDS)


class Rollouts:
    """Every roll-out there was."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def begin(self, record: RolloutRecord) -> None:
        """Let a roll-out take over from the one in force; inside the caller's transaction."""
        self._db.execute(
            "UPDATE rollout SET state=CASE WHEN was IN ('done', 'stopped') THEN was"
            " ELSE 'superseded' END, was='', ended_at=?"
            " WHERE state IN ('canary', 'watch', 'paused')",
            (record.started_at,),
        )
        marks = ",".join("?" * len(_FIELDS))
        self._db.execute(
            f"INSERT INTO rollout({_COLUMNS}) VALUES({marks})",
            [getattr(record, name) for name in _FIELDS],
        )

    def change(self, record: RolloutRecord) -> None:
        """Write what has become of a roll-out."""
        with self._db:
            self.change_inside(record)

    def change_inside(self, record: RolloutRecord) -> None:
        """Write what has become of a roll-out; inside the caller's transaction."""
        sets = ", ".join(f"{name}=?" for name in _FIELDS)
        self._db.execute(
            f"UPDATE rollout SET {sets} WHERE id=?",  # noqa: S608
            [*(getattr(record, name) for name in _FIELDS), record.id],
        )

    def last(self) -> RolloutRecord | None:
        """Return the one in force; None: there was never one."""
        return next(iter(self.history(limit=1)), None)

    def history(self, *, limit: int = 100) -> list[RolloutRecord]:
        """Return the last ones, the newest first."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS}, id FROM rollout ORDER BY id DESC LIMIT ?",  # noqa: S608
            (limit,),
        )
        return [_record(row) for row in rows]


def _record(row: tuple[Any, ...]) -> RolloutRecord:
    return msgspec.convert(dict(zip((*_FIELDS, "id"), row, strict=True)), type=RolloutRecord)
