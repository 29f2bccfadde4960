"""What was fetched does not stay beside what is installed, however the push ended."""

from __future__ import annotations

from tests.contract.agent.conftest import NAMES, Site

from vedette.sensor.wire import State


def test_an_engine_that_is_away_leaves_nothing_behind(site: Site) -> None:
    site.publish(NAMES)
    assert site.once().state is State.PROVED
    for names in (NAMES[1:], NAMES[2:]):
        site.engine.stop()
        site.publish(names)
        assert site.once().state is State.SILENT
        staged = site.settings.sensor.rules_path / ".fetched"
        assert not staged.exists() or list(staged.iterdir()) == []
        site.engine.start()
    report = site.once()
    assert (report.state, report.generation) == (State.PROVED, 3)
