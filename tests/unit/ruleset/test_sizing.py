"""memcap and hashsize: enough, below the caps, and the same while a list grows a little."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.buffers import DatasetType
from vedette.ruleset.sizing import HASHSIZE_CAP, Size, fits, size, used_bytes

KINDS = st.sampled_from([DatasetType.STRING, DatasetType.IP, DatasetType.MD5, DatasetType.SHA256])
COUNTS = st.integers(0, 5_000_000)


def test_a_million_domains_need_what_was_measured() -> None:
    # 1.25 * (104 + 18.4) bytes each, 65536 buckets of 64 bytes and 1 MiB, in steps of a quarter.
    assert size(DatasetType.STRING, 1_000_000, 18_400_000) == Size(160 << 20, 65536)


def test_a_small_set_is_small() -> None:
    assert size(DatasetType.STRING, 1, 20) == Size(2 << 20, 1024)


@given(KINDS, COUNTS, st.integers(1, 400))
def test_every_size_fits_with_room_and_stays_below_the_cap(
    kind: DatasetType, entries: int, mean: int
) -> None:
    value_bytes = entries * mean if kind is DatasetType.STRING else 0
    chosen = size(kind, entries, value_bytes)
    more = entries * 6 // 5
    assert chosen.hashsize <= HASHSIZE_CAP
    assert fits(more, value_bytes * 6 // 5, *chosen, kind)


@given(KINDS, COUNTS, COUNTS)
def test_a_kept_size_still_fits_with_a_tenth_of_room(
    kind: DatasetType, before: int, now: int
) -> None:
    old = size(kind, before, 0)
    new = size(kind, now, 0, old)
    assert fits(now * 11 // 10, 0, *new, kind)
    assert new.memcap_bytes <= 4 * size(kind, now, 0).memcap_bytes


def test_small_growth_keeps_the_rule_text() -> None:
    old = size(DatasetType.STRING, 100_000, 2_000_000)
    assert size(DatasetType.STRING, 104_000, 2_080_000, old) == old


def test_growth_beyond_the_room_makes_it_larger() -> None:
    old = size(DatasetType.STRING, 100_000, 2_000_000)
    assert size(DatasetType.STRING, 200_000, 4_000_000, old).memcap_bytes > old.memcap_bytes


def test_a_set_that_shrank_to_almost_nothing_gives_the_memory_back() -> None:
    old = size(DatasetType.STRING, 1_000_000, 20_000_000)
    assert size(DatasetType.STRING, 1_000, 20_000, old) == size(DatasetType.STRING, 1_000, 20_000)


@pytest.mark.parametrize(
    ("kind", "cost"), [(DatasetType.STRING, 104), (DatasetType.IP, 104), (DatasetType.SHA256, 120)]
)
def test_each_entry_costs_what_the_dearer_engine_counts(kind: DatasetType, cost: int) -> None:
    assert used_bytes(kind, 1000, 0, 1024) == 64 * 1024 + 1000 * cost


def test_one_byte_too_many_does_not_fit() -> None:
    exact = used_bytes(DatasetType.STRING, 10, 200, 1024)
    assert fits(10, 200, exact, 1024, DatasetType.STRING)
    assert not fits(10, 201, exact, 1024, DatasetType.STRING)
