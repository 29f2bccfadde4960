"""One line of time of what people did and what Vedette did by itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from vedette.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "vedette.db") as opened:
        opened.audit.add(
            who="ada", origin="pts/1 on hub1", action="bundle rollback", subject="7", now=100
        )
        with sqlite3.connect(opened.path) as other:
            other.execute(
                "INSERT INTO announcement VALUES(5, 7, 'c', 101, 'ada', 'rollback: bad', 'd', 's')"
            )
            other.execute(
                "INSERT INTO rollout(serial, previous, state, started_at, ended_at, why)"
                " VALUES(5, 4, 'stopped', 102, 105, 'edge: 20,000 alerts a minute')"
            )
            other.executemany(
                "INSERT INTO sensor_event(sensor, at, state, generation, why) VALUES(?,?,?,7,?)",
                [("edge", 103, "drifted", "rules.enabled"), ("lab", 104, "proved", "")],
            )
        yield opened


def test_everything_stands_in_order_of_time_the_newest_first(store: Store) -> None:
    seen = [(one.at, one.kind, one.who, one.what, one.subject) for one in store.timeline.last()]
    assert seen == [
        (105, "rollout", "vedette", "roll-out stopped", "generation 7"),
        (104, "sensor", "vedette", "sensor proved", "lab"),
        (103, "sensor", "vedette", "sensor drifted", "edge"),
        (102, "rollout", "vedette", "roll-out began", "generation 7"),
        (101, "announcement", "ada", "announced", "generation 7"),
        (100, "deed", "ada", "bundle rollback", "7"),
    ]


def test_why_is_told_where_there_is_a_reason(store: Store) -> None:
    assert [one.why for one in store.timeline.last()] == [
        "edge: 20,000 alerts a minute",
        "",
        "rules.enabled",
        "",
        "rollback: bad",
        "",
    ]


@pytest.mark.parametrize(
    ("subject", "times"), [("edge", [103]), ("7", [100]), ("generation 7", [105, 102, 101])]
)
def test_only_what_is_about_a_subject(store: Store, subject: str, times: list[int]) -> None:
    assert [one.at for one in store.timeline.last(subject=subject)] == times


def test_since_people_and_limit(store: Store) -> None:
    assert [one.at for one in store.timeline.last(since=104)] == [105, 104]
    assert [one.at for one in store.timeline.last(limit=2)] == [105, 104]
    assert [one.at for one in store.timeline.last(people=True)] == [100]
