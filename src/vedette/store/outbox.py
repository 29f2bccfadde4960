"""MISP sightings on their way out: they wait here through outages and kills, and leave once.

Hard rule: rows come in with the hit they are about, in one transaction, and a row is marked as
leaving before the first byte of it does.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from vedette.model import MispSighting

_SIGHTING = "source, event, attribute, uuid, at, type, says"
_KEPT_S = 100 * 86_400
"""How long what has left stays here. MISP itself refuses to take it twice, however late."""
_REASONS_SHOWN = 20
DAY_S = 86_400


class Waiting(msgspec.Struct, frozen=True):
    """A sighting that has to leave."""

    sighting: MispSighting
    tried: bool
    """Whether it may have left already: an answer was never read."""


class Addressee(msgspec.Struct, frozen=True, kw_only=True):
    """How sending to one MISP goes; all times epoch seconds."""

    source: str
    waiting: int = 0
    oldest: int = 0
    """Date of the oldest sighting that waits; 0: none does."""
    left_today: int = 0
    sent: int = 0
    """Ever."""
    refused: int = 0
    """Ever."""
    failures: int = 0
    """In a row."""
    failing_since: int = 0
    forbidden: bool = False
    """Whether the key may not add sightings."""
    retry_at: int = 0
    error: str = ""
    hint: str = ""
    error_at: int = 0


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a sighting, for whoever looks at its hit."""

    sighting: MispSighting
    state: str
    """``waiting``, ``sent`` or ``refused``."""
    reason: str
    done_at: int


class Outbox:
    """The spool of MISP sightings."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def instance(self) -> str:
        """Return who we are to others: random, made once, known to nobody else."""
        row = self._db.execute("SELECT id FROM instance").fetchone()
        if row is None:
            with self._db:
                made = (str(uuid.uuid4()),)
                self._db.execute("INSERT OR IGNORE INTO instance VALUES(1, ?)", made)
            row = self._db.execute("SELECT id FROM instance").fetchone()
        return str(row[0])

    def put(self, sightings: Iterable[MispSighting], now: int) -> None:
        """Let sightings wait; what is here already only moves to the later date, until it left.

        For use inside a transaction of the caller.
        """
        self._db.executemany(
            f"INSERT INTO outbox({_SIGHTING}, queued_at) VALUES(?,?,?,?,?,?,?,?)"
            " ON CONFLICT(source, uuid) DO UPDATE SET at=max(at, excluded.at) WHERE left_at=0",
            ((*sighting, now) for sighting in sightings),
        )

    def oldest(self, source: str, *, limit: int, fresh: int) -> list[Waiting]:
        """Return what has to leave next, the oldest first.

        Args:
            source: For which MISP.
            limit: At most so many.
            fresh: At most so many that have never left.
        """
        rows = self._db.execute(
            f"SELECT {_SIGHTING}, left_at FROM outbox WHERE source=? AND state='waiting'"  # noqa: S608
            " AND (?2>0 OR left_at>0) ORDER BY at, uuid LIMIT ?3",
            (source, fresh, limit),
        )
        found: list[Waiting] = []
        for *fields, left_at in rows:
            fresh -= not left_at
            if fresh < 0:
                break
            found.append(Waiting(MispSighting(*fields), bool(left_at)))
        return found

    def leaving(self, sightings: Iterable[MispSighting], now: int) -> None:
        """Note that sightings leave now; from here on they may have arrived."""
        with self._db:
            self._db.executemany(
                "UPDATE outbox SET left_at=? WHERE source=? AND uuid=? AND left_at=0",
                ((now, one.source, one.uuid) for one in sightings),
            )

    def settle(
        self, source: str, sent: Sequence[str], refused: Mapping[str, str], now: int
    ) -> None:
        """Note what an answer said.

        Args:
            source: Who answered.
            sent: uuids of what it has.
            refused: Why, by uuid of what it will never take.
            now: Epoch seconds.
        """
        with self._db:
            self._db.executemany(
                "UPDATE outbox SET state='sent', done_at=? WHERE source=? AND uuid=?",
                ((now, source, one) for one in sent),
            )
            self._db.executemany(
                "UPDATE outbox SET state='refused', reason=?, done_at=? WHERE source=? AND uuid=?",
                ((reason, now, source, one) for one, reason in refused.items()),
            )
            self._db.execute(
                "INSERT INTO addressee(source, sent, refused) VALUES(?,?,?) ON CONFLICT DO UPDATE"
                " SET sent=sent+excluded.sent, refused=refused+excluded.refused, failures=0,"
                " failing_since=0, forbidden=0, retry_at=0, error='', hint='', error_at=0",
                (source, len(sent), len(refused)),
            )
            self._db.execute(
                "DELETE FROM outbox WHERE source=? AND state<>'waiting' AND left_at>0"
                " AND left_at<?",
                (source, now - _KEPT_S),
            )

    def fail(
        self, source: str, error: str, hint: str, *, forbidden: bool, now: int, wait_s: int
    ) -> None:
        """Note that a MISP could not be told; nothing is lost, it waits."""
        with self._db:
            self._db.execute(
                "INSERT INTO addressee(source, failures, failing_since, forbidden, retry_at, error,"
                " hint, error_at) VALUES(?1,1,?5,?4,?6,?2,?3,?5) ON CONFLICT DO UPDATE SET"
                " failures=failures+1, forbidden=?4, retry_at=?6, error=?2, hint=?3, error_at=?5,"
                " failing_since=CASE failing_since WHEN 0 THEN ?5 ELSE failing_since END",
                (source, error, hint, forbidden, now, now + wait_s),
            )

    def addressee(self, source: str, now: int) -> Addressee:
        """Return how sending to a MISP goes; today is the day of UTC."""
        waiting, oldest = self._db.execute(
            "SELECT count(*), coalesce(min(at), 0) FROM outbox WHERE source=? AND state='waiting'",
            (source,),
        ).fetchone()
        (today,) = self._db.execute(
            "SELECT count(*) FROM outbox WHERE source=? AND left_at>=? AND left_at>0",
            (source, now - now % DAY_S),
        ).fetchone()
        row = self._db.execute(
            "SELECT sent, refused, failures, failing_since, forbidden, retry_at, error, hint,"
            " error_at FROM addressee WHERE source=?",
            (source,),
        ).fetchone()
        names = ("sent", "refused", "failures", "failing_since", "forbidden", "retry_at", "error")
        state = dict(zip((*names, "hint", "error_at"), row, strict=True)) if row else {}
        state["forbidden"] = bool(state.get("forbidden"))
        return Addressee(source=source, waiting=waiting, oldest=oldest, left_today=today, **state)

    def refusals(self, source: str, *, since: int = 0) -> dict[str, int]:
        """Return how many sightings a MISP will never take, by reason, the most first."""
        return dict(
            self._db.execute(
                "SELECT reason, count(*) FROM outbox WHERE source=? AND state='refused'"
                " AND done_at>=? GROUP BY reason ORDER BY 2 DESC LIMIT ?",
                (source, since, _REASONS_SHOWN),
            )
        )

    def sources(self) -> list[str]:
        """Return for whom anything is or was here."""
        rows = self._db.execute("SELECT source FROM outbox UNION SELECT source FROM addressee")
        return [source for (source,) in rows]

    def known(self, sightings: Iterable[MispSighting]) -> list[MispSighting]:
        """Return those that are here, waiting or gone."""
        return [
            one
            for one in sightings
            if self._db.execute(
                "SELECT 1 FROM outbox WHERE source=? AND uuid=?", (one.source, one.uuid)
            ).fetchone()
        ]

    def withdraw(self, sightings: Iterable[MispSighting]) -> int:
        """Keep sightings from leaving, those that have not left.

        Returns:
            How many.
        """
        with self._db:
            return self._db.executemany(
                "DELETE FROM outbox WHERE source=? AND uuid=? AND state='waiting' AND left_at=0",
                [(one.source, one.uuid) for one in sightings],
            ).rowcount

    def forget(self, source: str) -> None:
        """Forget what a MISP was told and how that went: its name may come to be another's.

        For use inside a transaction of the caller. What waits stays; the same MISP would not take
        a sighting twice.
        """
        self._db.execute("DELETE FROM outbox WHERE source=? AND state<>'waiting'", (source,))
        self._db.execute("DELETE FROM addressee WHERE source=?", (source,))

    def about(self, attributes: Iterable[str]) -> list[Sent]:
        """Return what has been or will be said about attributes, the newest first."""
        rows = self._db.execute(
            f"SELECT {_SIGHTING}, state, reason, done_at FROM outbox"  # noqa: S608
            " WHERE attribute IN (SELECT value FROM json_each(?)) ORDER BY at DESC, uuid",
            (msgspec.json.encode(list(attributes)).decode(),),
        )
        return [
            Sent(sighting=MispSighting(*fields), state=state, reason=reason, done_at=done_at)
            for *fields, state, reason, done_at in rows
        ]
