"""What the pool needs of an engine: all in which the embedded and the remote form differ.

Contract tests: tests/contract/test_pool.py, run on every implementation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

import pyarrow as pa

Parameter = str | int | float | datetime | list[str]


class Backend(Protocol):
    """An open engine. May be shared between threads."""

    @property
    def database(self) -> str:
        """The name that stands before the dot in SQL."""
        ...

    def command(self, sql: str) -> None:
        """Run a statement that gives no rows.

        Raises:
            PoolError: The engine refused it, or cannot be reached.
        """
        ...

    def query(self, sql: str, parameters: Mapping[str, Parameter] | None = None) -> pa.Table:
        """Return the rows of a SELECT; ``{name:Type}`` in it stands for a parameter.

        Raises:
            PoolError: The engine refused it, or cannot be reached.
        """
        ...

    def stream(
        self, sql: str, parameters: Mapping[str, Parameter] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a SELECT of any size in batches.

        Raises:
            PoolError: The engine refused it, or cannot be reached.
        """
        ...

    def insert(self, table: str, rows: pa.Table, *, token: str) -> None:
        """Add rows, once: a second insert with the same token changes nothing.

        All rows are there afterwards, or an error is raised and a later insert with the same
        token adds those that are missing.

        Args:
            table: One of the pool's tables, without the database.
            rows: Columns named as in the table; columns that are missing get their defaults.
            token: Unique for a batch in a table, the same when the batch is repeated.

        Raises:
            PoolError: The engine refused it, or cannot be reached.
        """
        ...

    def scratch(self, rows: pa.Table) -> AbstractContextManager[str]:
        """Lend the engine a table of any size; the name to use in SQL. Gone at the end.

        Raises:
            PoolError: The engine refused it, or cannot be reached.
        """
        ...

    def close(self) -> None:
        """Let go of the engine."""
        ...
