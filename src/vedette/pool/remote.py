"""A ClickHouse server or cluster over HTTP, by the engine's own Python client."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import pyarrow as pa
import stamina
from msgspec import Struct

from vedette.errors import ConfigError, PoolError
from vedette.pool.backend import Parameter
from vedette.pool.schema import check_identifier

PASSWORD_VARIABLE = "VEDETTE_POOL_PASSWORD"  # noqa: S105 - its name, not the password
_PORTS = {"clickhouse": 8123, "clickhouses": 8443}
_TIMEOUT_S = 300
_TRIES = 3
_INSERT: Mapping[str, Any] = {
    # One block for each insert: the token then stands for all of it or nothing.
    "max_insert_block_size": 100_000_000,
    "min_insert_block_size_rows": 100_000_000,
    "min_insert_block_size_bytes": 0,
    "input_format_parallel_parsing": 0,
    "max_partitions_per_insert_block": 0,
    "insert_deduplicate": 1,
    "async_insert": 0,
    "distributed_foreground_insert": 1,
}


class Address(Struct, frozen=True, kw_only=True):
    """Where a ClickHouse is."""

    host: str
    port: int
    user: str
    database: str
    tls: bool


def parse_address(url: str) -> Address:
    """Read ``clickhouse://USER@HOST:PORT/DATABASE``, or ``clickhouses://`` for TLS.

    Raises:
        ConfigError: It is none, or has a password in it.
    """
    hint = "Write clickhouse://USER@HOST:8123/DATABASE, or clickhouses:// for TLS."
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"[pool] store: {error}", hint=hint) from error
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ConfigError(f"[pool] store: '{parts.scheme}:...' is no ClickHouse", hint=hint)
    if parts.password:
        raise ConfigError(
            "[pool] store has a password in it, where everybody can read it",
            hint=f"Take it out and give it in the environment: {PASSWORD_VARIABLE}.",
        )
    return Address(
        host=parts.hostname,
        port=port or _PORTS[parts.scheme],
        user=unquote(parts.username or "default"),
        database=check_identifier("database", parts.path.strip("/") or "vedette"),
        tls=parts.scheme == "clickhouses",
    )


class RemoteBackend:
    """A connection to a ClickHouse; threads share it."""

    def __init__(self, address: Address) -> None:
        """Connect.

        Raises:
            PoolError: It cannot be reached, or does not let us in.
        """
        self.database = address.database
        self.address = address
        self._client = self._connect()

    def _connect(self) -> Any:
        try:
            from clickhouse_connect import get_client  # noqa: PLC0415 - of the extra
        except ImportError as error:
            raise PoolError(
                "the client of ClickHouse is not installed",
                hint='Install the extra: pip install "vedette[hub]"',
            ) from error
        address = self.address
        try:
            return get_client(
                host=address.host,
                port=address.port,
                username=address.user,
                password=os.environ.get(PASSWORD_VARIABLE, ""),
                # The database may not exist yet; every name in our SQL has it before the dot.
                database="__default__",
                interface="https" if address.tls else "http",
                autogenerate_session_id=False,
                connect_timeout=10,
                send_receive_timeout=_TIMEOUT_S,
                client_name="vedette",
            )
        except Exception as error:  # noqa: BLE001 - the client raises what its HTTP library does
            self._fail(error)

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def command(self, sql: str) -> None:
        """Run a statement that gives no rows."""
        self._try(lambda: self._client.command(sql))

    def query(self, sql: str, parameters: Mapping[str, Parameter] | None = None) -> pa.Table:
        """Return the rows of a SELECT."""
        bound = dict(parameters or {})
        table = self._try(lambda: self._client.query_arrow(sql, bound, use_strings=True))
        return table.combine_chunks()

    def stream(
        self, sql: str, parameters: Mapping[str, Parameter] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a SELECT of any size in batches."""
        try:
            with self._client.query_arrow_stream(
                sql, dict(parameters or {}), use_strings=True
            ) as parts:
                for part in parts:
                    yield from part.to_batches() if isinstance(part, pa.Table) else (part,)
        except GeneratorExit:
            raise
        except Exception as error:  # noqa: BLE001 - see _connect
            self._fail(error)

    def insert(self, table: str, rows: pa.Table, *, token: str) -> None:
        """Add rows, once for each token: so a try that may have succeeded can be repeated."""
        settings = {**_INSERT, "insert_deduplication_token": token}
        self._try(
            lambda: self._client.insert_arrow(
                table, rows, database=self.database, settings=settings
            )
        )

    @contextmanager
    def scratch(self, rows: pa.Table) -> Iterator[str]:
        """Lend the engine a table; the name to use in SQL."""
        name = f"scratch_{uuid4().hex}"
        columns = ", ".join(f"{field.name} {_type_of(field.type)}" for field in rows.schema)
        try:
            self.command(f"CREATE TABLE {self.database}.{name} ({columns}) ENGINE = Memory")
            self._try(lambda: self._client.insert_arrow(name, rows, database=self.database))
            yield f"{self.database}.{name}"
        finally:
            self.command(f"DROP TABLE IF EXISTS {self.database}.{name} SYNC")

    def _try(self, work: Any) -> Any:
        """Do something, again if the server could not be reached for a moment."""
        from clickhouse_connect.driver.exceptions import (  # noqa: PLC0415 - of the extra
            OperationalError,
        )

        try:
            for attempt in stamina.retry_context(
                on=(OperationalError, ConnectionError), attempts=_TRIES, timeout=60
            ):
                with attempt:
                    return work()
        except Exception as error:  # noqa: BLE001 - see _connect
            self._fail(error)
        raise AssertionError

    def _fail(self, error: Exception) -> NoReturn:
        place = f"{self.address.host}:{self.address.port}"
        text = str(error).partition("\n")[0][:400]
        if any(word in text for word in ("AUTHENTICATION_FAILED", "REQUIRED_PASSWORD")):
            raise PoolError(
                f"the ClickHouse at {place} does not let user '{self.address.user}' in",
                hint=f"Check the user in [pool] store, and {PASSWORD_VARIABLE}.",
            ) from error
        raise PoolError(
            f"the ClickHouse at {place} failed: {text}",
            hint="What was read stays in the spool; nothing is lost. Is the server up?",
        ) from error


def _type_of(kind: pa.DataType) -> str:
    """Return the engine's type for a column of a scratch table."""
    if pa.types.is_string(kind):
        return "String"
    if pa.types.is_timestamp(kind):
        return "DateTime64(6, 'UTC')"
    if pa.types.is_date(kind):
        return "Date"
    return {"uint64": "UInt64", "int64": "Int64", "uint8": "UInt8"}[str(kind)]
