from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vedette.errors import SensorError
from vedette.sensor.client import SuricataSocket
from vedette.sensor.protocol import Outcome
from vedette.sensor.reload import Activity, Mark, activity, mark, reload


def test_a_reload_is_waited_for(desk: Any) -> None:
    with SuricataSocket(desk.engine.path) as engine:
        before = mark(engine)
        after = reload(engine, 5).mark
        assert after.reloads == before.reloads + 1
        assert after.loaded_at != before.loaded_at
        assert mark(engine, after) == after


def test_a_reload_of_somebody_else_goes_first(desk: Any) -> None:
    desk.engine.reload_s = 0.2
    desk.engine.begin_reload()
    with SuricataSocket(desk.engine.path) as engine:
        assert reload(engine, 5).mark.reloads == 2


def test_a_reload_that_takes_too_long_is_an_error(desk: Any) -> None:
    desk.engine.reload_s = 60
    with SuricataSocket(desk.engine.path) as engine:
        with pytest.raises(SensorError, match=r"not end a reload within 0\.2 s") as caught:
            reload(engine, 0.2)
        assert "reload_timeout_s" in caught.value.hint
        with pytest.raises(SensorError, match="not end"):
            reload(engine, 0.1)


def test_a_reload_that_the_engine_gave_up_is_noticed(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vedette.sensor.reload._DOUBT_S", 0.1)
    desk.engine.broken_yaml = True
    with SuricataSocket(desk.engine.path) as engine:
        with pytest.raises(SensorError, match="gave the reload up") as caught:
            reload(engine, 5)
        assert "suricata.log" in caught.value.hint


def test_a_slow_reload_is_not_taken_for_one_given_up(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vedette.sensor.reload._DOUBT_S", 0.05)
    desk.engine.reload_s = 0.3
    with SuricataSocket(desk.engine.path) as engine:
        assert reload(engine, 5).mark.reloads == 1


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (Mark(3, "a"), Activity.NONE),
        (Mark(4, "a"), Activity.RUNNING),
        (Mark(5, "a"), Activity.RUNNING),
        (Mark(4, "b"), Activity.RELOADED),
        (Mark(5, "b"), Activity.UNKNOWN),
        (Mark(0, "b"), Activity.RELOADED),
        (Mark(2, "b"), Activity.UNKNOWN),
        (Mark(3, "b"), Activity.UNKNOWN),
    ],
)
def test_what_happened_since_follows_from_count_and_time(now: Mark, expected: Activity) -> None:
    assert activity(Mark(3, "a"), now) is expected


def test_a_refusal_for_another_reason_is_an_error(tmp_path: Path) -> None:
    class Refusing(SuricataSocket):
        def reload_time(self) -> str:
            return "then"

        def reloads(self, at_least: int = 0) -> int:
            return at_least

        def begin_reload(self) -> Outcome:
            return Outcome.UNKNOWN_COMMAND

    with pytest.raises(SensorError, match="refused to reload: unknown command"):
        reload(Refusing(tmp_path / "s"), 1)
