from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from vedette.config import Settings
from vedette.errors import PoolError
from vedette.pipeline.hub import Hub
from vedette.pipeline.looping import Loop


class Counting(Loop):
    """Counts its times; the first two fail."""

    job = "count"

    def __init__(self, settings: Settings, stop: threading.Event) -> None:
        super().__init__(settings, stop, 0.01)
        self.began = 0
        self.times = 0

    def begin(self, hub: Hub) -> None:
        self.began += 1

    def once(self, hub: Hub) -> None:
        self.times += 1
        if self.times == 1:
            raise PoolError("not yet")
        if self.times == 2:
            raise ZeroDivisionError


@pytest.fixture
def counting(tmp_path: Path) -> Counting:
    return Counting(Settings(home=str(tmp_path)), threading.Event())


def wait_for(loop: Counting, times: int) -> None:
    deadline = time.monotonic() + 20
    while loop.times < times:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_it_goes_on_after_failures_which_are_logged_and_ends_when_it_is_left(
    counting: Counting,
) -> None:
    with capture_logs() as logs, counting:
        wait_for(counting, 4)
    assert [one["event"] for one in logs] == ["job.failed", "job.crashed", "job.recovered"]
    assert counting.began == 1
    assert not counting._thread.is_alive()


def test_it_ends_when_everything_ends(counting: Counting) -> None:
    with counting:
        wait_for(counting, 1)
        counting._stop.set()
        counting._thread.join(timeout=20)
        assert not counting._thread.is_alive()


def test_what_is_not_wanted_never_begins(counting: Counting) -> None:
    counting.is_wanted = False
    with counting:
        assert counting._thread.ident is None
