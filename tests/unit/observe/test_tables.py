"""Grouping of numbers that are too great to be packed into one."""

from __future__ import annotations

import numpy as np
import pytest

from vedette.observe import tables


@pytest.mark.parametrize("scale", [1, 1 << 31])
def test_rows_are_grouped_alike_however_great_their_numbers(scale: int) -> None:
    key = np.array([1, 0, 1, 0, 1], np.int64) * scale
    ends = np.array([0, 1, 0, 0, 1], np.int64) * scale
    time_us = np.array([5, 4, 3, 2, tables.DAY_US], np.int64)
    flow_id = np.array([1, 2, 1 << 63, 4, 5], np.uint64)
    rows = tables.grouped(tables.single(key, ends, time_us, flow_id))
    found = [[int(number) for number in row] for row in zip(*rows, strict=True)]
    assert found == [
        [0, 0, 0, 2, 2, 1, 4],
        [0, scale, 0, 4, 4, 1, 2],
        [scale, 0, 0, 3, 5, 2, 1 << 63],
        [scale, scale, 1, tables.DAY_US, tables.DAY_US, 1, 5],
    ]


def test_nothing_grouped_is_nothing() -> None:
    assert tables.grouped(tables.NO_ROWS) is tables.NO_ROWS
