"""One word for what is known, the worst first."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from vedette.agent.situation import MINUTES_SENT, Facts, Situation, judge
from vedette.sensor.proof import Check, Proof
from vedette.sensor.wire import Announcement, State

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def proof(content: str = "a", *, ok: bool = True) -> Proof:
    check = Check(name="names.canary", ok=ok, expected="x", got="y")
    return Proof(
        at=NOW,
        sensor="gate",
        generation=1,
        content_id=content,
        target="8.0",
        engine="8.0.7",
        ok=ok,
        checks=(check,),
        elapsed_s=0.1,
    )


def wanted(content: str = "a") -> Announcement:
    return Announcement(
        hub="h", serial=5, generation=1, content_id=content, manifest="m", at=NOW, why="build"
    )


@pytest.mark.parametrize(
    ("facts", "state", "why"),
    [
        ({}, State.BEHIND, "no generation"),
        ({"trouble": "no room"}, State.BEHIND, "no room"),
        ({"installed": 1}, State.BEHIND, "not proved yet"),
        ({"proof": proof(), "wanted": wanted()}, State.PROVED, ""),
        ({"proof": proof()}, State.PROVED, ""),
        ({"proof": proof(), "wanted": wanted("b")}, State.BEHIND, "on its way"),
        ({"proof": proof(), "wanted": wanted("b"), "trouble": "full"}, State.BEHIND, "full"),
        ({"proof": proof(), "wanted": wanted(), "refused": "forged"}, State.REFUSED, "forged"),
        ({"proof": proof(), "wanted": wanted("b"), "damaged": "bits"}, State.REFUSED, "bits"),
        ({"proof": proof(ok=False), "refused": "forged"}, State.DRIFTED, "names.canary"),
        ({"proof": proof(), "silent": "no socket", "refused": "x"}, State.SILENT, "no socket; x"),
    ],
)
def test_the_worst_is_said(facts: dict[str, Any], state: State, why: str) -> None:
    said = judge(Facts(**facts))
    assert said[0] is state
    assert why in said[1]
    assert state is State.PROVED or said[1]


def test_a_change_of_state_wakes_the_reporter_and_a_repetition_does_not() -> None:
    situation = Situation("agent")
    situation.note(lambda facts: setattr(facts, "proof", proof()))
    assert situation.changed.is_set()
    situation.changed.clear()
    situation.note(lambda facts: setattr(facts, "proof", proof()))
    assert not situation.changed.is_set()
    situation.note(lambda facts: setattr(facts, "proof", proof(ok=False)))
    assert situation.changed.is_set()


def test_a_proof_is_sent_until_it_has_arrived() -> None:
    situation = Situation("agent")
    situation.note(lambda facts: setattr(facts, "proof", proof()))
    first = situation.report()
    assert situation.report().proof == first.proof == proof()
    situation.arrived(first)
    assert situation.report().proof is None
    assert situation.report().generation == 1


def test_rates_are_sums_of_the_last_minutes_and_a_flood_wakes_the_reporter() -> None:
    situation = Situation("agent")
    for minute in range(40):
        situation.count({minute: 1})
    situation.count({39: 2})
    rates = situation.report().rates
    assert [(rate.minute, rate.alerts) for rate in rates][-1] == (39, 3)
    assert len(rates) == MINUTES_SENT
    assert not situation.changed.is_set()
    situation.count({39: 5_000})
    assert situation.changed.is_set()


def test_what_is_on_its_way_is_not_worth_a_report_and_what_hinders_it_is() -> None:
    situation = Situation("agent")
    situation.note(lambda facts: setattr(facts, "proof", proof()))
    situation.changed.clear()
    situation.note(lambda facts: setattr(facts, "wanted", wanted("b")))
    assert not situation.changed.is_set()
    situation.note(lambda facts: setattr(facts, "trouble", "no room"))
    assert situation.changed.is_set()
