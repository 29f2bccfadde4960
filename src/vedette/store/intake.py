"""Up to where each input is in the pool, which files by their content, and what was counted.

Hard rule: the place and the counts of a batch are written in one transaction, behind the pool's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct, convert

from vedette.errors import StoreError

_BUSY_TIMEOUT_S = 30.0
_INPUT = "SELECT id, kind, place, sensor, seq, position FROM pool_input"


class InputRecord(Struct, frozen=True, kw_only=True):
    """One stream of batches."""

    id: int
    kind: str
    place: str
    sensor: str
    seq: int
    """Of the last batch that is in the pool."""
    position: str
    """Behind that batch; the input's own words."""


class InputTotals(Struct, frozen=True, kw_only=True):
    """What is in the pool of one place, for people."""

    kind: str
    place: str
    sensor: str
    updated_at: datetime
    counts: dict[str, int]
    """``lines``, ``events`` and what was skipped, by reason."""


class FileRecord(Struct, frozen=True, kw_only=True):
    """Up to where a file is in the pool."""

    head: str
    """Digest of its first 256 bytes; empty if fewer had been read."""
    device: int
    inode: int
    offset: int
    bookmark: str
    """JSON of eve.Bookmark."""
    sensor: str = ""
    """Whose it is; filled in when it is read."""


class Intake:
    """The part of the control database that the memory's inputs have."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def open(self, kind: str, place: str, sensor: str, *, position: str = "") -> InputRecord:
        """Return the record of an input; a new one begins at ``position``."""
        with self._db:
            self._db.execute(
                "INSERT INTO pool_input(kind, place, sensor, position, updated_at)"
                " VALUES(?,?,?,?,?) ON CONFLICT DO NOTHING",
                (kind, place, sensor, position, _now()),
            )
        row = self._db.execute(
            f"{_INPUT} WHERE kind=? AND place=? AND sensor=?", (kind, place, sensor)
        ).fetchone()
        return _input(row)

    def input(self, number: int) -> InputRecord | None:
        """Return the record of an input; None if there is none."""
        row = self._db.execute(f"{_INPUT} WHERE id=?", (number,)).fetchone()
        return _input(row) if row else None

    def commit(
        self,
        input_id: int,
        seq: int,
        *,
        position: str,
        files: Iterable[FileRecord],
        counts: Mapping[str, int],
    ) -> None:
        """Note that a batch is in the pool; all of it or nothing."""
        # The spool file goes next: a power cut must not take this transaction back.
        self._db.execute("PRAGMA synchronous=FULL")
        try:
            with self._db:
                self._db.execute(
                    "UPDATE pool_input SET seq=?, position=?, updated_at=? WHERE id=?",
                    (seq, position, _now(), input_id),
                )
                for file in files:
                    self._reach(input_id, file)
                self._count(input_id, counts)
        finally:
            self._db.execute("PRAGMA synchronous=NORMAL")

    def count(self, input_id: int, counts: Mapping[str, int]) -> None:
        """Add to the counters of an input, apart from any batch."""
        with self._db:
            self._count(input_id, counts)

    def _count(self, input_id: int, counts: Mapping[str, int]) -> None:
        self._db.executemany(
            "INSERT INTO pool_counter(input_id, name, n) VALUES(?,?,?)"
            " ON CONFLICT DO UPDATE SET n=n+excluded.n",
            [(input_id, name, n) for name, n in counts.items() if n],
        )

    def _reach(self, input_id: int, file: FileRecord) -> None:
        self._db.execute(
            "DELETE FROM pool_file WHERE head=? AND device=? AND inode=?"
            " AND json_extract(bookmark, '$.offset')<=?",
            (file.head, file.device, file.inode, file.offset),
        )
        self._db.execute(
            "INSERT INTO pool_file(input_id, head, device, inode, bookmark) VALUES(?,?,?,?,?)",
            (input_id, file.head, file.device, file.inode, file.bookmark),
        )

    def files(self, head: str) -> Iterator[FileRecord]:
        """Yield the files that may begin like this one: the same head, or too short for one."""
        for row in self._db.execute(
            "SELECT f.head, f.device, f.inode, json_extract(f.bookmark, '$.offset'), f.bookmark,"
            " i.sensor FROM pool_file f JOIN pool_input i ON i.id=f.input_id"
            " WHERE f.head IN (?, '')",
            (head,),
        ):
            yield convert(dict(zip(FileRecord.__struct_fields__, row, strict=True)), FileRecord)

    def totals(self) -> list[InputTotals]:
        """What is in the pool of each place; several readers of one place as one.

        Files in which nothing was new leave no trace; a log that is followed is there from the
        beginning.
        """
        found: dict[tuple[str, str, str], InputTotals] = {}
        for number, stream, place, sensor, at in self._db.execute(
            "SELECT id, kind, place, sensor, updated_at FROM pool_input"
            " WHERE seq>0 OR kind NOT LIKE 'file%'"
            " OR EXISTS (SELECT 1 FROM pool_counter WHERE input_id=id)"
            " ORDER BY place, sensor, id"
        ).fetchall():
            key = stream.partition("/")[0], place, sensor
            before = found.get(key)
            counts = dict(before.counts) if before else {}
            for name, n in self._db.execute(
                "SELECT name, n FROM pool_counter WHERE input_id=?", (number,)
            ):
                counts[name] = counts.get(name, 0) + n
            updated_at = datetime.fromisoformat(at)
            found[key] = InputTotals(
                kind=key[0],
                place=place,
                sensor=sensor,
                updated_at=max(updated_at, before.updated_at) if before else updated_at,
                counts=counts,
            )
        return list(found.values())


@contextmanager
def reading(database: Path) -> Iterator[Intake]:
    """Open the intake of a database that another process writes, to look something up.

    Raises:
        StoreError: It cannot be read.
    """
    try:
        db = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=_BUSY_TIMEOUT_S)
        try:
            yield Intake(db)
        finally:
            db.close()
    except sqlite3.Error as error:
        raise StoreError(
            f"cannot read the database {database}: {error}",
            hint="All of the state directory must belong to the user that Vedette runs as.",
        ) from error


def _input(row: tuple[object, ...]) -> InputRecord:
    return convert(dict(zip(InputRecord.__struct_fields__, row, strict=True)), InputRecord)


def _now() -> str:
    return datetime.now(UTC).isoformat()
