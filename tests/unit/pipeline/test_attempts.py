"""A problem that lasts is said once, again each hour, and once when it is over."""

from __future__ import annotations

from typing import Any

from structlog.testing import capture_logs

from vedette.errors import BusyError, SourceError
from vedette.pipeline.attempts import AGAIN_S, Attempts


def fail(error: Exception) -> None:
    raise error


def shown(logs: list[Any]) -> list[tuple[str, str]]:
    return [(one["event"], one.get("of", "")) for one in logs if one["log_level"] != "debug"]


def test_a_problem_that_lasts_is_said_once_and_once_when_it_is_over() -> None:
    attempts = Attempts(clock=lambda: 0.0)
    down = SourceError("it is down", hint="start it")
    with capture_logs() as logs:
        for _ in range(50):
            assert not attempts.make("pull", "misp", fail, down)
            assert not attempts.make("pull", "other", fail, down)
        assert attempts.make("pull", "misp", int)
        assert attempts.make("pull", "misp", int)
    assert shown(logs) == [
        ("job.failed", "misp"),
        ("job.failed", "other"),
        ("job.recovered", "misp"),
    ]
    assert logs[0]["hint"] == "start it"
    assert logs[-1]["after"] == 50


def test_another_problem_is_said_and_the_same_one_each_hour() -> None:
    now = [0.0]
    attempts = Attempts(clock=lambda: now[0])
    with capture_logs() as logs:
        attempts.make("push", "gate", fail, SourceError("no socket"))
        attempts.make("push", "gate", fail, SourceError("nobody listens"))
        now[0] = AGAIN_S - 1
        attempts.make("push", "gate", fail, SourceError("nobody listens"))
        now[0] = AGAIN_S
        attempts.make("push", "gate", fail, SourceError("nobody listens"))
    said = [one["error"] for one in logs if one["log_level"] == "error"]
    assert said == ["no socket", "nobody listens", "nobody listens"]
    assert logs[-1]["times"] == 4


def test_whatever_a_job_raises_ends_nothing() -> None:
    attempts = Attempts()
    with capture_logs() as logs:
        assert not attempts.make("build", "", fail, BusyError("busy"))
        assert not attempts.make("build", "", fail, ValueError("a bug"))
    assert shown(logs) == [("job.postponed", ""), ("job.crashed", "")]
