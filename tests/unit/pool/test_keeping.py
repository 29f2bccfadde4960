"""What the retention says to a cluster: there is none here, but the engine can read it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa

from vedette.config import PoolSettings
from vedette.pool.backend import Backend, Parameter
from vedette.pool.keeping import expire, sizes
from vedette.pool.store import Pool
from vedette.testing.plain_pool import Seen, fold


class OneNode:
    """Asks one node what is meant for a cluster, and lets it only read what it would have to do."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.database = backend.database
        self.commands: list[str] = []
        self.asked: list[str] = []

    def query(self, sql: str, parameters: Mapping[str, Parameter] | None = None) -> pa.Table:
        self.backend.query(f"EXPLAIN AST {sql}", parameters)
        self.asked.append(sql)
        for function in ("clusterAllReplicas", "cluster"):
            sql = sql.replace(f"{function}('main', system.parts)", "system.parts")
        return self.backend.query(sql, parameters)

    def command(self, sql: str) -> None:
        self.backend.query(f"EXPLAIN AST {sql}")
        self.commands.append(sql)


def test_on_a_cluster_every_shard_drops_what_is_too_old(embedded_backend: Backend) -> None:
    pool = Pool(embedded_backend, PoolSettings())
    start = datetime(2026, 11, 2, tzinfo=UTC)
    days = [start + timedelta(days=n) for n in range(14)]
    pool.commit(fold(Seen("dns.query", "a.example", day) for day in days), sensor="s", token="t")
    node = OneNode(embedded_backend)
    dropped = expire(
        node,  # type: ignore[arg-type] # what expire uses of one
        retention=timedelta(days=3),
        cluster="main",
        today=date(2026, 11, 15),
    )
    alter = f"ALTER TABLE {embedded_backend.database}.observations_local ON CLUSTER main"
    assert node.commands == [
        f"{alter} DROP PARTITION '2026-11-02'",
        f"{alter} DELETE IN PARTITION '2026-11-09' WHERE day < toDate('2026-11-12')",
    ]
    assert dropped.rows == 7 + 3
    assert any("cluster('main', system.parts)" in sql for sql in node.asked)


def test_on_a_cluster_sizes_are_of_all_replicas(embedded_backend: Backend) -> None:
    Pool(embedded_backend, PoolSettings())
    node = OneNode(embedded_backend)
    assert len(sizes(node, "main")) == 4  # type: ignore[arg-type] # what sizes uses of one
    assert "clusterAllReplicas('main', system.parts)" in node.asked[0]
