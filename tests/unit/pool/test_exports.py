"""Whole tables in pieces: every row once, in order, whatever the size of a piece."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from vedette.config import PoolSettings
from vedette.errors import UsageError
from vedette.pool import exports
from vedette.pool.backend import Backend
from vedette.pool.store import Pool
from vedette.testing.plain_pool import Seen, fold

START = datetime(2026, 11, 2, 6, 30, tzinfo=UTC)
TABLES = ("sightings", "observations", "new_sightings", "coverage")


@pytest.fixture
def pool(pool_backend: Backend) -> Pool:
    pool = Pool(pool_backend, PoolSettings())
    for batch in range(2):
        seen = [
            Seen(
                field=field,
                value=f"n{n % 7}.example",
                at=START + timedelta(hours=n + batch),
                client=f"10.0.0.{n}",
            )
            for n in range(30)
            for field in ("dns.query", "tls.sni")
        ]
        pool.commit(fold(seen), sensor="edge", token=str(batch))
    return pool


def rows(pool: Pool, table: str) -> list[dict[str, object]]:
    return [row for batch in pool.rows(table) for row in batch.to_pylist()]


@pytest.mark.parametrize("table", TABLES)
def test_small_pieces_give_what_one_large_one_gives(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    whole = rows(pool, table)
    assert len(whole) > 10
    monkeypatch.setattr(exports, "PIECE", 3)
    assert rows(pool, table) == whole


def test_a_value_with_more_rows_than_a_piece_stays_whole(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "PIECE", 1)
    of_one = [row for row in rows(pool, "observations") if row["value"] == "n0.example"]
    assert len(of_one) == 2 * 5  # five clients in each of two fields
    assert sum(int(str(row["count"])) for row in of_one) == 2 * 2 * 5


def test_rows_are_merged_and_in_the_order_of_the_key(pool: Pool) -> None:
    found = rows(pool, "sightings")
    keys = [(row["field"], row["value"]) for row in found]
    assert keys == sorted(set(keys))
    assert {row["count"] for row in found if str(row["value"]) < "n2"} == {10}


def test_a_table_that_is_none_is_refused(pool: Pool) -> None:
    with pytest.raises(UsageError, match=r"no table 'system\.users'"):
        rows(pool, "system.users")
