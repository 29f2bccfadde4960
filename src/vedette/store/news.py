"""What people have to be told, and what they were told already: it survives a restart.

News about hits is written with the hits, in one transaction; everything else is seen in its own
table when messages are made.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from vedette.store.messages import Message

_REMEMBERED_S = 60 * 86_400
"""How long it is remembered that an indicator was told; longer than any ``repeat``."""
_IS_FALSE = (
    "EXISTS (SELECT 1 FROM hit h WHERE h.type=n.type AND h.value=n.value"
    " AND h.status='false-positive')"
)


class NewsRow(NamedTuple):
    """An indicator that met the network since the last message about it."""

    kind: str
    """``hit`` or ``retro``."""
    type: str
    value: str
    hit_id: int
    """The newest hit."""
    groups: int
    """New groups of hits: another client, another sensor, another spelling."""

    @property
    def subject(self) -> str:
        """What people are not told of again within ``repeat``."""
        return f"{self.type} {self.value}"


class Told(NamedTuple):
    """What people were told last about a subject."""

    kind: str
    subject: str
    state: str
    at: int
    """Epoch seconds."""


class HeldCount(NamedTuple):
    """Indicators that the guard holds since a moment, by the test that holds them."""

    test: str
    n: int
    example: str
    """The reason of one of them."""


class News:
    """What is new, and what was told."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def note_hit(self, kind: str, type_: str, value: str, hit_id: int) -> None:
        """Note that an indicator met the network; for use inside a transaction of the caller."""
        self._db.execute(
            "INSERT INTO news VALUES(?,?,?,?,1) ON CONFLICT DO UPDATE"
            " SET hit_id=excluded.hit_id, n=n+1",
            (kind, type_, value, hit_id),
        )

    def due(self, kind: str, *, told_before: int) -> list[NewsRow]:
        """Return the news of a kind whose subjects nobody heard of since; newest hits first.

        What a person called a false positive is no news.
        """
        rows = self._db.execute(
            f"SELECT * FROM news n WHERE kind=?1 AND NOT {_IS_FALSE} AND NOT EXISTS"  # noqa: S608
            " (SELECT 1 FROM notified t WHERE t.kind=?1 AND t.subject=n.type||' '||n.value"
            " AND t.at>?2) ORDER BY hit_id DESC",
            (kind, told_before),
        )
        return [NewsRow(*row) for row in rows]

    def waiting(self) -> int:
        """Return how many indicators have news that was not told yet."""
        (n,) = self._db.execute(
            f"SELECT count(*) FROM news n WHERE NOT {_IS_FALSE}"  # noqa: S608
        ).fetchone()
        return int(n)

    def told(self) -> dict[tuple[str, str], Told]:
        """Return what people were told last, by kind and subject; without hits."""
        rows = self._db.execute(
            "SELECT kind, subject, state, at FROM notified WHERE kind NOT IN ('hit', 'retro')"
        )
        return {(row[0], row[1]): Told(*row) for row in rows}

    def held(self, *, since: int, until: int) -> list[HeldCount]:
        """Return what the guard came to hold in ``since < at <= until``, the most first.

        What a person holds is no news, and must not put off what is.
        """
        rows = self._db.execute(
            "SELECT test, count(*), max(reason) FROM verdict WHERE outcome='hold'"
            " AND test<>'hold' AND at>? AND at<=? GROUP BY test ORDER BY 2 DESC",
            (since, until),
        )
        return [HeldCount(*row) for row in rows]

    def tell(
        self,
        messages: Iterable[Message],
        told: Sequence[Told],
        targets: Sequence[str],
        *,
        now: int,
    ) -> None:
        """Let messages wait for their delivery, and remember what they tell; in one transaction.

        Args:
            messages: Their ids are given here.
            told: Everything that they tell; news about those hits is news no more.
            targets: Digests of the places that each of them has to reach.
            now: Epoch seconds.
        """
        with self._db:
            for one in messages:
                number = self._db.execute(
                    "INSERT INTO message(at, kind, is_bad, title, body) VALUES(?,?,?,?,?)",
                    (now, one.kind, one.is_bad, one.title, one.body),
                ).lastrowid
                self._db.executemany(
                    # A target that is being left alone is left alone.
                    "INSERT INTO delivery(message_id, target, due) SELECT ?1, ?2,"
                    " coalesce(max(due), 0) FROM delivery WHERE target=?2 AND state='waiting'",
                    ((number, target) for target in targets),
                )
            self._db.executemany("INSERT OR REPLACE INTO notified VALUES(?,?,?,?)", told)
            self._db.execute(
                "DELETE FROM news AS n WHERE (kind, type||' '||value) IN"  # noqa: S608
                " (SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]')"
                f" FROM json_each(?)) OR {_IS_FALSE}",
                (msgspec.json.encode([(one.kind, one.subject) for one in told]).decode(),),
            )
            self._db.execute(
                "DELETE FROM notified WHERE kind IN ('hit', 'retro') AND at<?",
                (now - _REMEMBERED_S,),
            )
