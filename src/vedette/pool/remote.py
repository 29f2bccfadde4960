"""A ClickHouse server or cluster over HTTP, by the engine's own Python client."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from typing import Any, Protocol, TypeVar
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import pyarrow as pa
import stamina
from msgspec import Struct

from vedette.errors import ConfigError, PoolError
from vedette.pool.backend import Parameter
from vedette.pool.schema import SCRATCH, check_identifier, forget

PASSWORD_VARIABLE = "VEDETTE_POOL_PASSWORD"  # noqa: S105 - its name, not the password
_PORTS = {"clickhouse": 8123, "clickhouses": 8443}
_CONNECT_S = 10
_TIMEOUT_S = 300
_TRIES = 4
_WHO_ARE_YOU = ("AUTHENTICATION_FAILED", "REQUIRED_PASSWORD", "code: 516")
_SERVER_SAID = re.compile(r"(?s)DB::Exception: (.*?)(?: \(for url|$)")
_ONE_BLOCK: Mapping[str, Any] = {
    "max_insert_block_size": 100_000_000,
    "min_insert_block_size_rows": 100_000_000,
    "min_insert_block_size_bytes": 0,
    "input_format_parallel_parsing": 0,
}
_INSERT: Mapping[str, Any] = {
    # The token then stands for all of an insert or for nothing.
    **_ONE_BLOCK,
    "max_partitions_per_insert_block": 0,
    "insert_deduplicate": 1,
    "async_insert": 0,
    "distributed_foreground_insert": 1,
}


_T = TypeVar("_T")


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


class _Client(Protocol):
    """What we use of the engine's client."""

    def close(self) -> None: ...

    def command(self, cmd: str, /) -> object: ...

    def query_arrow(
        self, query: str, parameters: dict[str, Parameter], /, *, use_strings: bool
    ) -> pa.Table: ...

    def query_arrow_stream(
        self, query: str, parameters: dict[str, Parameter], /, *, use_strings: bool
    ) -> AbstractContextManager[Iterable[pa.RecordBatch]]: ...

    def insert_arrow(
        self, table: str, arrow_table: pa.Table, /, *, database: str, settings: dict[str, Any]
    ) -> object: ...


class _UnreachableError(PoolError):
    """It may answer in a moment: worth another try."""


class RemoteBackend:
    """A connection to a ClickHouse; threads share it."""

    def __init__(self, address: Address, *, timeout_s: int = _TIMEOUT_S) -> None:
        """Connect.

        Args:
            address: Where.
            timeout_s: How long the server may be silent while it answers.

        Raises:
            PoolError: It cannot be reached, or does not let us in.
        """
        self.database = address.database
        self.address = address
        self._timeout_s = timeout_s
        try:
            import_module("clickhouse_connect")
        except ImportError as error:
            raise PoolError(
                "the client of ClickHouse is not installed",
                hint='Install the extra: pip install "vedette[hub]"',
            ) from error
        self._client = self._try(self._connect)

    def _connect(self) -> _Client:
        # Without a handler of its own, it writes to stderr what we say in our own words.
        logging.getLogger("clickhouse_connect").addHandler(logging.NullHandler())
        address = self.address
        client: _Client = import_module("clickhouse_connect").get_client(
            host=address.host,
            port=address.port,
            username=address.user,
            password=os.environ.get(PASSWORD_VARIABLE, ""),
            # The database may not exist yet; every name in our SQL has it before the dot.
            database="__default__",
            interface="https" if address.tls else "http",
            autogenerate_session_id=False,
            connect_timeout=_CONNECT_S,
            send_receive_timeout=self._timeout_s,
            client_name="vedette",
        )
        return client

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def command(self, sql: str) -> None:
        """Run a statement that gives no rows."""
        self._try(lambda: self._client.command(sql))

    def query(self, sql: str, parameters: Mapping[str, Parameter] | None = None) -> pa.Table:
        """Return the rows of a SELECT."""
        bound = dict(parameters or {})
        table: pa.Table = self._try(lambda: self._client.query_arrow(sql, bound, use_strings=True))
        return table.combine_chunks()

    def stream(
        self, sql: str, parameters: Mapping[str, Parameter] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a SELECT of any size in batches."""
        bound = dict(parameters or {})
        with self._spoken(), self._client.query_arrow_stream(sql, bound, use_strings=True) as parts:
            yield from parts

    def insert(self, table: str, rows: pa.Table, *, token: str) -> None:
        """Add rows, once for each token: so a try that may have succeeded can be repeated."""
        settings = {**_INSERT, "insert_deduplication_token": token}
        self._insert(table, rows, settings)

    def _insert(self, table: str, rows: pa.Table, settings: Mapping[str, Any]) -> None:
        self._try(
            lambda: self._client.insert_arrow(
                table, rows, database=self.database, settings=dict(settings)
            )
        )

    @contextmanager
    def scratch(self, rows: pa.Table) -> Iterator[str]:
        """Lend the engine a table; the name to use in SQL."""
        name = f"{SCRATCH}{uuid4().hex}"
        columns = ", ".join(f"{field.name} {_type_of(field.type)}" for field in rows.schema)
        self.command(f"CREATE TABLE {self.database}.{name} ({columns}) ENGINE = Memory")
        try:
            self._insert(name, rows, _ONE_BLOCK)
            yield f"{self.database}.{name}"
        finally:
            for statement in forget(f"{self.database}.{name}"):
                self.command(statement)

    def _try(self, work: Callable[[], _T]) -> _T:
        """Do something, again if the server could not be reached for a moment."""
        try:
            for attempt in stamina.retry_context(
                on=_UnreachableError, attempts=_TRIES, timeout=None
            ):
                with attempt, self._spoken():
                    return work()
        except _UnreachableError as error:
            raise PoolError(str(error), hint=error.hint) from error
        raise AssertionError

    @contextmanager
    def _spoken(self) -> Iterator[None]:
        """Say in our words what the client raises: its own errors, and its HTTP library's."""
        client = import_module("clickhouse_connect.driver.exceptions")
        library = import_module("urllib3.exceptions")
        try:
            yield
        # A stream that is cut short is broken Arrow.
        except (client.ClickHouseError, library.HTTPError, OSError, pa.ArrowInvalid) as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> PoolError:
        place = f"the ClickHouse at {self.address.host}:{self.address.port}"
        text = str(error)
        if any(
            sign in text for sign in ("AUTHENTICATION_FAILED", "REQUIRED_PASSWORD", "code: 516")
        ):
            return PoolError(
                f"{place} does not let user '{self.address.user}' in",
                hint=f"Check the user in [pool] store, and the password in {PASSWORD_VARIABLE}.",
            )
        if "ACCESS_DENIED" in text:
            return PoolError(
                f"{place} does not let user '{self.address.user}' do this: {_said(text)}",
                hint=f"Grant it: GRANT ALL ON {self.database}.* TO {self.address.user}",
            )
        # Errors of the server have a code; without one, the request did not get there or back.
        if "DB::Exception" in text:
            return PoolError(
                f"{place} failed: {_said(text)}",
                hint="What was read stays in the spool; nothing is lost.",
            )
        cause = _cause(error)
        if "CERTIFICATE_VERIFY_FAILED" in cause:
            return PoolError(
                f"{place} has a certificate that is not trusted: {cause}",
                hint="Give the authority's certificate in the environment: SSL_CERT_FILE.",
            )
        return _UnreachableError(
            f"cannot reach {place}: {cause}",
            hint="Is it up, and is this its HTTP port? What was read stays in the spool.",
        )


def _said(text: str) -> str:
    """Return what the server said, without the client's words around it."""
    found = _SERVER_SAID.search(text)
    return (found[1] if found else text).partition("\n")[0][:400]


def _cause(error: BaseException) -> str:
    """Return the innermost reason: the client's own text is the whole URL."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return str(error).partition("\n")[0][:200] or type(error).__name__


def _type_of(kind: pa.DataType) -> str:
    """Return the engine's type for a column of a scratch table."""
    if pa.types.is_string(kind):
        return "String"
    if pa.types.is_timestamp(kind):
        return "DateTime64(6, 'UTC')"
    if pa.types.is_date(kind):
        return "Date"
    return {"uint64": "UInt64", "int64": "Int64", "uint8": "UInt8"}[str(kind)]
