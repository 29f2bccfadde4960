"""What the guard reads of the entries: indicators with their claims folded, some thousands at once.

Hard rule: streams go on by key, never by an open cursor, so that verdicts can be written between.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from vedette.model import IndicatorType, SourceRules

Place = tuple[str, str]
"""Type and sort key of an indicator, as in the tables."""

_CHUNK = 500
_COLUMNS = "skey, seq, expires, changed, confidence, source_id"
_FOLDED = (
    "skey, count(*), min(seq), max(expires), max(changed), max(confidence),"
    " min(source_id), max(source_id)"
)


class Folded(NamedTuple):
    """One listed indicator, with what its claims have in common."""

    skey: str
    claims: int
    seq: int
    """After which change the oldest of its claims came."""
    expires: int
    """The last date that any claim gives; 0: none gives one."""
    changed: int
    """The last change that any claim knows of; 0: none does."""
    confidence: int
    """The highest of any claim; -1: none says."""
    first_source: int
    last_source: int
    """The least and the greatest number of its sources."""


@dataclass(frozen=True, slots=True)
class FoldedRows:
    """The same of many, sorted by sort key, as columns: a million of them cost little."""

    skey: Sequence[str] = ()
    claims: Sequence[int] = ()
    seq: Sequence[int] = ()
    expires: Sequence[int] = ()
    changed: Sequence[int] = ()
    confidence: Sequence[int] = ()
    first_source: Sequence[int] = ()
    last_source: Sequence[int] = ()

    def __len__(self) -> int:
        return len(self.skey)

    def __iter__(self) -> Iterator[Folded]:
        columns = (getattr(self, name) for name in Folded._fields)
        return map(Folded._make, zip(*columns, strict=True))


class ClaimRow(NamedTuple):
    """One claim, by the number of its source."""

    source_id: int
    changed: int
    expires: int
    confidence: int


class Claims:
    """Questions over ``entry`` and ``change``."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def sources(self) -> dict[int, tuple[str, SourceRules]]:
        """Name and rules of each source, by the number that claims have of it."""
        rows = self._db.execute("SELECT id, name, rules FROM source ORDER BY id")
        return {
            number: (name, msgspec.json.decode(rules, type=SourceRules))
            for number, name, rules in rows
        }

    # -- by type ------------------------------------------------------------------------------

    def folded(self, kind: IndicatorType, after: str, limit: int) -> FoldedRows:
        """The next indicators of a type behind a sort key, in order: about ``limit``, 0 if none."""
        # Nearly all have one claim, and grouping in SQLite costs twice as much as reading.
        found = self._db.execute(
            f"SELECT {_COLUMNS} FROM entry WHERE type=? AND skey>? ORDER BY skey LIMIT ?",  # noqa: S608
            (kind.value, after, limit),
        ).fetchall()
        if not found:
            return FoldedRows()
        skey, seq, expires, changed, confidence, source = zip(*found, strict=True)
        if len(set(skey)) == len(skey) and self._claims(kind, skey[-1]) == 1:
            ones = (1,) * len(skey)
            return FoldedRows(skey, ones, seq, expires, changed, confidence, source, source)
        grouped = self._db.execute(
            f"SELECT {_FOLDED} FROM entry WHERE type=? AND skey>? AND skey<=?"  # noqa: S608
            " GROUP BY skey ORDER BY skey",
            (kind.value, after, skey[-1]),
        )
        return FoldedRows(*zip(*grouped, strict=True))

    def _claims(self, kind: IndicatorType, skey: str) -> int:
        (n,) = self._db.execute(
            "SELECT count(*) FROM entry WHERE type=? AND skey=?", (kind.value, skey)
        ).fetchone()
        return int(n)

    def folded_of(self, kind: IndicatorType, skeys: Sequence[str]) -> FoldedRows:
        """Those of these that are listed; the keys are given in order."""
        found: list[Sequence[Any]] = []
        for some in _chunks(skeys):
            found += self._db.execute(
                f"SELECT {_FOLDED} FROM entry WHERE type=? AND skey IN ({_marks(some)})"  # noqa: S608
                " GROUP BY skey ORDER BY skey",
                (kind.value, *some),
            )
        return FoldedRows(*zip(*found, strict=True)) if found else FoldedRows()

    def of(self, kind: IndicatorType, skeys: Sequence[str]) -> dict[str, list[ClaimRow]]:
        """The claims about these."""
        found: dict[str, list[ClaimRow]] = {}
        for some in _chunks(skeys):
            rows = self._db.execute(
                "SELECT skey, source_id, changed, expires, confidence FROM entry"  # noqa: S608
                f" WHERE type=? AND skey IN ({_marks(some)})",
                (kind.value, *some),
            )
            for skey, *claim in rows:
                found.setdefault(skey, []).append(ClaimRow(*claim))
        return found

    # -- what is new ----------------------------------------------------------------------------

    def last_change(self) -> int:
        """The number of the newest change that is none of the guard's own; 0: there is none."""
        (seq,) = self._db.execute(
            "SELECT coalesce((SELECT seq FROM change WHERE source_id<>0"
            " ORDER BY seq DESC LIMIT 1), 0)"
        ).fetchone()
        return int(seq)

    def changed_since(self, seq: int) -> list[Place] | None:
        """What changed otherwise than by the guard; None if it is too much to name."""
        rows = self._db.execute(
            "SELECT DISTINCT type, skey FROM change WHERE seq>? AND source_id<>0", (seq,)
        ).fetchall()
        return None if any(not kind for kind, _ in rows) else rows

    def is_changed_since(self, seq: int) -> bool:
        """Whether anything changed otherwise than by the guard."""
        return self.last_change() > seq

    def listed_before(self, seq: int) -> set[Place]:
        """What was listed at a change, of what is listed again by claims that all came after it.

        Claims of sources whose changes were too much to name tell nothing, either way.
        """
        named = (
            "source_id NOT IN (SELECT source_id FROM change WHERE seq>?1 AND type=''"
            " AND source_id<>0)"
        )
        # Claims before = claims now, without those that came, with those that went.
        rows = self._db.execute(
            "SELECT c.type, c.skey FROM (SELECT type, skey,"  # noqa: S608
            " sum(CASE added WHEN 1 THEN 1 ELSE -1 END) AS came FROM change"
            f" WHERE seq>?1 AND claim=1 AND type<>'' AND {named}"
            " GROUP BY type, skey HAVING min(added)=0) c WHERE c.came < (SELECT count(*)"
            f" FROM entry e WHERE e.type=c.type AND e.skey=c.skey AND {named})",
            (seq,),
        )
        return set(rows)

    def new_since(self, seq: int) -> Iterator[Place]:
        """Yield the indicators all of whose claims came after a change; reads all entries."""
        yield from self._db.execute(
            "SELECT type, skey FROM entry GROUP BY type, skey HAVING min(seq)>?", (seq,)
        )

    # -- what time alone does -------------------------------------------------------------------

    def expired(self, since: int, until: int) -> list[Place]:
        """Indicators with a claim whose source calls it void from ``since < date <= until`` on."""
        return self._db.execute(
            "SELECT DISTINCT type, skey FROM entry WHERE expires>0 AND expires>? AND expires<=?",
            (since, until),
        ).fetchall()

    def is_expired(self, since: int, until: int) -> bool:
        """Whether there is any such; a moment, however many there are."""
        row = self._db.execute(
            "SELECT 1 FROM entry WHERE expires>0 AND expires>? AND expires<=? LIMIT 1",
            (since, until),
        ).fetchone()
        return row is not None

    def aged(
        self,
        ages: Iterable[tuple[str, int, int]],
        own_rules: Sequence[int],
        since: int,
        until: int,
    ) -> list[Place]:
        """Indicators with a claim that reached its age in ``since < date <= until``.

        Args:
            ages: Type (``""``: all), number of the source (0: all without an own rule), seconds.
            own_rules: The sources that have an own rule.
            since: The last time that this was asked.
            until: Now.
        """
        found: list[Place] = []
        without = f" AND source_id NOT IN ({_marks(own_rules)})" if own_rules else ""
        for kind, source, age_s in ages:
            where = "source_id=?" if source else f"type=?{without}"
            values = (source,) if source else (kind, *own_rules)
            found += self._db.execute(
                f"SELECT DISTINCT type, skey FROM entry WHERE {where} AND changed>0"  # noqa: S608
                " AND changed+?>? AND changed+?<=?",
                (*values, age_s, since, age_s, until),
            )
        return found


def _chunks(items: Sequence[str]) -> Iterator[Sequence[str]]:
    return (items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK))


def _marks(items: Sequence[object]) -> str:
    return ",".join("?" * len(items))
