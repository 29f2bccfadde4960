"""The set of known values against a plain set, and how long it takes."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.pool import known as module
from vedette.pool.known import Keys, Known

SOME = st.lists(
    # Few distinct keys, so that batches meet; spread, so that they fall into several segments.
    st.integers(0, 40).map(lambda number: number * 0x0632_1F4A_9B7C_D3E5 % 2**64)
    | st.sampled_from([0, 2**56 - 1, 2**56, 2**64 - 1]),
    max_size=30,
)


def array(keys: list[int]) -> Keys:
    return np.array(keys, dtype=np.uint64)


@given(first=SOME, batches=st.lists(SOME, max_size=6), fresh_max=st.integers(0, 12))
def test_it_knows_what_a_plain_set_knows(
    first: list[int], batches: list[list[int]], fresh_max: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_FRESH_MAX", fresh_max)
        known, plain = Known(array(first)), set(first)
        for batch in batches:
            distinct = list(dict.fromkeys(batch))
            new = known.are_new(array(distinct))
            assert new.tolist() == [key not in plain for key in distinct]
            known.add(array(distinct)[new])
            plain.update(distinct)
            assert len(known) == len(plain)
        assert not known.are_new(array(sorted(plain))).any()


def test_fresh_keys_move_a_segment_at_a_time() -> None:
    rng = np.random.default_rng(1)
    known = Known(rng.integers(0, 2**64 - 1, 300_000, dtype=np.uint64))
    for _ in range(60):
        keys = np.unique(rng.integers(0, 2**64 - 1, 5_000, dtype=np.uint64))
        known.add(keys[known.are_new(keys)])
        assert not known.are_new(keys).any()
    assert len(known._fresh) <= module._FRESH_MAX
    assert len(known) == len(known._fresh) + sum(map(len, known._segments))


def test_a_batch_is_looked_up_in_milliseconds() -> None:
    rng = np.random.default_rng(1)
    keys = rng.integers(0, 2**64 - 1, 1_000_000, dtype=np.uint64)
    known = Known(keys)
    asked = np.concatenate([rng.choice(keys, 11_000), keys[:4_000] + np.uint64(1)])
    best = min(_seconds(known, asked) for _ in range(5))
    assert best < 0.05  # 2 ms on a quiet machine


def _seconds(known: Known, asked: Keys) -> float:
    start = time.perf_counter()
    known.are_new(asked)
    return time.perf_counter() - start
