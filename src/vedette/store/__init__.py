"""The control database: one SQLite file in WAL mode, safe against a kill at any instant."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from vedette.errors import StoreError, UsageError
from vedette.model import SourceRules
from vedette.store.announcements import AnnouncementRecord, Announcements
from vedette.store.apply import empty_staging
from vedette.store.audit import Audit, Deed
from vedette.store.bounds import SHRINK_HELD_BELOW
from vedette.store.claims import Claims
from vedette.store.entries import Entries
from vedette.store.firing import Fired, Firing
from vedette.store.fleet import Fleet
from vedette.store.history import PullSummary, note_bulk
from vedette.store.hunts import Hunts
from vedette.store.inbox import Counts, Inbox, Judged, TestCount, Wanted, Withdrawn
from vedette.store.intake import Intake
from vedette.store.marks import Mark, Marks, Status
from vedette.store.measures import Measures
from vedette.store.messages import Messages
from vedette.store.news import News
from vedette.store.noting import Noting
from vedette.store.outbox import Outbox
from vedette.store.past import Past
from vedette.store.published import Published
from vedette.store.pulls import Pull
from vedette.store.records import (
    GenerationRecord,
    HitRecord,
    HuntMark,
    HuntRecord,
    RunRecord,
    SensorRecord,
    SourceRecord,
    check_name,
)
from vedette.store.reports import EventRecord, Reports, StateRecord
from vedette.store.retro import Retro
from vedette.store.rollouts import RolloutRecord, Rollouts
from vedette.store.ruled import Ruled
from vedette.store.rulings import PastRuling, Rulings
from vedette.store.schema import migrate
from vedette.store.timeline import Happened, Timeline
from vedette.store.tokens import Tokens
from vedette.store.verdicts import Verdicts

__all__ = [
    "SHRINK_HELD_BELOW",
    "AnnouncementRecord",
    "Announcements",
    "Audit",
    "Counts",
    "Deed",
    "Entries",
    "EventRecord",
    "Fired",
    "Firing",
    "Fleet",
    "GenerationRecord",
    "Happened",
    "HitRecord",
    "HuntMark",
    "HuntRecord",
    "Hunts",
    "Inbox",
    "Intake",
    "Judged",
    "Mark",
    "Marks",
    "Measures",
    "Messages",
    "News",
    "Noting",
    "Outbox",
    "Past",
    "PastRuling",
    "Published",
    "Pull",
    "PullSummary",
    "Reports",
    "Retro",
    "RolloutRecord",
    "Rollouts",
    "Ruled",
    "Rulings",
    "RunRecord",
    "SensorRecord",
    "SourceRecord",
    "StateRecord",
    "Status",
    "Store",
    "TestCount",
    "Timeline",
    "Wanted",
    "Withdrawn",
]

_BUSY_TIMEOUT_S = 30.0
_CACHE_KIB = 65_536


class Store:
    """An open control database. Not shared between threads; open one per thread.

    Use it as a context manager, or call :meth:`close`.
    """

    def __init__(self, path: Path) -> None:
        """Open or create the database and bring its schema up to date.

        Raises:
            StoreError: The file cannot be opened, is no database, or is from a newer Vedette.
        """
        self.path = path
        try:
            if str(path) != ":memory:":
                _keep_from_others(path)
        except OSError as error:
            raise _unopened(path, error.strerror or str(error)) from error
        try:
            self._db = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute("PRAGMA foreign_keys=ON")
            self._db.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
            self._db.execute("PRAGMA temp_store=FILE")
            migrate(self._db)
        except sqlite3.Error as error:
            raise _unopened(path, str(error)) from error
        self._db.isolation_level = "IMMEDIATE"
        self.entries = Entries(self._db)
        self.past = Past(self._db)
        self.published = Published(self._db, self.entries)
        self.noting = Noting(self._db)
        self.fleet = Fleet(self._db, self.noting)
        self.intake = Intake(self._db)
        self.hunts = Hunts(self._db)
        self.retro = Retro(self._db, self.noting)
        self.marks = Marks(self._db)
        self.outbox = Outbox(self._db)
        self.news = News(self._db)
        self.messages = Messages(self._db)
        self.rulings = Rulings(self._db)
        self.inbox = Inbox(self._db)
        self.claims = Claims(self._db)
        self.verdicts = Verdicts(self._db)
        self.firing = Firing(self._db)
        self.announcements = Announcements(self._db)
        self.rollouts = Rollouts(self._db)
        self.reports = Reports(self._db)
        self.tokens = Tokens(self._db)
        self.audit = Audit(self._db)
        self.timeline = Timeline(self._db)
        self.measures = Measures(self._db)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the database; an open transaction is rolled back."""
        self._db.close()

    def written(self) -> int:
        """Return a number that is another one after another connection has written anything.

        It costs microseconds: whoever waits for a change asks it again and again.
        """
        (version,) = self._db.execute("PRAGMA data_version").fetchone()
        return int(version)

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Turn SQLite's own errors (disk full, damage) into a :class:`StoreError` with a hint.

        Raises:
            StoreError: SQLite failed inside the block; its transaction is rolled back.
        """
        try:
            yield
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.rollback()
            raise StoreError(
                f"the database {self.path} cannot be used: {error}",
                hint="Disk full or no permission: make room or set it right, nothing was lost."
                " Malformed: restore a copy of the state directory.",
            ) from error

    # -- sources --------------------------------------------------------------------------

    def add_source(
        self, name: str, kind: str, settings: Mapping[str, Any], interval_s: int
    ) -> None:
        """Remember a source.

        Raises:
            UsageError: The name is taken, or cannot be one.
        """
        check_name("source", name)
        try:
            with self._db:
                self._db.execute(
                    "INSERT INTO source(name, kind, settings, interval_s, created_at)"
                    " VALUES(?,?,?,?,?)",
                    (
                        name,
                        kind,
                        msgspec.json.encode(settings).decode(),
                        interval_s,
                        datetime.now(UTC).isoformat(),
                    ),
                )
        except sqlite3.IntegrityError as error:
            raise UsageError(
                f"there is already a source '{name}'",
                hint=f"Choose another name, or: vedette source remove {name}",
            ) from error

    def set_source(self, name: str, settings: Mapping[str, Any], interval_s: int) -> None:
        """Give a source other settings; what it listed stays until its next pull.

        Raises:
            UsageError: There is no such source.
        """
        self.source(name)
        with self._db:
            self._db.execute(
                "UPDATE source SET settings=?, interval_s=? WHERE name=?",
                (msgspec.json.encode(settings).decode(), interval_s, name),
            )

    def remove_source(self, name: str) -> int:
        """Forget a source, all its entries, and what a MISP under this name was told.

        What waits to be told stays.

        Returns:
            How many entries went with it.
        """
        record = self.source(name)
        db = self._db
        with db:
            db.execute("BEGIN IMMEDIATE")
            (source_id,) = db.execute("SELECT id FROM source WHERE name=?", (name,)).fetchone()
            db.execute(
                "DELETE FROM entry WHERE context_id IN (SELECT id FROM context WHERE source_id=?)",
                (source_id,),
            )
            empty_staging(db, source_id)
            if record.entries:
                note_bulk(db, source_id, name, "source removed")
            db.execute("DELETE FROM source WHERE id=?", (source_id,))
            self.outbox.forget(name)
        self.entries.forget_contexts()
        return record.entries

    def sources(self) -> list[SourceRecord]:
        """All sources by name, with their last pull."""
        rows = self._db.execute(
            "SELECT s.name, s.kind, s.settings, s.interval_s, s.created_at, s.entries, s.rules,"
            " (SELECT body FROM pull p WHERE p.source_id=s.id ORDER BY id DESC LIMIT 1),"
            " (SELECT finished_at FROM pull p WHERE p.source_id=s.id"
            "  AND outcome IN ('changed', 'unchanged') ORDER BY id DESC LIMIT 1)"
            " FROM source s ORDER BY s.name"
        )
        return [
            SourceRecord(
                name=name,
                kind=kind,
                settings=msgspec.json.decode(settings),
                interval_s=interval_s,
                created_at=datetime.fromisoformat(created_at),
                entries=entries,
                last_pull=msgspec.json.decode(last, type=PullSummary) if last else None,
                last_good_at=datetime.fromisoformat(good) if good else None,
                rules=msgspec.json.decode(rules, type=SourceRules),
            )
            for name, kind, settings, interval_s, created_at, entries, rules, last, good in rows
        ]

    def source(self, name: str) -> SourceRecord:
        """One source.

        Raises:
            UsageError: There is none of that name.
        """
        for record in self.sources():
            if record.name == name:
                return record
        raise UsageError(f"there is no source '{name}'", hint="See: vedette source list")

    def set_rules(self, name: str, rules: SourceRules) -> None:
        """Say something about everything that a source lists; the next build judges by it.

        Raises:
            UsageError: There is no such source.
        """
        self.source(name)
        with self._db:
            self._db.execute(
                "UPDATE source SET rules=? WHERE name=?",
                (msgspec.json.encode(rules).decode(), name),
            )

    def pull(self, source: str, *, accept: bool = False) -> Pull:
        """Start (or go on with) a pull; see :class:`Pull`."""
        self.entries.forget_contexts()
        return Pull(self._db, source, accept=accept)

    def rejected(self, source: str, *, reason: str = "", limit: int = 20) -> list[tuple[str, ...]]:
        """Samples of what a source's values were refused for: (value, ref, reason)."""
        return self._db.execute(
            "SELECT r.value, r.ref, r.reason FROM rejected r JOIN source s ON s.id=r.source_id"
            " WHERE s.name=?1 AND (?2='' OR r.reason=?2) LIMIT ?3",
            (source, reason, limit),
        ).fetchall()

    def skipped(self) -> dict[str, int]:
        """Values that no engine can match or that filters left out, by reason, all sources."""
        return dict(
            self._db.execute(
                "SELECT reason, sum(n) FROM tally WHERE outcome='skipped' GROUP BY reason"
                " ORDER BY 2 DESC"
            )
        )


def _keep_from_others(path: Path) -> None:
    """Make the file so that others cannot read it, or close it if an older version left it open.

    Logins of proxies, reports that are TLP:RED and whom they met are in it.
    """
    if not path.exists():
        path.touch(mode=0o640)
        return
    for suffix in ("", "-wal", "-shm"):
        # Whoever may not change its mode is not its owner, who opens it sooner or later.
        with suppress(FileNotFoundError, PermissionError):
            file = path.with_name(f"{path.name}{suffix}")
            mode = stat.S_IMODE(file.stat().st_mode)
            if mode & stat.S_IRWXO:
                file.chmod(mode & ~stat.S_IRWXO)


def _unopened(path: Path, why: str) -> StoreError:
    return StoreError(
        f"cannot open the database {path}: {why}",
        hint="Check that the directory exists, is writable and has free space."
        " Malformed: restore a copy of the state directory.",
    )
