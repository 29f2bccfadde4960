"""The DDL in its three forms; the engine itself reads each of them."""

from __future__ import annotations

import re

import pytest

from vedette.errors import ConfigError, PoolError
from vedette.pool.backend import Backend
from vedette.pool.schema import TABLES, VERSION, check_version, statements


@pytest.mark.parametrize("cluster", ["", "main_cluster"])
def test_the_engine_can_read_every_statement(embedded_backend: Backend, cluster: str) -> None:
    texts = list(statements("net", cluster))
    assert len(texts) == 1 + len(TABLES) * (2 if cluster else 1)
    for text in texts:
        assert "{" not in text.replace("{shard}", "").replace("{replica}", "")
        tree = embedded_backend.query(f"EXPLAIN AST {text}").to_pylist()
        assert len(tree) > 1


def test_on_one_server_nothing_is_replicated() -> None:
    text = "\n".join(statements("net"))
    assert text.count("SETTINGS non_replicated_deduplication_window") == len(TABLES)
    assert not re.search(r"Replicated|Distributed|ON CLUSTER|_local", text)


def test_on_a_cluster_each_table_is_spread_over_replicated_ones() -> None:
    texts = list(statements("net", "main"))
    assert all("ON CLUSTER main" in text for text in texts)
    for table, key in TABLES.items():
        (local,) = (text for text in texts if f"net.{table}_local ON CLUSTER" in text)
        assert re.search(
            rf"ENGINE = Replicated\w*MergeTree\('/clickhouse/tables/{{shard}}/net/{table}',"
            r" '{replica}'\)",
            local,
        )
        assert "SETTINGS replicated_deduplication_window" in local
        (spread,) = (text for text in texts if f"Distributed(main, net, {table}_local, " in text)
        assert spread.endswith(f"{key})")
        assert f"CREATE TABLE IF NOT EXISTS net.{table} ON CLUSTER main" in spread


def test_values_and_all_that_is_known_of_them_are_on_one_shard() -> None:
    by_value = {key for table, key in TABLES.items() if table != "coverage"}
    assert by_value == {"xxHash64(field, value)"}


@pytest.mark.parametrize("name", ["a-b", "", "a b", "1a", "a;DROP TABLE b", "x" * 64, "\u00e9"])
def test_names_that_cannot_stand_in_sql_are_refused(name: str) -> None:
    with pytest.raises(ConfigError):
        list(statements(name))
    if name:
        with pytest.raises(ConfigError):
            list(statements("net", name))


def test_tables_of_this_version_and_older_ones_are_ours() -> None:
    for comment in ("", "vedette schema 0", f"vedette schema {VERSION}"):
        check_version(comment)
    for comment in (f"vedette schema {VERSION + 1}", "something else"):
        with pytest.raises(PoolError) as raised:
            check_version(comment)
        assert raised.value.hint
