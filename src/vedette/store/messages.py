"""Messages to people until each of their targets has them; one that is down delays no other."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

_KEPT_S = 7 * 86_400
"""How long messages stay after they were made, for ``notify status``."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What people read."""

    kind: str
    """``hit``, ``retro``, ``held``, ``source``, ``proof``, ``rollout`` or ``feedback``."""
    title: str
    body: str
    is_bad: bool = True
    """Whether something needs a person; else something is well again."""
    id: int = 0
    at: int = 0


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A message that one target has to get."""

    message: Message
    target: str
    attempts: int


class TargetState(msgspec.Struct, frozen=True, kw_only=True):
    """How it goes with one target."""

    target: str
    waiting: int = 0
    delivered: int = 0
    """Within the last week, like the next."""
    given_up: int = 0
    error: str = ""
    """Of the last attempt that failed, if that message still waits or was given up."""


class Messages:
    """The spool of messages."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def due(self, targets: Sequence[str], now: int, *, limit: int = 100) -> list[Delivery]:
        """Return what should be tried now, for these targets, the oldest first."""
        rows = self._db.execute(
            "SELECT m.kind, m.title, m.body, m.is_bad, m.id, m.at, d.target, d.attempts"
            " FROM delivery d JOIN message m ON m.id=d.message_id"
            " WHERE d.state='waiting' AND d.due<=?"
            " AND d.target IN (SELECT value FROM json_each(?)) ORDER BY m.id, d.target LIMIT ?",
            (now, msgspec.json.encode(list(targets)).decode(), limit),
        )
        return [
            Delivery(
                message=Message(kind=kind, title=title, body=body, is_bad=bool(bad), id=id_, at=at),
                target=target,
                attempts=attempts,
            )
            for kind, title, body, bad, id_, at, target, attempts in rows
        ]

    def delivered(self, one: Delivery, now: int) -> None:
        """Note that a target has a message."""
        with self._db:
            self._db.execute(
                "UPDATE delivery SET state='delivered', attempts=attempts+1, error='', done_at=?"
                " WHERE message_id=? AND target=?",
                (now, one.message.id, one.target),
            )

    def failed(self, one: Delivery, error: str, *, due: int, now: int) -> None:
        """Note that a target could not be reached.

        Args:
            one: What it should have got.
            error: Why not, without secrets.
            due: When to try again; 0: never, it is given up.
            now: Epoch seconds.
        """
        with self._db:
            self._db.execute(
                "UPDATE delivery SET attempts=attempts+1, error=?1, due=?2, done_at=?3,"
                " state=CASE ?2 WHEN 0 THEN 'given up' ELSE 'waiting' END"
                " WHERE message_id=?4 AND target=?5",
                (error, due, now, one.message.id, one.target),
            )
            # What waits for the same target waits as long: it would fail as well.
            self._db.execute(
                "UPDATE delivery SET due=max(due, ?) WHERE target=? AND state='waiting'",
                (due, one.target),
            )

    def forget(self, targets: Sequence[str], now: int) -> int:
        """Give up what is for targets that are no more, and forget old messages.

        Returns:
            How many deliveries were given up.
        """
        with self._db:
            gone = self._db.execute(
                "UPDATE delivery SET state='given up', error='the target was removed', done_at=?"
                " WHERE state='waiting' AND target NOT IN (SELECT value FROM json_each(?))",
                (now, msgspec.json.encode(list(targets)).decode()),
            ).rowcount
            self._db.execute(
                "DELETE FROM message WHERE at<? AND NOT EXISTS (SELECT 1 FROM delivery d"
                " WHERE d.message_id=message.id AND d.state='waiting')",
                (now - _KEPT_S,),
            )
        return gone

    def state(self, target: str) -> TargetState:
        """Return how it goes with a target."""
        counts = dict(
            self._db.execute(
                "SELECT state, count(*) FROM delivery WHERE target=? GROUP BY state", (target,)
            )
        )
        error = self._db.execute(
            "SELECT error FROM delivery WHERE target=? AND error<>'' ORDER BY done_at DESC LIMIT 1",
            (target,),
        ).fetchone()
        return TargetState(
            target=target,
            waiting=counts.get("waiting", 0),
            delivered=counts.get("delivered", 0),
            given_up=counts.get("given up", 0),
            error=error[0] if error else "",
        )

    def last(self, *, limit: int = 10) -> list[Message]:
        """Return the newest messages, the newest first."""
        rows = self._db.execute(
            "SELECT kind, title, body, is_bad, id, at FROM message ORDER BY id DESC LIMIT ?",
            (limit,),
        )
        return [
            Message(kind=kind, title=title, body=body, is_bad=bool(bad), id=id_, at=at)
            for kind, title, body, bad, id_, at in rows
        ]
