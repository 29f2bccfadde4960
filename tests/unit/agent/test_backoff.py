"""Waiting longer after each failure."""

from __future__ import annotations

from vedette.agent.backoff import Backoff


def test_the_wait_doubles_is_spread_and_has_an_end() -> None:
    agents = [Backoff(1, 60) for _ in range(500)]
    for doubled in (1, 2, 4, 8, 16, 32, 60, 60):
        waits = [agent.failed() for agent in agents]
        assert all(doubled / 2 <= wait <= doubled * 1.5 for wait in waits)
        assert max(waits) - min(waits) > doubled / 2, "they do not come at once"


def test_a_hub_that_is_away_for_a_month_is_still_asked() -> None:
    backoff = Backoff()
    assert all(0 < backoff.failed() <= 90 for _ in range(50_000))


def test_a_hub_that_asks_for_more_gets_it_and_success_begins_anew() -> None:
    backoff = Backoff()
    assert backoff.failed(100) == 100
    assert backoff.worked()
    assert not backoff.worked()
    assert backoff.failed() <= 1.5
