"""How a sensor stands: what was said, what is wanted, and how old the word is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from vedette.config import load
from vedette.pipeline.hub import Hub
from vedette.pipeline.standing import ago, report_of, silent_after_s, standing, standings, state_now
from vedette.sensor.wire import EngineState, Report, State
from vedette.store import AnnouncementRecord, RolloutRecord, StateRecord

NOW = 1_800_000_000
AT = datetime.fromtimestamp(NOW, UTC)


def report(state: State, why: str = "") -> bytes:
    engine = EngineState(version="8.0.7", alerts_lost=3)
    said = Report(at=AT, by="agent 1", delivery="agent", state=state, why=why, engine=engine)
    return msgspec.json.encode(said)


def said(state: State, content: str = "new", why: str = "") -> StateRecord:
    return StateRecord(
        sensor="gate",
        at=NOW,
        since=NOW - 60,
        state=state,
        generation=2 if content == "new" else 1,
        content_id=content,
        report=report(state, why),
    )


WANTED = AnnouncementRecord(
    serial=9,
    generation=2,
    content_id="new",
    at=NOW,
    who="ann",
    why="build",
    document="",
    signature="",
)


@pytest.mark.parametrize(
    ("record", "later", "is_here", "state", "why"),
    [
        (None, 0, False, State.NEVER, "nothing was ever heard of it"),
        (said(State.PROVED), 0, False, State.PROVED, ""),
        (said(State.PROVED, "old"), 0, False, State.BEHIND, "holds generation 1, told 2"),
        (said(State.FETCHED), 9_999, False, State.FETCHED, ""),
        (said(State.FETCHED, "old"), 0, False, State.BEHIND, "fetched generation 1, told 2"),
        (said(State.PROVED), 180, False, State.PROVED, ""),
        (said(State.PROVED), 181, False, State.SILENT, "not heard of for 3 min"),
        (said(State.DRIFTED, why="x"), 181, False, State.SILENT, "not heard of for 3 min"),
        (said(State.PROVED), 9_999, True, State.PROVED, ""),
        (said(State.DRIFTED, why="failed: a"), 0, True, State.DRIFTED, "failed: a"),
        (said(State.DRIFTED, "old", why="failed: a"), 0, False, State.DRIFTED, "failed: a"),
        (said(State.REFUSED, "old", why="no key"), 0, False, State.REFUSED, "no key"),
        (
            said(State.PROVED, "old", why="disk full"),
            0,
            True,
            State.BEHIND,
            "holds generation 1, told 2: disk full",
        ),
    ],
)
def test_a_state_is_what_was_said_against_what_is_wanted_now(
    record: StateRecord | None, later: int, is_here: bool, state: State, why: str
) -> None:
    assert state_now(record, WANTED, asked_here=is_here, now=NOW + later) == (state, why)


def test_told_nothing_a_sensor_is_what_it_says() -> None:
    record = said(State.PROVED, "old")
    assert state_now(record, None, asked_here=True, now=NOW) == (State.PROVED, "")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "0 s"), (40, "40 s"), (150, "2 min"), (7_300, "2 h"), (200_000, "2 days")],
)
def test_a_span_is_in_the_unit_that_people_use(seconds: float, text: str) -> None:
    assert ago(seconds) == text


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    (tmp_path / "vedette.toml").write_text("")
    with Hub(load(tmp_path / "vedette.toml")) as opened:
        yield opened


def test_an_agent_may_be_quiet_for_three_of_our_rounds(hub: Hub) -> None:
    assert silent_after_s(hub) == 180
    run = msgspec.structs.replace(hub.settings.run, prove_every="5m")
    hub.settings = msgspec.structs.replace(hub.settings, run=run)
    assert silent_after_s(hub) == 900


def test_all_that_is_known_of_a_sensor_is_in_one_place(hub: Hub) -> None:
    hub.store.fleet.add_sensor("gate", {"delivery": "agent", "ring": "canary"})
    hub.store.announcements.add(
        lambda serial: (str(serial), ""),
        generation=2,
        content_id="new",
        at_ms=9,
        who="ann",
        why="build",
        then=lambda serial: hub.store.rollouts.begin(
            RolloutRecord(serial=serial, state="canary", started_at=NOW)
        ),
    )
    record = msgspec.structs.replace(said(State.PROVED), origin="192.0.2.9", clock_s=-2.0)
    hub.store.reports.save(record, rates=[(NOW // 60, 7), (NOW // 60 - 11, 9)])
    one = standing(hub, "gate", NOW + 10)
    assert (one.state, one.generation, one.wanted, one.wanted_serial) == (State.PROVED, 2, 2, 9)
    assert (one.heard_from, one.heard_s, one.clock_s) == ("192.0.2.9", 10.0, -2.0)
    assert one.alerts == {"2027-01-15T08:00Z": 7}, "of the last ten minutes"
    assert one.report is not None
    assert one.report.engine.alerts_lost == 3
    assert standings(hub, NOW + 10) == [one]
    document = json.loads(msgspec.json.encode(one))
    assert document["report"]["engine"]["version"] == "8.0.7"


def test_silence_begins_when_the_next_word_was_due(hub: Hub) -> None:
    hub.store.fleet.add_sensor("gate", {"delivery": "agent"})
    hub.store.reports.save(said(State.PROVED))
    one = standing(hub, "gate", NOW + 600)
    assert one.state is State.SILENT
    assert one.since == datetime.fromtimestamp(NOW + 180, UTC)


def test_a_proof_of_an_older_vedette_counts(hub: Hub) -> None:
    hub.store.fleet.add_sensor("gate", {"socket": "s", "rules": "r"})
    assert standing(hub, "gate", NOW).state is State.NEVER
    proof = {
        "at": AT.isoformat(),
        "sensor": "gate",
        "generation": 2,
        "content_id": "new",
        "target": "7.0",
        "engine": "7.0.10",
        "ok": False,
        "checks": [{"name": "files", "ok": False, "expected": "all there", "got": "1 gone"}],
        "elapsed_s": 1.0,
    }
    hub.store.fleet.add_proof("gate", AT, 2, ok=False, body=json.dumps(proof).encode())
    one = standing(hub, "gate", NOW)
    assert (one.state, one.why, one.generation) == (
        State.DRIFTED,
        "files: all there; got: 1 gone",
        2,
    )


def test_a_report_of_a_newer_vedette_is_no_reason_to_fail() -> None:
    record = msgspec.structs.replace(said(State.PROVED), report=b'{"state":"levitating"}')
    assert report_of(record) is None
    assert state_now(record, WANTED, asked_here=True, now=NOW) == (State.PROVED, "")
