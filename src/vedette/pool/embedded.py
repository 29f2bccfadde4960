"""The embedded engine: ClickHouse in this process (chDB), on a directory of its own.

One hard rule of the engine: one directory for one process, one process for one directory, and no
fork after opening.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import pyarrow as pa

from vedette.errors import BusyError, PoolError
from vedette.pool.backend import Parameter
from vedette.pool.schema import SCRATCH, forget
from vedette.pool.written import WrittenParts

_INSERT = (
    # One block for each insert: the token then stands for all of it or nothing.
    "max_insert_threads=1, max_threads=1, min_insert_block_size_rows=100000000,"
    " min_insert_block_size_bytes=0, max_partitions_per_insert_block=0, insert_deduplicate=1"
)
_PIECE = 65_536


class _Batches(Protocol):
    """What the engine answers, piece by piece."""

    def record_batch(self, *, rows_per_batch: int) -> Iterable[pa.RecordBatch]: ...

    def close(self) -> None: ...


class _Session(Protocol):
    """What we use of the engine's session."""

    def query(self, sql: str, fmt: str, *, params: dict[str, str] | None = None) -> pa.Table: ...

    def send_query(
        self, sql: str, fmt: str, *, params: dict[str, str] | None = None
    ) -> _Batches: ...

    def close(self) -> None: ...


_opened: Counter[str] = Counter()
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
        self.directory = directory.absolute()
        self._process = os.getpid()
        # A session does one thing at a time: each thread that asks has one for itself meanwhile.
        self._idle: list[_Session] = [_open(self.directory)]
        self._checked = WrittenParts()
        self._is_open = True

    def close(self) -> None:
        """Let go of the engine; others of this process on the same directory stay open."""
        with _opening:
            if not self._is_open:
                return
            self._is_open = False
            while self._idle:
                self._idle.pop().close()
            _opened.subtract([str(self.directory)])

    def command(self, sql: str) -> None:
        """Run a statement that gives no rows."""
        with self._session() as session:
            session.query(sql, "Null")

    def query(self, sql: str, parameters: Mapping[str, Parameter] | None = None) -> pa.Table:
        """Return the rows of a SELECT."""
        with self._session() as session:
            return session.query(sql, "ArrowTable", params=_bound(parameters))

    def stream(
        self, sql: str, parameters: Mapping[str, Parameter] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a SELECT of any size in batches."""
        with self._session() as session:
            result = session.send_query(sql, "Arrow", params=_bound(parameters))
            try:
                yield from result.record_batch(rows_per_batch=_PIECE)
            finally:
                result.close()

    def insert(self, table: str, rows: pa.Table, *, token: str) -> None:
        """Add rows, once for each token."""
        columns = ", ".join(rows.column_names)
        with self._session() as session:
            # The engine looks for the name ``rows`` in our frames.
            session.query(
                f"INSERT INTO {self.database}.{table} ({columns})"  # noqa: S608 - names are ours
                f" SELECT {columns} FROM Python(rows)"
                f" SETTINGS {_INSERT}, insert_deduplication_token={_quoted(token)}",
                "Null",
            )
            self._checked.check(session, f"{self.database}.{table}")

    @contextmanager
    def scratch(self, rows: pa.Table) -> Iterator[str]:  # noqa: ARG002 - the engine reads it
        """Lend the engine a table; the name to use in SQL."""
        name = f"{self.database}.{SCRATCH}{uuid4().hex}"
        made = f"CREATE TABLE {name} ENGINE = Memory AS SELECT * FROM Python(rows)"  # noqa: S608 - ours
        try:
            with self._session() as session:
                session.query(made, "Null")
            yield name
        finally:
            for statement in forget(name):
                self.command(statement)

    @contextmanager
    def _session(self) -> Iterator[_Session]:
        """Lend a session that nobody else uses, and say what its errors mean."""
        if self._process != os.getpid():
            raise PoolError(
                "the pool was opened by the process that this one was forked from",
                hint="Open it after the fork, or start the process afresh (spawn).",
            )
        if not self._is_open:
            raise PoolError("the pool is closed", hint="Open it again.")
        try:
            session = self._idle.pop()
        except IndexError:
            session = _session_on(self.directory)
        try:
            yield session
        except RuntimeError as error:
            raise _failed(error) from error
        finally:
            self._give_back(session)

    def _give_back(self, session: _Session) -> None:
        if self._is_open:
            self._idle.append(session)
        else:
            session.close()


def _open(directory: Path) -> _Session:
    try:
        import_module("chdb.session")  # half a second, and of the extra
    except ImportError as error:
        raise PoolError(
            "the embedded engine is not installed",
            hint='Install the extra: pip install "vedette[hub]"',
        ) from error
    place = str(directory)
    with _opening:
        if others := [other for other, count in _opened.items() if count and other != place]:
            raise PoolError(
                f"this process already has the pool in {others[0]} open",
                hint="The engine takes one directory for each process.",
            )
        try:
            directory.mkdir(parents=True, exist_ok=True)
            session = _session_on(directory)
            session.query("SELECT 1", "Null")
        except (RuntimeError, OSError) as error:
            raise _not_opened(directory, error) from error
        _opened[place] += 1
    return session


def _session_on(directory: Path) -> _Session:
    session: _Session = import_module("chdb.session").Session(str(directory))
    return session


def _not_opened(directory: Path, error: Exception) -> PoolError | BusyError:
    if _is_locked(directory / "status"):
        return BusyError(
            f"another process has the pool in {directory} open",
            hint="Only one can: the daemon (`vedette run`), which the commands then ask, or one"
            " command. Wait for it to end, or end it.",
        )
    return PoolError(
        f"cannot open the pool in {directory}: {_said(error)}",
        hint="Check that it is a directory on a disk with free space and that all in it belongs to"
        " Vedette's user. If it is damaged, move it away and read the EVE files again.",
    )


def _is_locked(status: Path) -> bool:
    """Whether a process holds the lock by which the engine keeps others out."""
    try:
        with status.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


def _failed(error: Exception) -> PoolError:
    hint = "What was read stays in the spool; nothing is lost."
    text = str(error)
    if any(sign in text for sign in ("NOT_ENOUGH_SPACE", "No space left", "File too large")):
        hint = f"The disk is full: make room. {hint}"
    return PoolError(f"the pool's engine failed: {_said(error)}", hint=hint)


def _said(error: Exception) -> str:
    return str(error).partition("\n")[0][:400]


def _bound(parameters: Mapping[str, Parameter] | None) -> dict[str, str] | None:
    return {name: _spelt(value) for name, value in (parameters or {}).items()} or None


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
