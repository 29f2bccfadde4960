"""What is done once, when a pool is opened: its tables, and the keys of all that it knows."""

# ruff: noqa: S608 - all names are ours, and the database's was checked

from __future__ import annotations

import numpy as np

from vedette.pool.backend import Backend
from vedette.pool.known import Keys
from vedette.pool.schema import SCRATCH, check_version, forget, statements


def prepare(backend: Backend, cluster: str = "") -> None:
    """Make the tables that are missing, and take away those that a crash has left.

    Raises:
        PoolError: The engine failed, or the tables are of a newer Vedette.
    """
    for number, statement in enumerate(statements(backend.database, cluster)):
        if number == 1:  # the database is there
            check_version(_comment(backend))
        backend.command(statement)
    left = backend.query(
        "SELECT name FROM system.tables WHERE database = {database:String}"
        " AND startsWith(name, {scratch:String})"
        # On a server, younger ones may belong to somebody who is just asking.
        " AND metadata_modification_time < now() - INTERVAL 1 DAY",
        {"database": backend.database, "scratch": SCRATCH},
    )
    for name in left.column("name").to_pylist():
        for statement in forget(f"{backend.database}.{name}"):
            backend.command(statement)


def read_keys(backend: Backend) -> Keys:
    """Read the keys of all sightings, in any order; rows that are not merged yet have one each.

    Raises:
        PoolError: The engine failed.
    """
    sql = f"SELECT xxHash64(concat(field, '\\0', value)) AS key FROM {backend.database}.sightings"
    parts = [batch.column("key").to_numpy() for batch in backend.stream(sql)]
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.uint64)


def _comment(backend: Backend) -> str:
    """Return what the sightings table says of itself; empty if there is none."""
    table = backend.query(
        "SELECT comment FROM system.tables WHERE database = {database:String}"
        " AND name IN ('sightings', 'sightings_local') ORDER BY comment DESC LIMIT 1",
        {"database": backend.database},
    )
    return str(table.column("comment")[0].as_py()) if table.num_rows else ""
