"""Put a staged pull in force: what was removed, added and changed, inside one transaction.

The caller begins, commits and rolls back; nothing here does.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime

from vedette.store.history import note_bulk

_NAMED_CHANGES_MAX = 100_000
COLUMNS = (
    "source_id, type, skey, ref, context_id, comment, tags, changed, expires, confidence, level"
)
"""Of a staged row."""
_FACTS = ("changed", "expires", "confidence", "level")
"""What the guard and the rules go by: a claim that says other ones is judged again."""
_COMPARED = ("context_id", "comment", "tags", *_FACTS)
"""A staged row that says these of its entry already is nothing new."""
_STAGING = ("staged", "staged_group", "staged_context")


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What applying changed."""

    changed: bool
    added: int
    removed: int
    gone: int
    """Groups that the source does not mention any more."""
    why: Mapping[str, int]
    """Removed entries by reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """A whole pull of one source, about to be put in force."""

    db: sqlite3.Connection
    source_id: int
    source: str
    started_at: datetime
    complete: bool
    """Whether an earlier pull has been applied whole."""
    applied: Mapping[str, str]
    """Version by key of the groups in force before."""
    kept: AbstractSet[str]
    fetched: AbstractSet[str]
    reversioned: Mapping[str, str]
    """New versions of groups that stay as they are."""
    reasons: Mapping[str, str]
    """Why entries of fetched groups go, by key, where the source says."""
    withdrawn: Mapping[str, str]
    """The same for single entries, by ref."""

    def apply(self) -> Applied:
        """Make the entries those of the fetched and kept groups, and log what changed.

        The log comes first: ``entry.seq`` is the last change of the pull that a claim came with,
        so that ``seq > n`` tells claims that came after change ``n``.
        """
        gone = self.applied.keys() - self.kept - self.fetched
        self._fill_temp(gone)
        if self.complete:
            removed, added = self._remove_entries(), self._name_additions()
            self._log_facts()
            written = self._write("staged WHERE rowid IN (SELECT id FROM temp.fresh)")
        else:
            if self._is_anything_staged():
                self._note_bulk("first pull")
            removed, written = 0, self._write("staged WHERE source_id=?1")
            added = self._count_entries()
        return Applied(
            changed=bool(removed or added or written or not self.complete),
            added=added,
            removed=removed,
            gone=len(gone),
            why=self._why() if removed else {},
        )

    def _write(self, rows: str) -> int:
        """Make entries of staged rows; of two that are the same entry the last one counts."""
        db = self.db
        before = db.total_changes
        (seq,) = db.execute("SELECT coalesce(max(seq), 0) FROM change").fetchone()
        db.execute(
            f"INSERT INTO entry({COLUMNS}, seq, added_at) SELECT {COLUMNS}, ?2, ?3 FROM {rows}"  # noqa: S608
            " AND source_id=?1 ORDER BY type, skey, ref, rowid ON CONFLICT DO UPDATE SET "
            + ", ".join(f"{name}=excluded.{name}" for name in _COMPARED)
            + " WHERE "
            + " OR ".join(f"{name}<>excluded.{name}" for name in _COMPARED),
            (self.source_id, seq, int(self.started_at.timestamp())),
        )
        return db.total_changes - before

    def _is_anything_staged(self) -> bool:
        row = self.db.execute(
            "SELECT 1 FROM staged WHERE source_id=? LIMIT 1", (self.source_id,)
        ).fetchone()
        return row is not None

    def _count_entries(self) -> int:
        (n,) = self.db.execute(
            "SELECT count(*) FROM entry WHERE context_id IN"
            " (SELECT id FROM context WHERE source_id=?)",
            (self.source_id,),
        ).fetchone()
        return int(n)

    def _fill_temp(self, gone: set[str]) -> None:
        db = self.db
        db.execute("DROP TABLE IF EXISTS temp.touched")
        db.execute("CREATE TEMP TABLE touched(key TEXT PRIMARY KEY, reason TEXT) WITHOUT ROWID")
        reasons = dict.fromkeys(self.fetched & self.applied.keys(), "updated by the source")
        reasons |= {key: why for key, why in self.reasons.items() if key in reasons}
        reasons |= dict.fromkeys(gone, "withdrawn by the source")
        db.executemany("INSERT INTO temp.touched VALUES(?,?)", reasons.items())
        db.execute("DROP TABLE IF EXISTS temp.withdrawn")
        db.execute("CREATE TEMP TABLE withdrawn(ref TEXT PRIMARY KEY, reason TEXT) WITHOUT ROWID")
        db.executemany("INSERT INTO temp.withdrawn VALUES(?,?)", self.withdrawn.items())

    def _remove_entries(self) -> int:
        db = self.db
        db.execute("CREATE INDEX IF NOT EXISTS staged_pk ON staged(type, skey, ref)")
        db.execute("DROP TABLE IF EXISTS temp.removed")
        db.execute(
            "CREATE TEMP TABLE removed AS SELECT e.type, e.skey, e.ref, t.key,"
            " coalesce(w.reason, t.reason) AS reason"
            " FROM temp.touched t JOIN context c ON c.group_key=t.key AND c.source_id=?1"
            " JOIN entry e ON e.context_id=c.id"
            " LEFT JOIN temp.withdrawn w ON w.ref=e.ref AND e.ref<>''"
            " WHERE NOT EXISTS (SELECT 1 FROM staged s"
            " WHERE s.type=e.type AND s.skey=e.skey AND s.ref=e.ref)",
            (self.source_id,),
        )
        db.execute(
            "DELETE FROM entry WHERE source_id=? AND (type, skey, ref) IN"
            " (SELECT type, skey, ref FROM temp.removed)",
            (self.source_id,),
        )
        return self._log_changes("removed", added=False)

    def _why(self) -> dict[str, int]:
        return dict(
            self.db.execute(
                "SELECT reason, count(*) FROM temp.removed GROUP BY 1 ORDER BY 2 DESC, 1"
            )
        )

    def _fill_fresh(self) -> None:
        """Find the staged rows that say something new: usually few, and all that is left to do."""
        db = self.db
        differ = " OR ".join(f"s.{name}<>e.{name}" for name in _COMPARED)
        changed = " OR ".join(f"s.{name}<>e.{name}" for name in _FACTS)
        db.execute("DROP TABLE IF EXISTS temp.fresh")
        db.execute(
            "CREATE TEMP TABLE fresh AS SELECT s.rowid AS id, e.type IS NULL AS is_new,"  # noqa: S608
            f" ({changed}) AS is_changed FROM"
            # Both sides in the order of their keys: no page is read twice.
            " (SELECT max(rowid) AS id FROM staged INDEXED BY staged_pk GROUP BY type, skey, ref) l"
            " CROSS JOIN staged s ON s.rowid=l.id LEFT JOIN entry e"
            " ON e.type=s.type AND e.skey=s.skey AND e.source_id=s.source_id AND e.ref=s.ref"
            f" WHERE s.source_id=?1 AND (e.type IS NULL OR {differ})",
            (self.source_id,),
        )
        db.execute("DROP INDEX IF EXISTS staged_pk")

    def _name_additions(self) -> int:
        db = self.db
        self._fill_fresh()
        db.execute("DROP TABLE IF EXISTS temp.added")
        db.execute(
            "CREATE TEMP TABLE added AS SELECT s.type, s.skey, s.ref, g.group_key AS key,"
            " CASE WHEN t.key IS NULL THEN 'new in the source'"
            " ELSE 'updated by the source' END AS reason"
            " FROM temp.fresh f JOIN staged s ON s.rowid=f.id"
            " JOIN staged_context g ON g.context_id=s.context_id"
            " LEFT JOIN temp.touched t ON t.key=g.group_key WHERE f.is_new"
        )
        return self._log_changes("added", added=True)

    def _log_facts(self) -> None:
        """Name the entries that stay and whose facts are others now."""
        db = self.db
        db.execute("DROP TABLE IF EXISTS temp.facts")
        db.execute(
            "CREATE TEMP TABLE facts AS SELECT DISTINCT s.type, s.skey"
            " FROM temp.fresh f JOIN staged s ON s.rowid=f.id WHERE f.is_changed"
        )
        (n,) = db.execute("SELECT count(*) FROM temp.facts").fetchone()
        if n > _NAMED_CHANGES_MAX:
            self._note_bulk(f"{n:,} entries say other things")
        else:
            db.execute(
                "INSERT INTO change(at, source_id, source, group_key, added, type, skey, reason,"
                " claim) SELECT ?, ?, ?, '', 1, type, skey, 'its source says other things', 0"
                " FROM temp.facts",
                (self.started_at.isoformat(), self.source_id, self.source),
            )

    def _log_changes(self, table: str, *, added: bool) -> int:
        db = self.db
        (n,) = db.execute(f"SELECT count(*) FROM temp.{table}").fetchone()  # noqa: S608
        if n > _NAMED_CHANGES_MAX:
            self._note_bulk(f"{n:,} entries {table}")
        else:
            db.execute(
                "INSERT INTO change(at, source_id, source, group_key, added, type, skey, reason)"  # noqa: S608
                f" SELECT ?, ?, ?, key, ?, type, skey, reason FROM temp.{table}",
                (self.started_at.isoformat(), self.source_id, self.source, added),
            )
        return int(n)

    def _note_bulk(self, reason: str) -> None:
        note_bulk(self.db, self.source_id, self.source, reason)

    def settle(self, entries: int) -> None:
        """Make versions, contexts and counts follow the entries, and empty the staging."""
        db = self.db
        keep = self.kept | self.fetched
        db.executemany(
            "DELETE FROM source_group WHERE source_id=? AND key=?",
            ((self.source_id, key) for key in self.applied.keys() - keep),
        )
        db.execute(
            "INSERT OR REPLACE INTO source_group SELECT source_id, key, version FROM staged_group"
            " WHERE source_id=?",
            (self.source_id,),
        )
        db.executemany(
            "UPDATE source_group SET version=?3 WHERE source_id=?1 AND key=?2",
            ((self.source_id, key, version) for key, version in self.reversioned.items()),
        )
        db.execute(
            "UPDATE context SET (group_key, body) ="
            " (SELECT group_key, body FROM staged_context s WHERE s.context_id=context.id)"
            " WHERE id IN (SELECT context_id FROM staged_context WHERE source_id=?)",
            (self.source_id,),
        )
        db.executemany(
            "DELETE FROM context WHERE source_id=? AND group_key=?",
            ((self.source_id, key) for key in self.applied.keys() - keep),
        )
        for table in ("tally", "rejected"):
            db.executemany(
                f"DELETE FROM {table} WHERE source_id=? AND group_key=?",  # noqa: S608
                ((self.source_id, key) for key in self.applied.keys() - keep),
            )
        empty_staging(db, self.source_id)
        db.execute("UPDATE source SET complete=1, entries=? WHERE id=?", (entries, self.source_id))


def empty_staging(db: sqlite3.Connection, source_id: int) -> None:
    """Forget all that is staged for a source."""
    for table in _STAGING:
        db.execute(f"DELETE FROM {table} WHERE source_id=?", (source_id,))  # noqa: S608
