"""The guard's verdicts as the store keeps them, and how far the guard has come.

Hard rule: what changed is written with the line in ``change`` that tells the next build of it, in
one transaction; how far everything was judged moves last.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from vedette.model import IndicatorType, Key, Outcome, Verdict
from vedette.store.claims import Place
from vedette.store.history import note_bulk
from vedette.store.keys import to_skey

GUARD = "guard"
"""The source of the changes that the guard makes."""
_CHUNK = 500
_COLUMNS = "skey, outcome, test, reason, labels, due, at, is_new"


class Kept(NamedTuple):
    """A verdict as it is kept; an indicator without one is published as it is."""

    outcome: str
    test: str
    reason: str
    labels: str
    """Tab separated."""
    due: int
    at: int
    """Since when it has this outcome by this test."""
    is_new: int
    """1: withheld, and was never published."""

    @property
    def is_withheld(self) -> bool:
        """Whether it is on no sensor at all."""
        return self.outcome in (Outcome.HOLD.value, Outcome.DROP.value)

    @classmethod
    def of(cls, verdict: Verdict, *, at: int, is_new: bool) -> Kept | None:
        """What is to be kept of a verdict; None: nothing, it says no more than its absence.

        A date alone is not kept: claims have theirs, and ages are looked at every hour.
        """
        outcome = verdict.outcome
        if outcome is Outcome.PUBLISH and not verdict.labels and not verdict.test:
            return None
        withheld = outcome in (Outcome.HOLD, Outcome.DROP)
        labels = "\t".join(verdict.labels)
        return cls(
            outcome.value,
            verdict.test,
            verdict.reason,
            labels,
            verdict.due,
            at,
            int(is_new and withheld),
        )


class Figure(NamedTuple):
    """How many of our hosts met an indicator when it was judged first."""

    hosts: int
    times: int
    """Observations."""
    days: int
    """Within so many before it was judged."""


class Flip(NamedTuple):
    """What is on the sensors from now on, or is not any more, by the guard's doing."""

    added: bool
    key: Key
    reason: str


class Mark(NamedTuple):
    """How far everything has been judged, and with what."""

    change_seq: int = 0
    at: int = 0
    basis: str = ""
    rulings: int = 0
    """The mark of the rulings."""
    aged_at: int = 0
    asked_seq: int = 0
    """Up to which change the memory was asked about what is new."""
    unasked_at: int = 0
    """Since when it cannot be asked; 0: it can."""


class Verdicts:
    """The tables ``verdict``, ``prevalence`` and ``guarded``."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def mark(self) -> Mark | None:
        """How far the guard has come; None: nothing was ever judged."""
        row = self._db.execute(
            "SELECT change_seq, at, basis, rulings, aged_at, asked_seq, unasked_at FROM guarded"
        ).fetchone()
        return Mark._make(row) if row else None

    # -- by type ------------------------------------------------------------------------------

    def between(self, kind: IndicatorType, after: str, last: str | None) -> dict[str, Kept]:
        """The verdicts of ``after < sort key <= last`` (None: to the end)."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM verdict WHERE type=? AND skey>? AND (?3 IS NULL OR skey<=?3)",  # noqa: S608
            (kind.value, after, last),
        )
        return {skey: Kept._make(row) for skey, *row in rows}

    def of(self, kind: IndicatorType, skeys: Sequence[str]) -> dict[str, Kept]:
        """The verdicts of these."""
        found: dict[str, Kept] = {}
        for some in _chunks(skeys):
            rows = self._db.execute(
                f"SELECT {_COLUMNS} FROM verdict WHERE type=? AND skey IN ({_marks(some)})",  # noqa: S608
                (kind.value, *some),
            )
            found.update((skey, Kept._make(row)) for skey, *row in rows)
        return found

    def due(self, until: int) -> list[Place]:
        """The indicators whose verdict may be another one by now."""
        return self._db.execute(
            "SELECT type, skey FROM verdict WHERE due>0 AND due<=?", (until,)
        ).fetchall()

    def is_due(self, until: int) -> bool:
        """Whether there is any such."""
        row = self._db.execute(
            "SELECT 1 FROM verdict WHERE due>0 AND due<=? LIMIT 1", (until,)
        ).fetchone()
        return row is not None

    def figures_between(
        self, kind: IndicatorType, after: str, last: str | None
    ) -> dict[str, Figure]:
        """Who met the indicators of ``after < sort key <= last``."""
        rows = self._db.execute(
            "SELECT skey, hosts, count, days FROM prevalence WHERE type=? AND skey>?"
            " AND (?3 IS NULL OR skey<=?3)",
            (kind.value, after, last),
        )
        return {skey: Figure._make(row) for skey, *row in rows}

    def figures_of(self, kind: IndicatorType, skeys: Sequence[str]) -> dict[str, Figure]:
        """Who met these."""
        found: dict[str, Figure] = {}
        for some in _chunks(skeys):
            rows = self._db.execute(
                "SELECT skey, hosts, count, days FROM prevalence"  # noqa: S608
                f" WHERE type=? AND skey IN ({_marks(some)})",
                (kind.value, *some),
            )
            found.update((skey, Figure._make(row)) for skey, *row in rows)
        return found

    # -- writing ------------------------------------------------------------------------------

    def write(
        self,
        kind: IndicatorType,
        kept: Iterable[tuple[str, Kept]],
        gone: Iterable[str],
        flips: Iterable[Flip],
    ) -> None:
        """Keep verdicts of a type, forget others, and log what they change on the sensors."""
        at = datetime.now(UTC).isoformat()
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(
                "INSERT OR REPLACE INTO verdict VALUES(?,?,?,?,?,?,?,?,?)",
                ((kind.value, skey, *one) for skey, one in kept),
            )
            self._db.executemany(
                "DELETE FROM verdict WHERE type=? AND skey=?",
                ((kind.value, skey) for skey in gone),
            )
            self._db.executemany(
                "INSERT INTO change(at, source_id, source, group_key, added, type, skey, reason,"
                " claim) VALUES(?, 0, ?, '', ?, ?, ?, ?, 0)",
                (
                    (at, GUARD, flip.added, flip.key.type.value, to_skey(*flip.key), flip.reason)
                    for flip in flips
                ),
            )

    def note_bulk(self, reason: str) -> None:
        """Log that too much changed to name it."""
        with self._db:
            note_bulk(self._db, 0, GUARD, reason)

    def note_figures(self, figures: Iterable[tuple[Place, Figure]], at: int) -> None:
        """Keep who met what is new; a figure that is there stays."""
        with self._db:
            self._db.executemany(
                "INSERT OR IGNORE INTO prevalence(type, skey, hosts, count, days, at)"
                " VALUES(?,?,?,?,?,?)",
                ((*place, *figure, at) for place, figure in figures),
            )

    def forget_figures(self) -> None:
        """Forget who met what no source lists any more."""
        with self._db:
            self._db.execute(
                "DELETE FROM prevalence WHERE NOT EXISTS (SELECT 1 FROM entry e"
                " WHERE e.type=prevalence.type AND e.skey=prevalence.skey)"
            )

    def move(self, mark: Mark) -> None:
        """Note how far everything has been judged."""
        with self._db:
            self._db.execute(
                "INSERT OR REPLACE INTO guarded(one, change_seq, at, basis, rulings, aged_at,"
                " asked_seq, unasked_at) VALUES(1,?,?,?,?,?,?,?)",
                mark,
            )


def _chunks(items: Sequence[str]) -> list[Sequence[str]]:
    return [items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK)]


def _marks(items: Sequence[object]) -> str:
    return ",".join("?" * len(items))
