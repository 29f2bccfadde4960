"""What a sensor said last, what changed, and its alerts by minute."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from vedette.store import StateRecord, Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "db") as opened:
        opened.fleet.add_sensor("gate", {})
        yield opened


def said(at: int, state: str = "proved", content: str = "c1", generation: int = 1) -> StateRecord:
    return StateRecord(
        sensor="gate",
        at=at,
        state=state,
        generation=generation,
        content_id=content,
        serial=9,
        origin="192.0.2.1",
        clock_s=-1.5,
        report=b"{}",
    )


def test_nothing_is_known_of_a_sensor_that_never_spoke(store: Store) -> None:
    assert store.reports.state_of("gate") is None
    assert store.reports.states() == {}
    assert store.reports.events("gate") == []


def test_a_state_lasts_since_it_began_and_only_changes_are_events(store: Store) -> None:
    assert store.reports.save(said(100)).since == 100
    assert store.reports.save(said(160)).since == 100
    assert store.reports.save(said(170, "drifted"), why="rules.loaded").since == 170
    assert store.reports.save(said(180)).since == 180
    assert store.reports.save(said(190, content="c2", generation=2)).since == 190
    events = store.reports.events("gate")
    assert [(one.at, one.state, one.generation) for one in events] == [
        (190, "proved", 2),
        (180, "proved", 1),
        (170, "drifted", 1),
        (100, "proved", 1),
    ]
    assert events[2].why == "rules.loaded"
    kept = store.reports.state_of("gate")
    assert kept is not None
    assert (kept.at, kept.since, kept.clock_s, kept.report) == (190, 190, -1.5, b"{}")
    assert store.reports.states() == {"gate": kept}


def test_the_same_minute_may_come_again_with_a_greater_count(store: Store) -> None:
    store.reports.save(said(600), rates=[(9, 5), (10, 2)])
    store.reports.save(said(601), rates=[(10, 7)])
    store.reports.save(said(602), rates=[(10, 3)])
    assert store.reports.rates("gate", since=0) == {9: 5, 10: 7}
    assert store.reports.rates("gate", since=541) == {10: 7}, "only minutes that began since"


def test_alerts_that_were_read_here_add_up_and_are_forgotten_after_two_days(store: Store) -> None:
    store.reports.add_alerts("gate", {1: 5}, now=60)
    store.reports.add_alerts("gate", {1: 2, 2: 1}, now=120)
    assert store.reports.rates("gate", since=0) == {1: 7, 2: 1}
    store.reports.add_alerts("gate", {2_882: 1}, now=2_882 * 60)
    assert store.reports.rates("gate", since=0) == {2: 1, 2_882: 1}


def test_a_sensor_that_was_removed_cannot_report_and_leaves_nothing(store: Store) -> None:
    store.reports.save(said(100), rates=[(1, 5)])
    store.fleet.remove_sensor("gate")
    assert store.reports.states() == {}
    assert store.reports.events("gate") == []
    assert store.reports.rates("gate", since=0) == {}
    with pytest.raises(sqlite3.IntegrityError):
        store.reports.save(said(100))


def test_what_a_report_leaves_out_is_kept_from_the_one_before(store: Store) -> None:
    def save(at: int, report: bytes) -> bytes:
        record = StateRecord(sensor="gate", at=at, state="proved", report=report)
        return store.reports.save(record).report

    save(1, b'{"findings":[1],"eve":{"lag_s":2},"why":""}')
    kept = save(2, b'{"findings":null,"eve":{"lag_s":3},"why":"x"}')
    assert msgspec.json.decode(kept) == {"findings": [1], "eve": {"lag_s": 3}, "why": "x"}
    assert msgspec.json.decode(save(3, b'{"findings":[],"eve":null}'))["findings"] == []
    assert save(4, b"not json") == b"not json"
