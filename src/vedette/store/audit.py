"""Who changed what, when and from where; nothing of it is ever changed or deleted.

The database refuses it (triggers): whoever wants to hide something has to take the file in hand.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

_DETAIL_MAX = 16_384
_REFUSALS_EACH_S = 60
_REFUSALS_MAX = 600
"""Most refusals that are written in an hour, whoever asks: guessing must not fill the disk."""

_SUBJECT = "coalesce(e.subject, a.subject)"
_COLUMNS = f"a.id, a.at, a.who, a.origin, a.action, {_SUBJECT}, a.ok, a.detail"


class Deed(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that somebody did, or that was refused."""

    id: int = 0
    at: int = 0
    """Epoch seconds; of a command when it began."""
    who: str
    origin: str
    """Terminal and host, or the address that a request came from."""
    action: str
    """``sensor add``, ``bundle rollback``, ``token refused``."""
    subject: str = ""
    ok: bool | None = None
    """None: it began, and nobody knows (yet) how it ended."""
    detail: Mapping[str, Any] = {}
    """Without secrets."""
    took_s: int = 0
    """How long a command took."""


class Audit:
    """The trail; ``hub.store.audit``."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def add(
        self,
        *,
        who: str,
        origin: str,
        action: str,
        subject: str = "",
        ok: bool = True,
        detail: Mapping[str, Any] | None = None,
        now: int = 0,
    ) -> int:
        """Write what was done at once: a request that changed something, or was refused.

        Args:
            who: A user, or a token as ``token 1a2b3c4d``.
            origin: Where from.
            action: What, in words that stay the same: they are searched for.
            subject: What it was done to: the name of a sensor, a source, a token.
            ok: Whether it succeeded.
            detail: What is worth knowing, without secrets.
            now: Epoch seconds; 0: the present.

        Returns:
            The number of the row.
        """
        return self._write(now, (who, origin, action, subject, int(ok)), detail)

    def began(self, deed: Deed, *, now: int = 0) -> int:
        """Write that something begins that may change anything; returns the number of the row."""
        fields = (deed.who, deed.origin, deed.action, deed.subject, -1)
        return self._write(now, fields, deed.detail)

    def ended(
        self,
        number: int,
        *,
        ok: bool,
        subject: str = "",
        detail: Mapping[str, Any] | None = None,
        now: int = 0,
    ) -> None:
        """Write how that which began with the row ``number`` ended.

        Args:
            number: Of the row of its beginning.
            ok: Whether it succeeded.
            subject: What it was done to, where that was not known before.
            detail: What is worth knowing of the end: the error.
            now: Epoch seconds; 0: the present.
        """
        who, origin, action, before = self._db.execute(
            "SELECT who, origin, action, subject FROM audit WHERE id=?", (number,)
        ).fetchone()
        fields = (who, origin, action, subject or before, int(ok))
        self._write(now, fields, detail, number)

    def refused(
        self, *, origin: str, action: str, subject: str = "", why: str = "", now: int = 0
    ) -> bool:
        """Write that somebody was refused, at most once a minute for each address and action.

        Returns:
            Whether it was written; what is not written has to be counted by the caller.
        """
        at = now or int(time.time())
        (known,) = self._db.execute(
            "SELECT EXISTS (SELECT 1 FROM audit WHERE action=? AND at>? AND origin=?)",
            (action, at - _REFUSALS_EACH_S, origin),
        ).fetchone()
        (written,) = self._db.execute(
            "SELECT count(*) FROM audit WHERE action=? AND at>?", (action, at - 3_600)
        ).fetchone()
        if known or written >= _REFUSALS_MAX:
            return False
        detail = {"why": why} if why else {}
        self._write(at, ("", origin, action, subject, 0), detail)
        return True

    def _write(
        self,
        now: int,
        fields: tuple[str, str, str, str, int],
        detail: Mapping[str, Any] | None,
        began: int = 0,
    ) -> int:
        text = msgspec.json.encode(dict(detail or {}), enc_hook=str).decode()
        if len(text) > _DETAIL_MAX:
            text = msgspec.json.encode({"cut": text[:_DETAIL_MAX]}).decode()
        with self._db:
            number = self._db.execute(
                "INSERT INTO audit(at, who, origin, action, subject, ok, detail, began)"
                " VALUES(?,?,?,?,?,?,?,?)",
                (now or int(time.time()), *fields, text, began),
            ).lastrowid
        return number or 0

    def trail(self, *, subject: str = "", since: int = 0, limit: int = 100) -> list[Deed]:
        """Return the last deeds, the newest first; a command is one deed, begin and end.

        Args:
            subject: Only of this subject (or one of several, where a command had several).
            since: Epoch seconds; 0: from the beginning.
            limit: Most of them.
        """
        rows = self._db.execute(
            f"SELECT {_COLUMNS}, e.ok, e.at, e.detail FROM audit a"  # noqa: S608
            " LEFT JOIN audit e ON e.began=a.id AND e.began>0"
            " WHERE a.began=0 AND a.at>=?1"
            f" AND (?2='' OR ', '||{_SUBJECT}||', ' LIKE '%, '||?3||', %' ESCAPE '\\')"
            " ORDER BY a.id DESC LIMIT ?4",
            (since, subject, _literally(subject), limit),
        )
        return list(_deeds(rows))

    def restored_at(self) -> int:
        """Return when this database was last restored from a backup, epoch seconds; 0: never."""
        (at,) = self._db.execute(
            "SELECT coalesce(max(at), 0) FROM audit WHERE action='restore' AND ok=1"
        ).fetchone()
        return int(at)

    def counts(self) -> dict[tuple[str, bool], int]:
        """Return how many rows there are by action, and whether it succeeded; begins left out."""
        return {
            (action, bool(ok)): n
            for action, ok, n in self._db.execute(
                "SELECT action, ok, count(*) FROM audit WHERE ok>=0 GROUP BY action, ok"
            )
        }


def _literally(text: str) -> str:
    """Return what finds exactly this text where ``%`` and ``_`` mean something."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _deeds(rows: Iterator[tuple[Any, ...]]) -> Iterator[Deed]:
    for number, at, who, origin, action, subject, ok, detail, over, over_at, over_detail in rows:
        more = msgspec.json.decode(over_detail) if over_detail else {}
        outcome = ok if over is None else over
        yield Deed(
            id=number,
            at=at,
            who=who,
            origin=origin,
            action=action,
            subject=subject,
            ok=None if outcome < 0 else bool(outcome),
            detail=msgspec.json.decode(detail) | more,
            took_s=over_at - at if over_at else 0,
        )
