"""One pull of one source: staged group by group, then applied in one transaction.

A kill at any instant leaves the entries as they were; groups that were already whole are kept
in the staging tables and offered to the source as known, so that the next pull goes on there.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import assert_never

import msgspec

from vedette.errors import HeldError, StoreError
from vedette.model import (
    Broken,
    Context,
    Fetched,
    Indicator,
    Item,
    Rejected,
    Skipped,
    Unchanged,
)
from vedette.store.keys import to_skey

_ROWS_PER_WRITE = 20_000
_SAMPLES_PER_GROUP_AND_REASON = 1_000
_NAMED_CHANGES_MAX = 100_000
SHRINK_HELD_BELOW = 2 / 3
"""A source that keeps less than this share of its entries is held for a person."""


class PullSummary(msgspec.Struct, kw_only=True):
    """What one pull did, as ``source show`` tells it."""

    source: str
    outcome: str = "unchanged"
    """``changed``, ``unchanged``, ``held`` or ``failed``."""
    started_at: datetime
    finished_at: datetime | None = None
    entries: int = 0
    """Entries of the source after the pull."""
    added: int = 0
    removed: int = 0
    groups: dict[str, int] = {}
    """How many groups were ``fetched``, ``unchanged``, ``broken`` and ``gone``."""
    rejected: dict[str, int] = {}
    """Rejected values by reason, over all groups of the source."""
    skipped: dict[str, int] = {}
    """Values left out by the filters or the table, by reason."""
    broken: dict[str, str] = {}
    error: str = ""
    hint: str = ""


class Pull:
    """Take the items of one source; nothing is in force before :meth:`finish`."""

    def __init__(self, connection: sqlite3.Connection, source: str) -> None:
        """Open (or go on with) the pull of a source.

        Raises:
            StoreError: There is no such source.
        """
        row = connection.execute(
            "SELECT id, complete, entries FROM source WHERE name=?", (source,)
        ).fetchone()
        if row is None:
            raise StoreError(f"there is no source '{source}'", hint="See: vedette source list")
        self._db = connection
        self._source = source
        self._id, self._complete, self._before = row
        self._started_at = datetime.now(UTC)
        self._rows: list[tuple[int, str, str, str, int, str, str]] = []
        self._contexts: dict[int, tuple[Context, int]] = {}
        self._group_contexts: dict[int, Context] = {}
        self._tally: Counter[tuple[str, str]] = Counter()
        self._samples: list[Rejected] = []
        self._broken: dict[str, str] = {}
        self._open_written = False
        self._applied = dict(
            connection.execute(
                "SELECT key, version FROM source_group WHERE source_id=?", (self._id,)
            )
        )
        self._staged = self._resume()
        self._kept: set[str] = set()
        self._fetched: set[str] = set()

    def known(self) -> Mapping[str, str]:
        """Version by group key of what is applied or already staged."""
        return {**self._applied, **self._staged}

    def take(self, item: Item) -> None:
        """Stage one item. Groups become resumable when their ``Fetched`` arrives."""
        if isinstance(item, Indicator):
            self._take_indicator(item)
        elif isinstance(item, Rejected):
            self._tally["rejected", item.reason] += 1
            if self._tally["rejected", item.reason] <= _SAMPLES_PER_GROUP_AND_REASON:
                self._samples.append(item)
        elif isinstance(item, Skipped):
            self._tally["skipped", item.reason] += item.count
        elif isinstance(item, Fetched):
            self._close_group(item)
        elif isinstance(item, Unchanged):
            self._drop_open_rows()
            (self._fetched if item.key in self._staged else self._kept).add(item.key)
        elif isinstance(item, Broken):
            self._close_broken(item)
        else:
            assert_never(item)

    def _take_indicator(self, item: Indicator) -> None:
        context = item.context
        cached = self._contexts.get(id(context))
        # The cache holds the object, so that its id() cannot be given to another one.
        context_id = cached[1] if cached else self._stage_context(context)
        kind = item.type
        self._rows.append(
            (
                self._id,
                kind.value,
                to_skey(kind, item.value),
                item.ref,
                context_id,
                item.comment,
                "\t".join(item.tags),
            )
        )
        if len(self._rows) >= _ROWS_PER_WRITE:
            self._write_rows()

    def _stage_context(self, context: Context) -> int:
        with self._db:
            self._db.execute(
                "INSERT INTO context(source_id, key, group_key, body) VALUES(?,?,'','')"
                " ON CONFLICT DO NOTHING",
                (self._id, context.key),
            )
        (context_id,) = self._db.execute(
            "SELECT id FROM context WHERE source_id=? AND key=?", (self._id, context.key)
        ).fetchone()
        if len(self._contexts) > _ROWS_PER_WRITE:
            self._contexts.clear()
        self._contexts[id(context)] = (context, context_id)
        self._group_contexts[context_id] = context
        return int(context_id)

    def _begin(self) -> None:
        if not self._db.in_transaction:
            self._db.execute("BEGIN IMMEDIATE")

    def _write_rows(self) -> None:
        """Write and commit: a slow source must not hold the write lock while it is read."""
        if self._rows:
            with self._db:
                self._db.executemany("INSERT INTO staged VALUES(?,?,?,?,?,?,?)", self._rows)
            self._rows.clear()
            self._open_written = True

    def _last_row(self) -> int:
        (row,) = self._db.execute("SELECT coalesce(max(rowid), 0) FROM staged").fetchone()
        return int(row)

    def _close_group(self, item: Fetched) -> None:
        self._write_rows()
        self._begin()
        last = self._last_row()
        self._unstage(item.key)
        self._db.execute(
            "INSERT INTO staged_group VALUES(?,?,?,?,?)",
            (self._id, item.key, item.version, self._open_row, last),
        )
        self._db.executemany(
            "INSERT OR REPLACE INTO staged_context VALUES(?,?,?,?)",
            (
                (context_id, self._id, item.key, msgspec.json.encode(context).decode())
                for context_id, context in self._group_contexts.items()
            ),
        )
        self._write_tally(item.key)
        self._db.commit()
        self._open_row = last
        self._open_written = False
        self._staged[item.key] = item.version
        self._fetched.add(item.key)
        self._kept.discard(item.key)
        self._group_contexts.clear()
        self._contexts.clear()

    def _unstage(self, key: str) -> None:
        for first, last in self._db.execute(
            "SELECT first_row, last_row FROM staged_group WHERE source_id=? AND key=?",
            (self._id, key),
        ).fetchall():
            self._db.execute("DELETE FROM staged WHERE rowid>? AND rowid<=?", (first, last))
        self._db.execute("DELETE FROM staged_group WHERE source_id=? AND key=?", (self._id, key))

    def _close_broken(self, item: Broken) -> None:
        self._drop_open_rows()
        self._tally["broken", item.reason] += 1
        self._begin()
        self._db.execute(
            "DELETE FROM tally WHERE source_id=? AND group_key=? AND outcome='broken'",
            (self._id, item.key),
        )
        self._insert_tally(item.key)
        self._db.commit()
        self._broken[item.key] = item.reason
        if item.key not in self._fetched:
            self._kept.add(item.key)

    def _write_tally(self, key: str) -> None:
        self._db.execute("DELETE FROM tally WHERE source_id=? AND group_key=?", (self._id, key))
        self._db.execute("DELETE FROM rejected WHERE source_id=? AND group_key=?", (self._id, key))
        self._insert_tally(key)

    def _insert_tally(self, key: str) -> None:
        self._db.executemany(
            "INSERT INTO tally VALUES(?,?,?,?,?)",
            ((self._id, key, what, why, n) for (what, why), n in self._tally.items()),
        )
        self._db.executemany(
            "INSERT INTO rejected VALUES(?,?,?,?,?)",
            ((self._id, key, r.value, r.ref, r.reason) for r in self._samples),
        )
        self._tally.clear()
        self._samples.clear()

    def _drop_open_rows(self) -> None:
        """Forget items of a group that did not end with ``Fetched``."""
        self._rows.clear()
        self._tally.clear()
        self._samples.clear()
        self._group_contexts.clear()
        self._contexts.clear()
        if self._open_written:
            with self._db:
                self._db.execute("DELETE FROM staged WHERE rowid>?", (self._open_row,))
            self._open_written = False

    def _resume(self) -> dict[str, str]:
        """Keep the whole groups of an interrupted pull, drop everything else that is staged."""
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        db.execute("DELETE FROM staged_group WHERE source_id<>?", (self._id,))
        db.execute("DELETE FROM staged_context WHERE source_id<>?", (self._id,))
        db.execute(
            "DELETE FROM staged WHERE source_id<>? OR rowid>"
            "(SELECT coalesce(max(last_row), 0) FROM staged_group)",
            (self._id,),
        )
        db.commit()
        self._open_row = self._last_row()
        return dict(
            db.execute("SELECT key, version FROM staged_group WHERE source_id=?", (self._id,))
        )

    def finish(self, *, accept: bool = False) -> PullSummary:
        """Put what was taken in force, all at once.

        Args:
            accept: A person has accepted that the source shrank.

        Raises:
            HeldError: The source lost more than a third of its entries; nothing has changed.
        """
        self._drop_open_rows()
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        try:
            summary = self._apply()
            if self._shrank(summary) and not accept:
                db.rollback()
                self.abandon()
                self._record_held(summary)
            self._settle(summary)
            db.commit()
        except BaseException:
            if db.in_transaction:
                db.rollback()
            raise
        return summary

    def _shrank(self, summary: PullSummary) -> bool:
        return self._before > 0 and summary.entries < self._before * SHRINK_HELD_BELOW

    def _record_held(self, summary: PullSummary) -> None:
        message = (
            f"source '{self._source}' shrank from {self._before:,} to {summary.entries:,} entries"
        )
        hint = (
            "Its last good state stays in force. If the loss is real: "
            f"vedette source pull {self._source} --accept"
        )
        held = self._summary(entries=self._before, outcome="held", error=message, hint=hint)
        held.removed = summary.removed
        record_pull(self._db, self._id, held)
        raise HeldError(message, hint=hint)

    def fail(self, error: str, hint: str) -> PullSummary:
        """Record that the source could not be read; whole groups stay staged for the next try."""
        self._drop_open_rows()
        summary = self._summary(entries=self._before, outcome="failed", error=error, hint=hint)
        record_pull(self._db, self._id, summary)
        return summary

    def abandon(self) -> None:
        """Forget all that is staged."""
        self._begin()
        for table in ("staged", "staged_group", "staged_context"):
            self._db.execute(f"DELETE FROM {table} WHERE source_id=?", (self._id,))  # noqa: S608
        self._db.commit()

    def _apply(self) -> PullSummary:
        db = self._db
        for key in self._staged.keys() - self._fetched:
            self._unstage(key)
        gone = self._applied.keys() - self._kept - self._fetched
        self._fill_temp(gone)
        removed = self._remove_entries() if self._complete else 0
        named = self._name_additions() if self._complete else 0
        before = db.total_changes
        db.execute(
            "INSERT INTO entry SELECT type, skey, source_id, ref, context_id, comment, tags"
            " FROM staged WHERE source_id=? ORDER BY type, skey, ref"
            " ON CONFLICT DO UPDATE SET context_id=excluded.context_id, comment=excluded.comment,"
            " tags=excluded.tags WHERE context_id<>excluded.context_id"
            " OR comment<>excluded.comment OR tags<>excluded.tags",
            (self._id,),
        )
        written = db.total_changes - before
        added = named if self._complete else self._count_entries()
        changed = bool(removed or added or written or not self._complete)
        if added and not self._complete:
            self._note_bulk("first pull")
        summary = self._summary(
            entries=self._before - removed + added, outcome="changed" if changed else "unchanged"
        )
        summary.added, summary.removed = added, removed
        summary.groups["gone"] = len(gone)
        return summary

    def _count_entries(self) -> int:
        (n,) = self._db.execute(
            "SELECT count(*) FROM entry WHERE context_id IN"
            " (SELECT id FROM context WHERE source_id=?)",
            (self._id,),
        ).fetchone()
        return int(n)

    def _fill_temp(self, gone: set[str]) -> None:
        db = self._db
        db.execute("DROP TABLE IF EXISTS temp.touched")
        db.execute("CREATE TEMP TABLE touched(key TEXT PRIMARY KEY, reason TEXT) WITHOUT ROWID")
        reasons = {key: "updated by the source" for key in self._fetched & self._applied.keys()}
        reasons |= {key: "withdrawn by the source" for key in gone}
        db.executemany("INSERT INTO temp.touched VALUES(?,?)", reasons.items())

    def _remove_entries(self) -> int:
        db = self._db
        db.execute("CREATE INDEX IF NOT EXISTS staged_pk ON staged(type, skey, ref)")
        db.execute("DROP TABLE IF EXISTS temp.removed")
        db.execute(
            "CREATE TEMP TABLE removed AS SELECT e.type, e.skey, e.ref, t.key, t.reason"
            " FROM temp.touched t JOIN context c ON c.group_key=t.key AND c.source_id=?1"
            " JOIN entry e ON e.context_id=c.id"
            " WHERE NOT EXISTS (SELECT 1 FROM staged s"
            " WHERE s.type=e.type AND s.skey=e.skey AND s.ref=e.ref)",
            (self._id,),
        )
        db.execute(
            "DELETE FROM entry WHERE source_id=? AND (type, skey, ref) IN"
            " (SELECT type, skey, ref FROM temp.removed)",
            (self._id,),
        )
        return self._log_changes("removed", added=False)

    def _name_additions(self) -> int:
        db = self._db
        db.execute("DROP TABLE IF EXISTS temp.added")
        db.execute(
            "CREATE TEMP TABLE added AS SELECT DISTINCT s.type, s.skey, s.ref, g.key,"
            " CASE WHEN t.key IS NULL THEN 'new in the source' ELSE t.reason END AS reason"
            # CROSS JOIN fixes the order: one range of rows for each group
            " FROM staged_group g CROSS JOIN staged s"
            " ON s.rowid>g.first_row AND s.rowid<=g.last_row AND g.source_id=?1"
            " LEFT JOIN temp.touched t ON t.key=g.key"
            " WHERE NOT EXISTS (SELECT 1 FROM entry e WHERE e.type=s.type AND e.skey=s.skey"
            " AND e.source_id=?1 AND e.ref=s.ref)",
            (self._id,),
        )
        db.execute("DROP INDEX IF EXISTS staged_pk")
        return self._log_changes("added", added=True)

    def _log_changes(self, table: str, *, added: bool) -> int:
        db = self._db
        (n,) = db.execute(f"SELECT count(*) FROM temp.{table}").fetchone()  # noqa: S608
        if n > _NAMED_CHANGES_MAX:
            self._note_bulk(f"{n:,} entries {table}")
        else:
            db.execute(
                "INSERT INTO change(at, source_id, source, group_key, added, type, skey, reason)"  # noqa: S608
                f" SELECT ?, ?, ?, key, ?, type, skey, reason FROM temp.{table}",
                (self._started_at.isoformat(), self._id, self._source, added),
            )
        return int(n)

    def _note_bulk(self, reason: str) -> None:
        note_bulk(self._db, self._id, self._source, reason)

    def _settle(self, summary: PullSummary) -> None:
        """Make versions, contexts and counts follow the entries, and empty the staging."""
        db = self._db
        keep = self._kept | self._fetched
        db.executemany(
            "DELETE FROM source_group WHERE source_id=? AND key=?",
            ((self._id, key) for key in self._applied.keys() - keep),
        )
        db.execute(
            "INSERT OR REPLACE INTO source_group SELECT source_id, key, version FROM staged_group"
            " WHERE source_id=?",
            (self._id,),
        )
        db.execute(
            "UPDATE context SET (group_key, body) ="
            " (SELECT group_key, body FROM staged_context s WHERE s.context_id=context.id)"
            " WHERE id IN (SELECT context_id FROM staged_context WHERE source_id=?)",
            (self._id,),
        )
        db.executemany(
            "DELETE FROM context WHERE source_id=? AND group_key=?",
            ((self._id, key) for key in self._applied.keys() - keep),
        )
        for table in ("tally", "rejected"):
            db.executemany(
                f"DELETE FROM {table} WHERE source_id=? AND group_key=?",  # noqa: S608
                ((self._id, key) for key in self._applied.keys() - keep),
            )
        for table in ("staged", "staged_group", "staged_context"):
            db.execute(f"DELETE FROM {table} WHERE source_id=?", (self._id,))  # noqa: S608
        db.execute(
            "UPDATE source SET complete=1, entries=? WHERE id=?", (summary.entries, self._id)
        )
        summary.finished_at = datetime.now(UTC)
        record_pull(db, self._id, summary, commit=False)

    def _summary(self, *, entries: int, outcome: str, error: str = "", hint: str = "") -> PullSummary:
        groups = {
            "fetched": len(self._fetched),
            "unchanged": len(self._kept - self._broken.keys()),
            "broken": len(self._broken),
        }
        summary = PullSummary(
            source=self._source,
            outcome=outcome,
            started_at=self._started_at,
            finished_at=datetime.now(UTC),
            entries=entries,
            groups=groups,
            broken=dict(list(self._broken.items())[:100]),
            error=error,
            hint=hint,
        )
        for what, reason, n in self._db.execute(
            "SELECT outcome, reason, sum(n) FROM tally WHERE source_id=? AND outcome<>'broken'"
            " GROUP BY 1, 2 ORDER BY 3 DESC",
            (self._id,),
        ):
            (summary.rejected if what == "rejected" else summary.skipped)[reason] = n
        return summary


def note_bulk(db: sqlite3.Connection, source_id: int, source: str, reason: str) -> None:
    """Log that too much changed to name it: the next build reads all entries."""
    db.execute(
        "INSERT INTO change(at, source_id, source, group_key, added, type, skey, reason)"
        " VALUES(?,?,?,'',1,'','',?)",
        (datetime.now(UTC).isoformat(), source_id, source, reason),
    )


def record_pull(
    db: sqlite3.Connection, source_id: int, summary: PullSummary, *, commit: bool = True
) -> None:
    """Add one line to the source's history and keep its last 200."""
    if commit and not db.in_transaction:
        db.execute("BEGIN IMMEDIATE")
    finished_at = summary.finished_at or datetime.now(UTC)
    db.execute(
        "INSERT INTO pull(source_id, started_at, finished_at, outcome, body) VALUES(?,?,?,?,?)",
        (
            source_id,
            summary.started_at.isoformat(),
            finished_at.isoformat(),
            summary.outcome,
            msgspec.json.encode(summary).decode(),
        ),
    )
    db.execute(
        "DELETE FROM pull WHERE source_id=?1 AND id<(SELECT id FROM pull WHERE source_id=?1"
        " ORDER BY id DESC LIMIT 1 OFFSET 199)",
        (source_id,),
    )
    if commit:
        db.commit()
