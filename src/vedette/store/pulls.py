"""One pull of one source: staged group by group, then applied in one transaction.

A kill at any instant leaves the entries as they were; groups that were already whole are kept
in the staging tables and offered to the source as known, so that the next pull goes on there.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NoReturn, assert_never

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
    Withdrawn,
)
from vedette.store.apply import COLUMNS, Application, empty_staging
from vedette.store.bounds import SHRINK_HELD_BELOW, most_entries
from vedette.store.history import PullSummary, record_pull
from vedette.store.keys import to_skey

_ROWS_PER_WRITE = 20_000
_SAMPLES_PER_GROUP_AND_REASON = 1_000
_WITHDRAWN_MAX = 100_000
_MARKS = ",".join("?" * len(COLUMNS.split(",")))
_LEVELS = {"high": 1, "medium": 2, "low": 3}
_REASONS_MAX = 500
_OTHER = "other reasons"


class Pull:
    """Take the items of one source; nothing is in force before :meth:`finish`."""

    def __init__(
        self, connection: sqlite3.Connection, source: str, *, accept: bool = False
    ) -> None:
        """Open (or go on with) the pull of a source.

        Args:
            connection: To the database.
            source: Its name.
            accept: A person accepts whatever its size has become.

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
        self._accept = accept
        self._started_at = datetime.now(UTC)
        self._rows: list[tuple[int | str, ...]] = []
        self._contexts: dict[int, tuple[Context, int]] = {}
        self._group_contexts: dict[int, Context] = {}
        self._tally: Counter[tuple[str, str]] = Counter()
        self._samples: list[Rejected] = []
        self._broken: dict[str, str] = {}
        self._open_written = False
        self._open_row = 0
        self._applied = dict(
            connection.execute(
                "SELECT key, version FROM source_group WHERE source_id=?", (self._id,)
            )
        )
        self._staged = self._resume()
        self._kept: set[str] = set()
        self._fetched: set[str] = set()
        self._reversioned: dict[str, str] = {}
        self._reasons: dict[str, str] = {}
        self._withdrawn: dict[str, str] = {}
        self._unmoved: Counter[str] = Counter()

    def known(self) -> Mapping[str, str]:
        """Version by group key of what is applied or already staged."""
        return {**self._applied, **self._staged}

    def take(self, item: Item) -> None:
        """Stage one item. Groups become resumable when their ``Fetched`` arrives."""
        if isinstance(item, Indicator):
            self._take_indicator(item)
        elif isinstance(item, Rejected):
            if self._count("rejected", item.reason) <= _SAMPLES_PER_GROUP_AND_REASON:
                self._samples.append(item)
        elif isinstance(item, Skipped):
            self._count("skipped", item.reason, item.count)
        elif isinstance(item, Withdrawn):
            if len(self._withdrawn) < _WITHDRAWN_MAX:
                self._withdrawn[item.ref] = item.reason
        elif isinstance(item, Fetched):
            self._close_group(item)
        elif isinstance(item, Unchanged):
            self._keep(item)
        elif isinstance(item, Broken):
            self._close_broken(item)
        else:
            assert_never(item)

    def _keep(self, item: Unchanged) -> None:
        self._drop_open_rows()
        (self._fetched if item.key in self._staged else self._kept).add(item.key)
        if item.version and item.key in self._applied:
            self._reversioned[item.key] = item.version
        if item.reason:
            self._unmoved[item.reason] += 1

    def _count(self, outcome: str, reason: str, n: int = 1) -> int:
        """Count what was not used; of a source that gives endless reasons the first ones."""
        if (outcome, reason) not in self._tally and len(self._tally) >= _REASONS_MAX:
            reason = _OTHER
        self._tally[outcome, reason] += n
        return self._tally[outcome, reason]

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
                item.changed,
                item.expires,
                item.confidence,
                _LEVELS.get(context.threat_level, 0),
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
        """Write and commit: a slow source must not hold the write lock while it is read.

        Raises:
            HeldError: It is far longer than it was; no disk is filled to find out how long.
        """
        if self._rows:
            with self._db:
                self._db.executemany(f"INSERT INTO staged({COLUMNS}) VALUES({_MARKS})", self._rows)
            self._staged_rows += len(self._rows)
            self._rows.clear()
            self._open_written = True
        if self._staged_rows > (most := most_entries(self._before)) and not self._accept:
            self.abandon()
            self._hold(f"grew from {self._before:,} to more than {most:,} values", "growth")

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
        if item.reason:
            self._reasons[item.key] = item.reason
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
        (self._staged_rows,) = db.execute("SELECT count(*) FROM staged").fetchone()
        return dict(
            db.execute("SELECT key, version FROM staged_group WHERE source_id=?", (self._id,))
        )

    def finish(self, *, accept: bool = False) -> PullSummary:
        """Put what was taken in force, all at once.

        Args:
            accept: A person accepts that the source shrank.

        Raises:
            HeldError: The source lost more than a third of its entries; nothing has changed.
        """
        self._drop_open_rows()
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        try:
            for key in self._staged.keys() - self._fetched:
                self._unstage(key)
            application = self._application()
            applied = application.apply()
            entries = self._before - applied.removed + applied.added
            if entries < self._before * SHRINK_HELD_BELOW and not (accept or self._accept):
                db.rollback()
                self.abandon()
                self._hold(f"shrank from {self._before:,} to {entries:,} entries", "loss")
            application.settle(entries)
            summary = self._summary(
                entries=entries, outcome="changed" if applied.changed else "unchanged"
            )
            summary.added, summary.removed = applied.added, applied.removed
            summary.removed_why = dict(applied.why)
            summary.groups["gone"] = applied.gone
            record_pull(db, self._id, summary)
            db.commit()
        except BaseException:
            if db.in_transaction:
                db.rollback()
            raise
        return summary

    def _application(self) -> Application:
        return Application(
            db=self._db,
            source_id=self._id,
            source=self._source,
            started_at=self._started_at,
            complete=bool(self._complete),
            applied=self._applied,
            kept=self._kept,
            fetched=self._fetched,
            reversioned={
                key: version for key, version in self._reversioned.items() if key in self._kept
            },
            reasons=self._reasons,
            withdrawn=self._withdrawn,
        )

    def _hold(self, how: str, what: str) -> NoReturn:
        message = f"source '{self._source}' {how}"
        hint = (
            f"Its last good state stays in force. If the {what} is real: "
            f"vedette source pull {self._source} --accept"
        )
        held = self._summary(entries=self._before, outcome="held", error=message, hint=hint)
        with self._db:
            record_pull(self._db, self._id, held)
        raise HeldError(message, hint=hint)

    def fail(self, error: str, hint: str) -> PullSummary:
        """Record that the source could not be read; whole groups stay staged for the next try."""
        self._drop_open_rows()
        summary = self._summary(entries=self._before, outcome="failed", error=error, hint=hint)
        with self._db:
            record_pull(self._db, self._id, summary)
        return summary

    def abandon(self) -> None:
        """Forget all that is staged."""
        with self._db:
            empty_staging(self._db, self._id)

    def _summary(
        self, *, entries: int, outcome: str, error: str = "", hint: str = ""
    ) -> PullSummary:
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
            kept=dict(self._unmoved.most_common()),
            error=error,
            hint=hint,
        )
        for what, reason, n in self._db.execute(
            "SELECT outcome, reason, sum(n) FROM tally WHERE source_id=? AND outcome<>'broken'"
            " GROUP BY 1, 2 ORDER BY 3 DESC",
            (self._id,),
        ):
            counts = summary.rejected if what == "rejected" else summary.skipped
            reason = reason if len(counts) < _REASONS_MAX else _OTHER  # noqa: PLW2901
            counts[reason] = counts.get(reason, 0) + n
        return summary
