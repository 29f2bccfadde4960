"""Jobs on sensors do not wait for each other, and one of a kind is never run twice at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from vedette.config import Settings
from vedette.errors import SensorError
from vedette.pipeline.hub import Hub
from vedette.pipeline.side_by_side import SideBySide


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[SideBySide]:
    with SideBySide(Settings(home=str(tmp_path)), "test") as made:
        yield made


def test_a_job_that_hangs_delays_no_other_sensor(jobs: SideBySide) -> None:
    release, done = threading.Event(), threading.Event()
    assert jobs.begin("push", "hangs", lambda _hub, _name: release.wait(10))
    assert jobs.begin("push", "other", lambda _hub, _name: done.set())
    assert done.wait(5)
    release.set()


def test_of_a_kind_there_is_one_at_a_time_for_a_sensor(jobs: SideBySide) -> None:
    release = threading.Event()
    assert jobs.begin("push", "gate", lambda _hub, _name: release.wait(10))
    assert not jobs.begin("push", "gate", lambda _hub, _name: None)
    proved = threading.Event()
    assert jobs.begin("prove", "gate", lambda _hub, _name: proved.set())
    assert proved.wait(5)
    release.set()
    again = threading.Event()
    deadline = threading.Event()
    while not jobs.begin("push", "gate", lambda _hub, _name: again.set()):
        assert not deadline.wait(0.01)
    assert again.wait(5)


def test_a_job_that_fails_lets_the_next_one_begin(jobs: SideBySide) -> None:
    def fails(_hub: Hub, _name: str) -> None:
        raise SensorError("gone")

    ((name, future),) = jobs.all(["gate"], fails)
    assert name == "gate"
    assert isinstance(future.exception(), SensorError)
    assert jobs.begin("push", "gate", fails)


def test_each_has_its_own_result_and_a_hub_of_its_own(jobs: SideBySide) -> None:
    def job(hub: Hub, name: str) -> tuple[str, int]:
        hub.store.fleet.sensors()  # a connection of this thread
        return name, id(hub)

    results = jobs.all(["a", "b", "c"], job)
    assert [future.result()[0] for _, future in results] == ["a", "b", "c"]


def test_leaving_waits_for_what_is_under_way(tmp_path: Path) -> None:
    began, done = threading.Event(), threading.Event()

    def job(_hub: Hub, _name: str) -> None:
        began.set()
        threading.Event().wait(0.2)
        done.set()

    with SideBySide(Settings(home=str(tmp_path)), "test") as jobs:
        jobs.begin("push", "gate", job)
        assert began.wait(5)
    assert done.is_set()
