"""Timelines in one line: every day counts, the peak is the highest, and no line is too long."""

from __future__ import annotations

import sys
from datetime import date, timedelta
from types import SimpleNamespace

import pytest

from vedette.cli.bars import draw
from vedette.pool.records import Day

NEW_YEAR = date(2026, 1, 1)


def day(offset: int, count: int) -> Day:
    return Day(day=NEW_YEAR + timedelta(days=offset), count=count, hosts=1)


def test_a_bar_a_day_the_least_is_seen_and_none_is_a_dot() -> None:
    bars = draw([day(0, 1), day(1, 400), day(4, 800)], 20, blocks=True)
    assert bars is not None
    assert bars.text == "▁▄··█"
    assert (bars.since, bars.until, bars.days) == (NEW_YEAR, date(2026, 1, 5), 1)
    assert bars.peak == day(4, 800)


def test_what_is_longer_than_the_line_shares_bars_and_loses_no_day() -> None:
    bars = draw([day(n, 1) for n in range(101)], 10, blocks=True)
    assert bars is not None
    assert bars.days == 11
    assert bars.text == "█████████▂"
    assert bars.until == date(2026, 4, 11)


@pytest.mark.parametrize("days", range(1, 60))
def test_no_line_is_longer_than_allowed(days: int) -> None:
    bars = draw([day(0, 5), day(days - 1, 5)], 7, blocks=True)
    assert bars is not None
    assert len(bars.text) <= 7


def test_a_terminal_without_blocks_gets_plain_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    days = [day(0, 1), day(2, 8)]
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(encoding="ascii"))
    plain = draw(days, 9)
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(encoding="utf-8"))
    blocks = draw(days, 9)
    assert plain is not None
    assert blocks is not None
    assert (plain.text, blocks.text) == (". %", "▁·█")


def test_nothing_has_no_bars() -> None:
    assert draw([], 10) is None
