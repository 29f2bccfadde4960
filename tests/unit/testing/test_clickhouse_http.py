"""The HTTP server of the tests, asked by the engine's real client in all the ways it knows."""

from __future__ import annotations

from collections.abc import Iterator

import clickhouse_connect
import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from vedette.testing.clickhouse_node import ClickHouseNode


@pytest.fixture(params=[True, False, "gzip", "zstd"])
def client(clickhouse: ClickHouseNode, request: pytest.FixtureRequest) -> Iterator[Client]:
    """A client that compresses in each way."""
    client = clickhouse_connect.get_client(
        host="127.0.0.1",
        port=clickhouse.port,
        compress=request.param,
        autogenerate_session_id=False,
    )
    client.command("CREATE DATABASE IF NOT EXISTS http")
    client.command("DROP TABLE IF EXISTS http.t")
    client.command(
        "CREATE TABLE http.t (a String, n UInt64) ENGINE = MergeTree ORDER BY n"
        " SETTINGS non_replicated_deduplication_window = 10"
    )
    yield client
    client.close()


def test_rows_go_in_and_out_in_the_clients_own_format(client: Client) -> None:
    rows = [(f"\u00e9{n}'\n\0", n) for n in range(3_000)]
    client.insert("http.t", rows, column_names=["a", "n"])
    assert client.query("SELECT a, n FROM http.t ORDER BY n").result_rows == rows


def test_rows_go_in_and_out_as_arrow(client: Client) -> None:
    table = pa.table({"a": ["x", "\u00e9"], "n": pa.array([1, 2], pa.uint64())})
    client.insert_arrow("t", table, database="http")
    found = client.query_arrow("SELECT a, n FROM http.t ORDER BY n", use_strings=True)
    assert found.to_pylist() == table.to_pylist()
    with client.query_arrow_stream("SELECT a, n FROM http.t ORDER BY n") as parts:
        assert sum(part.num_rows for part in parts) == 2


def test_settings_of_an_insert_count(client: Client) -> None:
    for token in ("a", "a", "b"):
        client.insert(
            "http.t",
            [("x", 1)],
            column_names=["a", "n"],
            settings={"insert_deduplication_token": token},
        )
    assert client.command("SELECT count() FROM http.t") == 2


@pytest.mark.parametrize("size", [1, 8_192, 100_000])
def test_parameters_of_any_size(client: Client, size: int) -> None:
    value = "\u00e9'\\" * size
    found = client.query("SELECT {a:String} AS a", parameters={"a": value})
    assert found.result_rows == [(value,)]


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT 1 FROM http.nothing", 60),
        ("SELECT 1 FROM nothing.t", 81),
        ("SELEC", 62),
        ("SELECT throwIf(1)", 395),
    ],
)
def test_errors_have_the_engines_code(client: Client, sql: str, code: int) -> None:
    with pytest.raises(DatabaseError, match=f"code: {code}"):
        client.query(sql)


def test_the_server_says_which_engine_it_is(client: Client) -> None:
    assert client.ping()
    assert int(client.server_version.split(".")[0]) >= 25
