"""What a pull did, and the short history of pulls that the store keeps for each source."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime

import msgspec


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
    removed_why: dict[str, int] = {}
    """Removed entries by reason, most first (``to_ids is false``, ``withdrawn by the source``)."""
    groups: dict[str, int] = {}
    """How many groups were ``fetched``, ``unchanged``, ``broken`` and ``gone``."""
    rejected: dict[str, int] = {}
    """Rejected values by reason, over all groups of the source."""
    skipped: dict[str, int] = {}
    """Values left out by the filters or the table, by reason."""
    broken: dict[str, str] = {}
    kept: dict[str, int] = {}
    """Groups that stay as they were although the source says something else now, by reason."""
    error: str = ""
    hint: str = ""


def note_bulk(db: sqlite3.Connection, source_id: int, source: str, reason: str) -> None:
    """Log that too much changed to name it: the next build reads all entries."""
    db.execute(
        "INSERT INTO change(at, source_id, source, group_key, added, type, skey, reason)"
        " VALUES(?,?,?,'',1,'','',?)",
        (datetime.now(UTC).isoformat(), source_id, source, reason),
    )


def record_pull(db: sqlite3.Connection, source_id: int, summary: PullSummary) -> None:
    """Add one line to the source's history and keep its last 200; the caller commits."""
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
