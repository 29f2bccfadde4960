"""The embedded engine: ClickHouse in this process (chDB), on a directory of its own.

One hard rule of the engine: one directory for one process, one process for one directory, and no
fork after opening.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa

from vedette.errors import BusyError, PoolError
from vedette.pool.backend import Parameter

_INSERT = (
    # One block for each insert: the token then stands for all of it or nothing.
    "max_insert_threads=1, max_threads=1, min_insert_block_size_rows=100000000,"
    " min_insert_block_size_bytes=0, max_partitions_per_insert_block=0, insert_deduplicate=1"
)
_PIECE = 65_536

_opened: set[str] = set()
_opening = threading.Lock()


class EmbeddedBackend:
    """An open engine in this process."""

    def __init__(self, directory: Path, database: str = "vedette") -> None:
        """Open or create the store in a directory.

        Raises:
            BusyError: Another process has it open.
            PoolError: The extra is missing, or the directory cannot be used.
        """
        self.database = database
        self.directory = directory
        self._session = _open(directory)

    def close(self) -> None:
        """Let go of the engine; other sessions of this process on the directory stay open."""
        self._session.close()

    def command(self, sql: str) -> None:
        """Run a statement that gives no rows."""
        self._run(sql, "Null", {})

    def query(self, sql: str, parameters: Mapping[str, Parameter] | None = None) -> pa.Table:
        """Return the rows of a SELECT."""
        return self._run(sql, "ArrowTable", parameters or {})

    def stream(
        self, sql: str, parameters: Mapping[str, Parameter] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a SELECT of any size in batches."""
        # chDB's own streaming holds a lock that keeps other threads' queries waiting.
        yield from self.query(sql, parameters).to_batches(max_chunksize=_PIECE)

    def insert(self, table: str, rows: pa.Table, *, token: str) -> None:
        """Add rows, once for each token."""
        columns = ", ".join(rows.column_names)
        self._from_python(
            rows,
            f"INSERT INTO {self.database}.{table} ({columns}) SELECT {columns} FROM Python(rows)"
            f" SETTINGS {_INSERT}, insert_deduplication_token={_quoted(token)}",
        )

    @contextmanager
    def scratch(self, rows: pa.Table) -> Iterator[str]:
        """Lend the engine a table; the name to use in SQL."""
        name = f"{self.database}.scratch_{uuid4().hex}"
        try:
            self._from_python(
                rows, f"CREATE TABLE {name} ENGINE = Memory AS SELECT * FROM Python(rows)"
            )
            yield name
        finally:
            self.command(f"DROP TABLE IF EXISTS {name} SYNC")

    def _from_python(self, rows: pa.Table, sql: str) -> None:
        """Run a statement that reads ``rows``: the engine looks for that name in our frames."""
        try:
            self._session.query(sql, "Null")
        except RuntimeError as error:
            raise _failed(error) from error

    def _run(self, sql: str, form: str, parameters: Mapping[str, Parameter]) -> Any:
        bound = {name: _spelt(value) for name, value in parameters.items()}
        try:
            return self._session.query(sql, form, params=bound or None)
        except RuntimeError as error:
            raise _failed(error) from error


def _open(directory: Path) -> Any:
    try:
        from chdb.session import Session  # noqa: PLC0415 - half a second, and of the extra
    except ImportError as error:
        raise PoolError(
            "the embedded engine is not installed",
            hint='Install the extra: pip install "vedette[hub]"',
        ) from error
    with _opening:
        place = str(directory.absolute())
        if _opened - {place}:
            raise PoolError(
                f"this process already has the store in {next(iter(_opened))} open",
                hint="The engine takes one directory for each process.",
            )
        try:
            directory.mkdir(parents=True, exist_ok=True)
            session = Session(place)
            session.query("SELECT 1", "Null")
        except (RuntimeError, OSError) as error:
            raise _not_opened(directory, error) from error
        _opened.add(place)
        return session


def _not_opened(directory: Path, error: Exception) -> PoolError | BusyError:
    text = str(error)
    if "EmbeddedServer" in text or "lock" in text.lower():
        return BusyError(
            f"another process has the pool in {directory} open, or it is damaged",
            hint="Only one process can: the daemon (`vedette run`), which the commands then ask, or"
            f" one command. If none runs, the engine says: {_first_line(text)}",
        )
    return PoolError(
        f"cannot open the pool in {directory}: {_first_line(text)}",
        hint="Check that it is on a disk with free space and belongs to Vedette's user.",
    )


def _failed(error: Exception) -> PoolError:
    text = str(error)
    hint = "What was read stays in the spool; nothing is lost."
    if "NOT_ENOUGH_SPACE" in text or "No space left" in text or "File too large" in text:
        hint = f"The disk is full: make room. {hint}"
    return PoolError(f"the pool's engine failed: {_first_line(text)}", hint=hint)


def _first_line(text: str) -> str:
    return text.partition("\n")[0][:400]


def _spelt(value: Parameter) -> str:
    """Write a parameter as the engine reads it (tab-separated escapes; arrays as literals)."""
    if isinstance(value, list):
        return f"[{', '.join(map(_quoted, value))}]"
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    if isinstance(value, str):
        return value.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t")
    return str(value)


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
