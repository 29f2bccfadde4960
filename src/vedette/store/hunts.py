"""Saved hunts, their runs, and what each run found, in the control database."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from vedette.errors import UsageError
from vedette.store.fleet import utc_text
from vedette.store.records import HuntRecord, RunRecord, check_name

_RUNS_KEPT = 50
"""Of each saved hunt."""
_OTHER_RUNS_KEPT = 200
_RUN = (
    "SELECT r.id, coalesce(h.name, ''), r.label, r.started_at, r.finished_at, r.body"
    " FROM hunt_run r LEFT JOIN hunt h ON h.id=r.hunt_id"
)


class FoundRow(NamedTuple):
    """One finding of a run."""

    type: str
    value: str
    """The indicator."""
    field: str
    observed: str
    body: str
    """JSON, in the words of whoever found it."""


class Hunts:
    """What was looked for, when, and with which result."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def save(self, name: str, body: Mapping[str, Any]) -> None:
        """Keep a hunt, to be run again.

        Raises:
            UsageError: The name is taken, or cannot be one.
        """
        check_name("hunt", name)
        try:
            with self._db:
                self._db.execute(
                    "INSERT INTO hunt(name, created_at, body) VALUES(?,?,?)",
                    (name, utc_text(datetime.now(UTC)), msgspec.json.encode(body).decode()),
                )
        except sqlite3.IntegrityError as error:
            raise UsageError(
                f"there is already a hunt '{name}'",
                hint=f"Choose another name, or: vedette hunt remove {name}",
            ) from error

    def remove(self, name: str) -> int:
        """Forget a hunt with all its runs.

        Returns:
            How many runs went with it.

        Raises:
            UsageError: There is none of that name.
        """
        record = self.hunt(name)
        with self._db:
            self._db.execute("DELETE FROM hunt WHERE name=?", (name,))
        return record.runs

    def hunts(self) -> list[HuntRecord]:
        """All saved hunts by name."""
        rows = self._db.execute(
            "SELECT h.name, h.created_at, h.body, count(r.id), max(r.finished_at) FROM hunt h"
            " LEFT JOIN hunt_run r ON r.hunt_id=h.id GROUP BY h.id ORDER BY h.name"
        )
        return [
            HuntRecord(
                name=name,
                created_at=datetime.fromisoformat(created_at),
                body=msgspec.json.decode(body),
                runs=runs,
                last_run=datetime.fromisoformat(last) if last else None,
            )
            for name, created_at, body, runs, last in rows
        ]

    def hunt(self, name: str) -> HuntRecord:
        """One saved hunt.

        Raises:
            UsageError: There is none of that name.
        """
        for record in self.hunts():
            if record.name == name:
                return record
        raise UsageError(f"there is no hunt '{name}'", hint="See: vedette hunt list")

    # -- runs -----------------------------------------------------------------------------

    def add_run(
        self,
        *,
        hunt: str,
        label: str,
        started_at: datetime,
        finished_at: datetime,
        body: bytes,
        found: Iterable[FoundRow],
    ) -> int:
        """Keep a run with all it found, in one transaction; the oldest runs go.

        Args:
            hunt: Name of the saved hunt, or ``""``.
            label: What it was, for people.
            started_at: When it began.
            finished_at: When it ended.
            body: JSON: counts, coverage.
            found: What it found, each once.

        Returns:
            The number of the run.
        """
        with self._db:
            cursor = self._db.execute(
                "INSERT INTO hunt_run(hunt_id, label, started_at, finished_at, body)"
                " VALUES((SELECT id FROM hunt WHERE name=?),?,?,?,?)",
                (hunt, label, utc_text(started_at), utc_text(finished_at), body.decode()),
            )
            run = cursor.lastrowid or 0
            self._db.executemany(
                "INSERT OR REPLACE INTO hunt_found VALUES(?,?,?,?,?,?)",
                ((run, *row) for row in found),
            )
            self._db.execute(
                "DELETE FROM hunt_run WHERE hunt_id IS (SELECT hunt_id FROM hunt_run WHERE id=?1)"
                " AND id<=(SELECT id FROM hunt_run WHERE hunt_id IS (SELECT hunt_id FROM hunt_run"
                " WHERE id=?1) ORDER BY id DESC LIMIT 1 OFFSET ?2)",
                (run, _RUNS_KEPT if hunt else _OTHER_RUNS_KEPT),
            )
        return run

    def runs(self, hunt: str | None = None, *, limit: int = 50) -> list[RunRecord]:
        """Runs, the newest first: of one hunt, of those without a name (``""``), or all."""
        rows = self._db.execute(
            f"{_RUN} WHERE ?1 IS NULL OR coalesce(h.name, '')=?1 ORDER BY r.id DESC LIMIT ?2",
            (hunt, limit),
        )
        return [_run(row) for row in rows]

    def run(self, number: int) -> RunRecord:
        """One run.

        Raises:
            UsageError: There is none of that number (any more).
        """
        row = self._db.execute(f"{_RUN} WHERE r.id=?", (number,)).fetchone()
        if row is None:
            raise UsageError(f"there is no run {number} of a hunt", hint="See: vedette hunt show")
        return _run(row)

    def before(self, run: RunRecord) -> RunRecord | None:
        """The run of the same saved hunt before this one; None if there is none."""
        row = self._db.execute(
            f"{_RUN} WHERE h.name=? AND r.id<? ORDER BY r.id DESC LIMIT 1", (run.hunt, run.id)
        ).fetchone()
        return _run(row) if row else None

    def found(self, run: int) -> Iterator[FoundRow]:
        """What a run found, by indicator, field and observed value."""
        rows = self._db.execute(
            "SELECT type, value, field, observed, body FROM hunt_found WHERE run_id=?"
            " ORDER BY type, value, field, observed",
            (run,),
        )
        return (FoundRow(*row) for row in rows)


def _run(row: tuple[Any, ...]) -> RunRecord:
    number, hunt, label, started_at, finished_at, body = row
    return RunRecord(
        id=number,
        hunt=hunt,
        label=label,
        started_at=datetime.fromisoformat(started_at),
        finished_at=datetime.fromisoformat(finished_at),
        body=msgspec.json.decode(body),
    )
