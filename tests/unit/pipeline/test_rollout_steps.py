"""The roll-out as a function: what is told to whom, whatever sensors say and people decide."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from msgspec.structs import replace

from vedette.pipeline import rollout_steps as steps
from vedette.pipeline.rollout_steps import Fact, Limits, step, ways_back
from vedette.store import RolloutRecord

LIMITS = Limits(soak_s=300, proof_timeout_s=900, alerts_per_minute=10_000, watch_s=900)
NOW = 1_000_020


def canary(since: int = NOW, *, holds: bool = True, alerts: Mapping[int, int] = {}) -> Fact:
    return Fact("fw-1", True, holds, since, alerts)


def other(since: int = NOW, *, holds: bool = True, alerts: Mapping[int, int] = {}) -> Fact:
    return Fact("fw-2", False, holds, since, alerts)


def begun(**fields: object) -> RolloutRecord:
    base = RolloutRecord(serial=2, previous=1, state="canary", started_at=NOW)
    return replace(base, **fields)


def test_canaries_that_hold_it_for_the_whole_soak_let_the_others_have_it() -> None:
    at = NOW + 10 + LIMITS.soak_s
    assert step(begun(), [canary(NOW + 10)], LIMITS, at - 1).rollout.state == "canary"
    after = step(begun(), [canary(NOW + 10)], LIMITS, at).rollout
    assert (after.state, after.proved_at, after.spread_at) == ("watch", NOW + 10, at)


def test_a_canary_that_drifts_within_the_soak_begins_it_anew() -> None:
    late = [canary(NOW + 10), replace_since(canary(), NOW + 200)]
    at = NOW + 10 + LIMITS.soak_s
    assert step(begun(), late, LIMITS, at).rollout.state == "canary"
    drifted = [canary(NOW + 10), canary(NOW + 200, holds=False)]
    assert step(begun(proved_at=5), drifted, LIMITS, at).rollout.proved_at == 0


def replace_since(fact: Fact, since: int) -> Fact:
    return fact._replace(sensor="fw-3", since=since)


def test_what_a_canary_held_before_it_was_announced_counts_from_the_announcement() -> None:
    at = NOW + LIMITS.soak_s
    assert step(begun(), [canary(5)], LIMITS, at - 1).rollout.state == "canary"
    assert step(begun(), [canary(5)], LIMITS, at).rollout.state == "watch"


def test_without_canaries_everybody_has_it_at_once() -> None:
    assert step(begun(), [other()], LIMITS, NOW).rollout.state == "watch"


def test_canaries_that_do_not_prove_it_in_time_stop_it() -> None:
    waiting = [canary(5, holds=False), other(5, holds=False)]
    at = NOW + LIMITS.proof_timeout_s
    assert not step(begun(), waiting, LIMITS, at - 1).stop
    assert step(begun(), waiting, LIMITS, at).stop == "not proved on fw-1 within 15 minutes"


def test_a_canary_that_was_fine_and_drifts_late_has_its_own_time() -> None:
    at = NOW + LIMITS.proof_timeout_s + 5
    assert not step(begun(), [canary(at - 4, holds=False)], LIMITS, at).stop


@pytest.mark.parametrize(
    ("alerts", "stops"),
    [
        ({NOW + 60: 10_001}, True),
        ({NOW + 60: 10_000}, False),
        ({NOW + 9: 99_999}, False),
        ({}, False),
    ],
)
def test_too_many_alerts_in_a_minute_after_the_proof_stop_it(
    alerts: dict[int, int], stops: bool
) -> None:
    facts = [canary(NOW + 10, alerts=alerts)]
    assert bool(step(begun(), facts, LIMITS, NOW + 61).stop) is stops


def test_the_sensor_that_alerts_most_is_named() -> None:
    facts = [
        canary(NOW, alerts={NOW + 60: 12_345}),
        other(NOW, alerts={NOW + 60: 99_999}),
    ]
    with_canaries = step(begun(), facts, LIMITS, NOW + 61)
    assert with_canaries.stop == "12,345 alerts a minute on fw-1, limit 10,000"
    everywhere = step(begun(state="watch", spread_at=NOW), facts, LIMITS, NOW + 61)
    assert everywhere.stop == "99,999 alerts a minute on fw-2, limit 10,000"


def test_a_sensor_that_is_not_proved_to_hold_it_does_not_alert_because_of_it() -> None:
    facts = [other(NOW, holds=False, alerts={NOW + 60: 99_999})]
    assert not step(begun(state="watch"), facts, LIMITS, NOW + 61).stop


def test_no_limit_is_no_limit() -> None:
    facts = [canary(NOW, alerts={NOW + 60: 99_999})]
    assert not step(begun(), facts, LIMITS._replace(alerts_per_minute=0), NOW + 61).stop


def test_it_is_done_when_it_was_watched_long_enough() -> None:
    watched = begun(state="watch", spread_at=NOW)
    assert step(watched, [], LIMITS, NOW + 899).rollout == watched
    after = step(watched, [], LIMITS, NOW + 900).rollout
    assert (after.state, after.ended_at) == ("done", NOW + 900)


@pytest.mark.parametrize("state", ["done", "paused", "stopped", "superseded"])
def test_what_is_over_or_held_does_not_move(state: str) -> None:
    held = begun(state=state, was="canary" if state == "paused" else "")
    flood = [canary(NOW, alerts={NOW + 60: 99_999})]
    assert step(held, flood, LIMITS, NOW + 99_999) == steps.Step(held)


def test_a_pause_goes_on_where_it_was_with_a_new_soak_and_a_clean_slate() -> None:
    held = steps.paused(begun(proved_at=NOW), "lunch")
    assert (held.state, held.was, held.why) == ("paused", "canary", "lunch")
    on = steps.resumed(held, NOW + 1_000)
    assert (on.state, on.was, on.why) == ("canary", "", "")
    flood = [canary(NOW, alerts={NOW + 60: 99_999})]
    assert step(on, flood, LIMITS, NOW + 1_000 + 299) == steps.Step(replace(on, proved_at=NOW))
    assert step(on, flood, LIMITS, NOW + 1_000 + 300).rollout.state == "watch"


def test_a_stop_stays_stopped_and_only_lets_newer_ones_go() -> None:
    stopped = steps.stopped(begun(state="watch", resumed_at=9), "noise", NOW)
    assert stopped.is_held
    released = steps.resumed(stopped, NOW + 1)
    assert (released.state, released.is_held) == ("stopped", False)


def test_what_was_stopped_and_let_go_stays_bad_through_a_pause() -> None:
    released = steps.resumed(steps.stopped(everywhere(8, NOW - 999), "noise", NOW), NOW)
    held = steps.paused(released, "lunch")
    assert (held.is_held, held.phase) == (True, "stopped")
    now, good = everywhere(9, NOW - 30, state="watch"), everywhere(3, 5)
    for stopped in (held, steps.resumed(held, NOW + 1)):
        assert ways_back([now, stopped, good], NOW)[0] == 3
    assert not steps.resumed(held, NOW + 1).is_held


def everywhere(serial: int, spread_at: int, **fields: object) -> RolloutRecord:
    base = RolloutRecord(
        serial=serial, previous=serial - 1, state="superseded", started_at=spread_at
    )
    return replace(base, spread_at=spread_at, **fields)


def test_a_stop_among_canaries_goes_back_to_what_the_others_have() -> None:
    history = [begun(serial=9, previous=7), everywhere(7, NOW - 10), everywhere(3, 5)]
    assert ways_back(history, NOW) == [7]
    assert ways_back([begun(previous=0)], NOW) == []
    assert ways_back([], NOW) == []


def test_a_stop_everywhere_goes_back_to_one_that_was_seen_for_some_minutes() -> None:
    now = everywhere(9, NOW - 30, state="watch")
    assert ways_back([now, everywhere(8, NOW - 60), everywhere(3, NOW - 999)], NOW) == [3, 8]
    assert ways_back([now, everywhere(8, NOW - 180)], NOW) == [8, 8]
    assert ways_back([now, everywhere(8, NOW - 60)], NOW) == [8], "there is nothing better"


def test_it_never_goes_back_to_what_was_stopped_nor_behind_what_a_person_chose() -> None:
    now = everywhere(9, NOW - 30, state="watch")
    stopped = everywhere(8, NOW - 999, state="stopped")
    assert ways_back([now, stopped, everywhere(3, 5)], NOW)[0] == 3
    chosen = everywhere(8, NOW - 60, state="done", ended_at=NOW - 60)
    assert ways_back([now, chosen, everywhere(3, 5)], NOW)[0] == 8


class Fleet(RuleBasedStateMachine):
    """Sensors, a feed, people and the clock do what they like."""

    @initialize(canaries=st.integers(0, 2), others=st.integers(1, 2))
    def begin(self, canaries: int, others: int) -> None:
        self.now = NOW
        self.serial = 0
        self.names = {f"c{n}": True for n in range(canaries)} | {
            f"o{n}": False for n in range(others)
        }
        self.holds: dict[str, tuple[int, int]] = {}
        self.alerts: dict[str, dict[int, int]] = {name: {} for name in self.names}
        self.history: list[RolloutRecord] = []
        self.newest = 0
        self.told_others = 0
        self.announced: list[int] = []
        self.allowed = False
        self.bad: set[int] = set()
        self.announce()

    @property
    def current(self) -> RolloutRecord:
        return self.history[0]

    @current.setter
    def current(self, record: RolloutRecord) -> None:
        self.history[0] = record

    def facts(self) -> list[Fact]:
        return [
            Fact(
                name,
                is_canary,
                self.holds.get(name, (0, 0))[0] == self.current.serial,
                self.holds.get(name, (0, 0))[1],
                self.alerts[name],
            )
            for name, is_canary in self.names.items()
        ]

    def announce(self) -> None:
        """What announcing does: see vedette.pipeline.announcing."""
        self.serial += 1
        self.announced.append(self.serial)
        record = RolloutRecord(
            serial=self.serial,
            previous=self.told_others,
            state="canary",
            started_at=self.now,
        )
        if self.history and self.current.phase not in {"stopped", "done"}:
            self.current = replace(self.current, state="superseded", was="")
        if not any(self.names.values()):
            record = steps.spread(record, self.now)
        self.history.insert(0, record)
        self.newest = self.serial
        self.allowed = False
        self.follow()

    def follow(self) -> None:
        """Let the others be told what they are told now."""
        if self.current.phase in {"watch", "done"}:
            self.told_others = self.newest

    @rule()
    def build(self) -> None:
        if not self.current.is_held and self.current.phase != "canary":
            self.announce()

    @rule(data=st.data())
    def prove(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.names)))
        told = self.newest if self.names[name] else self.told_others
        if self.holds.get(name, (0, 0))[0] != told:
            self.holds[name] = told, self.now

    @rule(data=st.data())
    def drift(self, data: st.DataObject) -> None:
        self.holds[data.draw(st.sampled_from(sorted(self.names)))] = 0, self.now

    @rule(data=st.data(), alerts=st.integers(0, 20_000))
    def alert(self, data: st.DataObject, alerts: int) -> None:
        name = data.draw(st.sampled_from(sorted(self.names)))
        minute = self.now // 60 * 60
        self.alerts[name][minute] = self.alerts[name].get(minute, 0) + alerts

    @rule(seconds=st.sampled_from([1, 20, 60, 299, 300, 901]))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @rule()
    def look(self) -> None:
        before, facts = self.current, self.facts()
        after = step(before, facts, LIMITS, self.now)
        if before.is_held or before.state in {"done", "stopped", "superseded"}:
            assert after == steps.Step(before), "a pause freezes, a stop stays"
        if after.stop:
            self.stop(after.stop)
            return
        if before.state == "canary" and after.rollout.state == "watch":
            for fact in facts:
                if fact.is_canary:
                    assert fact.holds
                    held_for = self.now - max(fact.since, before.started_at, before.resumed_at)
                    assert held_for >= LIMITS.soak_s
            self.allowed = True
        self.current = after.rollout
        self.follow()

    @precondition(lambda self: self.current.phase in {"canary", "watch"})
    @rule()
    def person_stops(self) -> None:
        self.stop("a person")

    def stop(self, why: str) -> None:
        back = ways_back(self.history, self.now)
        if not back:
            self.current = steps.paused(self.current, why)
            return
        with_canaries = self.current.phase == "canary"
        at = self.told_others
        self.serial += 1
        self.announced.append(self.serial)
        assert back[0] not in self.bad, "nobody is put back to what was stopped"
        self.bad.add(self.current.serial)
        if with_canaries:
            assert back[0] == at, "the others never had to move"
        assert back[0] < self.current.serial
        self.current = steps.stopped(self.current, why, self.now)
        self.newest = self.told_others = self.serial
        assert self.current.is_held

    @precondition(lambda self: not self.current.is_held)
    @rule()
    def pause(self) -> None:
        self.current = steps.paused(self.current, "lunch")

    @precondition(lambda self: self.current.is_held)
    @rule()
    def resume(self) -> None:
        self.current = steps.resumed(self.current, self.now)

    @precondition(lambda self: self.current.phase == "canary")
    @rule()
    def promote(self) -> None:
        self.current = steps.spread(self.current, self.now)
        self.allowed = True
        self.follow()

    @invariant()
    def the_others_have_it_only_after_proof_or_by_a_person(self) -> None:
        if self.history and any(self.names.values()) and self.current.phase != "stopped":
            assert (self.told_others == self.current.serial) == self.allowed

    @invariant()
    def serials_only_rise(self) -> None:
        assert self.announced == sorted(set(self.announced))


TestFleet = Fleet.TestCase
TestFleet.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
