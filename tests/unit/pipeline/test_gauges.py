"""The numbers of a monitor are those of the store, and none is forgotten on the reference page."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from vedette import __version__
from vedette.config import Settings
from vedette.pipeline.announcing import announce_current
from vedette.pipeline.building import build
from vedette.pipeline.gauge_table import GAUGES
from vedette.pipeline.gauges import measure
from vedette.pipeline.hub import Hub
from vedette.pipeline.lock import exclusive
from vedette.pipeline.pulling import pull
from vedette.sensor.finding import Finding, Severity
from vedette.sensor.wire import EngineState, EveState, Report, State
from vedette.store import StateRecord
from vedette.store.tokens import Scope

Numbers = dict[tuple[str, ...], float]


def numbers(hub: Hub, now: float = 0.0) -> Numbers:
    found = [((one.name, *one.labels), one.value) for one in measure(hub, now)]
    assert len(found) == len(dict(found)), "the same number twice"
    return dict(found)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(Settings(home=str(tmp_path))) as opened:
        yield opened


@pytest.fixture
def full(hub: Hub, tmp_path: Path) -> Hub:
    """A hub about which everything can be said."""
    listed = tmp_path / "bad.txt"
    listed.write_text("evil.example\nbad.example\nno domain!\n")
    settings = {"location": str(listed), "type": "domain"}
    hub.store.add_source("feed", "list", settings, 900)
    hub.store.add_source("new", "list", settings, 900)
    pull(hub, "feed")
    hub.store.fleet.add_sensor("edge", {"socket": "/s", "rules": "/r", "ring": "canary"})
    hub.store.fleet.add_sensor("far", {"delivery": "agent"})
    hub.store.fleet.add_sensor("lost", {"delivery": "agent"})
    build(hub)
    announce_current(hub)
    now = int(time.time())
    report(hub, "edge", State.PROVED, now)
    hub.store.fleet.add_proof("edge", datetime.fromtimestamp(now - 30, UTC), 1, True, b"{}")
    hub.store.tokens.add("far", {Scope.FETCH}, by="ada", now=now)
    hub.store.audit.add(who="ada", origin="here", action="sensor add")
    with sqlite3.connect(hub.store.path) as other:
        other.execute("INSERT INTO alert_rate VALUES('edge', ?, 12)", (now // 60 - 2,))
        other.execute("INSERT INTO alert_rate VALUES('edge', ?, 900)", (now // 60 - 9,))
        other.execute(
            "INSERT INTO hit(type, value, observed, buffer, sensor, client, server, origin,"
            " first_seen, last_seen, count, contexts) VALUES('domain', 'evil.example', 'x', 'b',"
            " 'edge', '10.0.0.1', '', 'live', 'a', 'b', 7, '[]')"
        )
        other.execute(
            "INSERT INTO addressee(source, sent, refused, failing_since) VALUES('misp', 5, 1, ?)",
            (now - 100,),
        )
        other.execute(
            "INSERT INTO outbox(source, uuid, event, attribute, type, at, says, queued_at)"
            " VALUES('misp', 'u', 'e', 'a', 0, 0, 's', 0)"
        )
        other.execute("INSERT INTO message VALUES(1, 0, 'hit', 1, 't', 'b')")
        other.execute("INSERT INTO delivery(message_id, target) VALUES(1, 'mail')")
        other.execute(
            "INSERT INTO pool_input VALUES(1, 'follow', '/eve.json', 'edge', 3, '', ?)",
            (datetime.fromtimestamp(now - 40, UTC).isoformat(),),
        )
        other.execute("INSERT INTO pool_counter VALUES(1, 'events', 123)")
    return hub


def report(hub: Hub, sensor: str, state: State, at: int) -> None:
    said = Report(
        at=datetime.fromtimestamp(at, UTC),
        by="hub",
        delivery="local",
        state=state,
        engine=EngineState(
            version="8.0.7", uptime_s=60, packets=1_000, dropped=3, alerts_lost=2, reload_s=1.5
        ),
        eve=EveState(lag_s=0.5, behind_bytes=10, waiting=1),
        findings=(Finding(severity=Severity.ERROR, title="bad"),),
        drifts=4,
    )
    generation = hub.store.announcements.last()
    assert generation is not None
    hub.store.reports.save(
        StateRecord(
            sensor=sensor,
            at=at,
            state=state.value,
            generation=generation.generation,
            content_id=generation.content_id,
            report=msgspec.json.encode(said),
        )
    )


def test_an_empty_hub_has_numbers_too(hub: Hub) -> None:
    found = numbers(hub)
    assert found["vedette_build_info", __version__] == 1
    assert found["vedette_run_up",] == 0
    assert found["vedette_bundle_generation",] == 0
    assert found["vedette_indicators", "listed"] == 0
    assert found["vedette_database_bytes",] > 0
    assert ("vedette_bundle_age_seconds",) not in found


def test_a_running_daemon_is_seen_and_not_disturbed(hub: Hub) -> None:
    with exclusive(hub.lock_file("run"), "vedette run"):
        assert numbers(hub)["vedette_run_up",] == 1
    assert numbers(hub)["vedette_run_up",] == 0
    with exclusive(hub.lock_file("run"), "vedette run"):
        pass


def test_what_comes_in_and_goes_out(full: Hub) -> None:
    found = numbers(full)
    assert found["vedette_source_entries", "feed", "list"] == 2
    assert found["vedette_source_rejected", "feed"] == 1
    assert found["vedette_source_state", "feed", "changed"] == 1
    assert found["vedette_source_state", "feed", "failed"] == 0
    assert found["vedette_source_state", "new", "never"] == 1
    assert 0 <= found["vedette_source_good_age_seconds", "feed"] < 60
    assert ("vedette_source_good_age_seconds", "new") not in found
    assert found["vedette_indicators", "listed"] == 2
    assert found["vedette_bundle_generation",] == 1
    assert found["vedette_bundle_indicators", "domain"] == 2
    assert found["vedette_announced_generation",] == 1
    states = {key[1]: n for key, n in found.items() if key[0] == "vedette_rollout_state"}
    assert states == {"canary": 1, "watch": 0, "done": 0, "paused": 0, "stopped": 0}


def test_what_a_sensor_says(full: Hub) -> None:
    found = numbers(full)
    assert found["vedette_sensor_info", "edge", "local", "canary", "8.0.7"] == 1
    assert found["vedette_sensor_proved", "edge"] == 1
    assert found["vedette_sensor_state", "edge", "proved"] == 1
    assert found["vedette_sensor_generation_held", "edge"] == 1
    assert found["vedette_sensor_generation_wanted", "edge"] == 1
    assert 29 <= found["vedette_sensor_proof_age_seconds", "edge"] < 90
    told = {key[0]: n for key, n in found.items() if key[1:] == ("edge",)}
    assert told["vedette_sensor_drifts_total"] == 4
    assert told["vedette_sensor_reload_seconds"] == 1.5
    assert told["vedette_sensor_packets_dropped_total"] == 3
    assert told["vedette_sensor_alerts_lost_total"] == 2
    assert told["vedette_sensor_eve_lag_seconds"] == 0.5
    assert told["vedette_sensor_alerts_per_minute"] == 12
    assert found["vedette_sensor_findings", "edge", "error"] == 1
    assert found["vedette_sensors", "proved"] == 1
    assert found["vedette_sensors", "never"] == 2
    assert found["vedette_sensor_generation_held", "lost"] == 0


def test_what_was_proved_long_ago_is_not_called_proved(full: Hub) -> None:
    report(full, "far", State.PROVED, int(time.time()))
    assert numbers(full)["vedette_sensor_proved", "edge"] == 1
    later = numbers(full, time.time() + 200)
    assert later["vedette_sensor_proved", "edge"] == 0
    assert later["vedette_sensor_state", "far", "silent"] == 1


@pytest.mark.parametrize("state", [state for state in State if state is not State.PROVED])
def test_no_other_state_counts_as_proved(full: Hub, state: State) -> None:
    report(full, "edge", state, int(time.time()))
    assert numbers(full)["vedette_sensor_proved", "edge"] == 0


def test_hits_feedback_tokens_and_the_trail(full: Hub) -> None:
    found = numbers(full)
    assert found["vedette_hits", "edge", "live", "new"] == 1
    assert found["vedette_hit_events_total", "edge", "live"] == 7
    assert found["vedette_memory_events_total", "edge"] == 123
    assert 39 <= found["vedette_memory_age_seconds", "edge"] < 99
    assert found["vedette_feedback_waiting", "misp"] == 1
    assert found["vedette_feedback_sent_total", "misp"] == 5
    assert 99 <= found["vedette_feedback_failing_seconds", "misp"] < 160
    assert found["vedette_messages", "wait"] == 1
    assert found["vedette_tokens", "valid"] == 1
    assert found["vedette_audit_records_total", "sensor add", "yes"] == 1


OF_THE_SERVER = {"vedette_collected_age_seconds", "vedette_requests_refused_total"}


def test_the_table_names_exactly_what_a_full_hub_says(full: Hub) -> None:
    said = {one.name: len(one.labels) for one in measure(full)}
    table = {gauge.name: len(gauge.labels) for gauge in GAUGES}
    assert said == {name: n for name, n in table.items() if name not in OF_THE_SERVER}


def test_names_are_those_that_prometheus_likes() -> None:
    names = [gauge.name for gauge in GAUGES]
    assert len(names) == len(set(names))
    for gauge in GAUGES:
        assert re.fullmatch(r"vedette_[a-z]+(_[a-z]+)*", gauge.name)
        assert gauge.name.endswith("_total") == (gauge.kind == "counter")
        assert all(re.fullmatch(r"[a-z]+", label) for label in gauge.labels)
        assert gauge.says.endswith(".")
