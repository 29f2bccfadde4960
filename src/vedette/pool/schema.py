"""The statements that make the pool's tables, for one engine or for a cluster.

On a cluster each table is a ``Distributed`` one over ``<table>_local`` on every shard; which shard
a row goes to is decided by its value, so all that is known of a value is on one shard.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from types import MappingProxyType

from vedette.errors import ConfigError, PoolError

TABLES: Mapping[str, str] = MappingProxyType(
    {
        "sightings": "xxHash64(field, value)",
        "observations": "xxHash64(field, value)",
        "new_sightings": "xxHash64(field, value)",
        "coverage": "xxHash64(sensor)",
    }
)
"""The tables, and by what their rows are spread over shards."""

DEDUPLICATION_WINDOW = 10_000
"""Blocks back in which a repeated one is noticed. Only the last batch can come again, but a batch
of observations is one block for each week in it, and a broken clock may show many weeks."""

_SETTINGS = (
    # A batch leaves the spool when it is committed: then it must be on the disk.
    "fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1,"
    # Refused before the disk is full: the embedded engine ignores writes that fail.
    f" min_free_disk_bytes_to_perform_insert = {256 << 20}"
)

VERSION = 1
"""Of the tables; in the comment of the first one, for those who will have to migrate."""

SCRATCH = "scratch_"
"""How the names of tables begin that live as long as one question."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}").fullmatch
_ENGINE = re.compile(r"\{engine:(\w+):(\w+)\}")
_VERSION = re.compile(r"vedette schema (\d+)").fullmatch
_STATEMENT = re.compile(r"(?ms)^CREATE .*?;$")


def check_identifier(what: str, name: str) -> str:
    """Return a name that may stand in SQL as it is.

    Raises:
        ConfigError: It may not.
    """
    if not _NAME(name):
        raise ConfigError(
            f"[pool] {what}: {name[:80]!r} cannot be one",
            hint="Use letters, digits and '_', and begin with a letter.",
        )
    return name


def statements(database: str, cluster: str = "") -> Iterator[str]:
    """Yield the DDL, in order; each may run again without harm.

    Raises:
        ConfigError: A name cannot stand in SQL.
    """
    check_identifier("database", database)
    on_cluster = f" ON CLUSTER {check_identifier('cluster', cluster)}" if cluster else ""
    yield f"CREATE DATABASE IF NOT EXISTS {database}{on_cluster}"
    text = files("vedette.pool").joinpath("schema.sql").read_text(encoding="utf-8")
    for statement in _STATEMENT.findall(text):
        yield _filled(statement, database, cluster, on_cluster)
    if cluster:
        for table, key in TABLES.items():
            yield (
                f"CREATE TABLE IF NOT EXISTS {database}.{table}{on_cluster}\n"
                f"AS {database}.{table}_local\n"
                f"ENGINE = Distributed({cluster}, {database}, {table}_local, {key})"
            )


def forget(scratch: str) -> tuple[str, ...]:
    """Return the statements that end a scratch table.

    Emptied first: a table that is dropped keeps its memory for some minutes, and the small build
    of the embedded engine waits for ever if it is told to drop it at once (``SYNC``).
    """
    return f"TRUNCATE TABLE IF EXISTS {scratch}", f"DROP TABLE IF EXISTS {scratch}"


def check_version(comment: str) -> None:
    """Check the comment of the sightings table; without one, it is not there yet.

    Raises:
        PoolError: A newer Vedette made the tables, or another program.
    """
    if not comment:
        return
    found = _VERSION(comment)
    if found is None or int(found[1]) > VERSION:
        raise PoolError(
            f"the pool has '{comment}', this Vedette knows 'vedette schema {VERSION}'",
            hint="Upgrade Vedette, or name another database in [pool] store.",
        )


def _filled(statement: str, database: str, cluster: str, on_cluster: str) -> str:
    kind = "replicated" if cluster else "non_replicated"
    settings = f"SETTINGS {kind}_deduplication_window = {DEDUPLICATION_WINDOW}, {_SETTINGS}"
    text = _ENGINE.sub(lambda match: _engine(match[1], match[2], database, cluster), statement)
    return (
        text.replace("{database}", database)
        .replace("{local}", "_local" if cluster else "")
        .replace("{on_cluster}", on_cluster)
        .replace("{settings}", settings)
        .replace("{version}", str(VERSION))
        .removesuffix(";")
    )


def _engine(name: str, table: str, database: str, cluster: str) -> str:
    if not cluster:
        return name
    return f"Replicated{name}('/clickhouse/tables/{{shard}}/{database}/{table}', '{{replica}}')"
