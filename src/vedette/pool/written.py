"""Whether what the embedded engine says it wrote is in its files.

chDB 26.9 goes on when the operating system refuses a write (no space, quota, I/O error): the
insert succeeds, and the part cannot be read. The engine knows how long the files should be.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from vedette.errors import PoolError


class Session(Protocol):
    """What is needed of a session of the engine."""

    def query(self, sql: str, fmt: str, *, params: dict[str, str] | None = None) -> pa.Table:
        """Run a statement."""
        ...


class WrittenParts:
    """Remembers which parts of the tables were found whole."""

    def __init__(self) -> None:
        """Begin with none."""
        self._whole: dict[str, frozenset[str]] = {}

    def check(self, session: Session, table: str) -> None:
        """Look at the parts that are new since the last time, after an insert.

        A part of that insert which is not whole is dropped, and its token with it: the insert can
        be repeated.

        Raises:
            PoolError: Some part is not whole.
        """
        database, _, name = table.partition(".")
        parts = session.query(
            "SELECT name, path, data_compressed_bytes AS data, bytes_on_disk AS bytes,"
            " min_block_number = max_block_number AS is_insert FROM system.parts"
            " WHERE active AND database = {database:String} AND table = {name:String}",
            "ArrowTable",
            params={"database": database, "name": name},
        ).to_pylist()
        known = self._whole.get(table, frozenset())
        broken = [
            part
            for part in parts
            if part["path"] not in known
            and not _is_whole(Path(part["path"]), part["data"], part["bytes"])
        ]
        if not broken:
            self._whole[table] = frozenset(part["path"] for part in parts)
            return
        for part in broken:
            if part["is_insert"]:
                session.query(f"ALTER TABLE {table} DROP PART '{part['name']}'", "Null")
        if all(part["is_insert"] for part in broken):
            raise PoolError(
                f"the disk did not take what was written to {table}",
                hint="The disk is full, over its quota, or failing: make room. What was read stays"
                " in the spool; nothing is lost.",
            )
        raise PoolError(
            f"{broken[0]['path']} is damaged: the disk did not take what was merged there",
            hint="Move the store away, check the disk, and read the EVE files again.",
        )


def _is_whole(directory: Path, data: int, total: int) -> bool:
    """Whether the files are there; also if the part has gone meanwhile, merged into another."""
    try:
        files = {entry.name: entry.stat().st_size for entry in os.scandir(directory)}
    except FileNotFoundError:
        return True
    columns = sum(size for name, size in files.items() if name.endswith(".bin"))
    return columns == data and sum(files.values()) >= total
