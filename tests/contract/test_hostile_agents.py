"""What an agent that was taken over can do to the hub and to the others: nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from vedette.config import Settings
from vedette.errors import UsageError
from vedette.pipeline.building import targets
from vedette.pipeline.gauges import measure
from vedette.pipeline.hearing import heard, keep_report
from vedette.pipeline.hub import Hub
from vedette.pipeline.receiving import Intake, place_of, reader_of
from vedette.pipeline.standing import standings
from vedette.ruleset.engine import PLAIN
from vedette.sensor.wire import State
from vedette.web.metrics import expose

HOSTNAME_IN_DNS = 1_401_100
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SENSOR = "gate"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(Settings(home=str(tmp_path))) as opened:
        for name in (SENSOR, "edge"):
            opened.store.fleet.add_sensor(name, {"delivery": "agent"})
        yield opened


def report(**fields: Any) -> dict[str, Any]:
    known = {"at": NOW, "by": "agent 0.5.0", "delivery": "agent", "state": "behind"}
    return {**known, **fields}


def proof(**fields: Any) -> dict[str, Any]:
    known = {
        "at": NOW,
        "sensor": "edge",
        "generation": 1,
        "content_id": "a" * 64,
        "target": "8.0",
        "engine": "8.0.1",
        "ok": True,
        "checks": [{"name": "files", "ok": True, "expected": "x", "got": "y"}],
        "elapsed_s": 0.1,
    }
    return {**known, **fields}


def hear(hub: Hub, said: dict[str, Any]) -> None:
    # The standard library's: it writes numbers of any length.
    body = msgspec.json.encode(said)
    for length in (400, 4_000):
        body = body.replace(f'"{length} digits"'.encode(), b"9" * length)
    keep_report(hub, SENSOR, heard(body, NOW.timestamp()), "192.0.2.9", NOW.timestamp())


def fleet_is_fine(hub: Hub) -> None:
    """Everything that looks at all sensors still can."""
    standings(hub)
    text = expose(measure(hub)).decode()
    assert "vedette_sensors" in {family.name for family in text_string_to_metric_families(text)}
    assert set(targets(hub)) <= set(PLAIN)
    reader_of(hub, SENSOR, place_of(hub, SENSOR))


@pytest.mark.parametrize(
    "said",
    [
        report(engine={"packets": "400 digits"}),
        report(engine={"uptime_s": 1, "alerts_lost": "400 digits"}),
        report(eve={"waiting": "4000 digits"}),
        report(eve={"lag_s": 1e308}),
        report(delivered={"generation": 1, "how": "x", "at": NOW, "added": "4000 digits"}),
        report(rates=[{"minute": "400 digits", "alerts": 1}]),
        report(rates=[{"minute": 1, "alerts": "400 digits"}]),
        report(serial=2**53),
        report(proof=proof(generation="400 digits")),
        report(proof=proof(elapsed_s=1e300)),
    ],
    ids=lambda said: str(sorted(set(said) - {"at", "by", "delivery", "state"})),
)
def test_no_number_ends_the_figures_of_the_fleet(hub: Hub, said: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="range"):
        hear(hub, said)
    fleet_is_fine(hub)


@pytest.mark.parametrize("target", ["9.9", "", "8.0+evil", "7.0+context", "../8.0", "8.0\x00"])
def test_no_engine_that_does_not_exist_ends_the_next_build(hub: Hub, target: str) -> None:
    with pytest.raises(UsageError, match="no engine"):
        hear(hub, report(proof=proof(target=target)))
    fleet_is_fine(hub)
    hear(hub, report(proof=proof()))
    fleet_is_fine(hub)


@pytest.mark.parametrize("state", [State.NEVER, State.FETCHED])
def test_an_agent_cannot_take_a_state_that_never_grows_old(hub: Hub, state: State) -> None:
    with pytest.raises(UsageError, match=state):
        hear(hub, report(state=state))


def test_a_proof_without_a_check_proves_nothing(hub: Hub) -> None:
    with pytest.raises(UsageError, match="check"):
        hear(hub, report(proof=proof(checks=[])))


@pytest.mark.parametrize("said_at", ["1970-01-01T00:00:00Z", "2899-12-31T00:00:00-23:00", NOW])
@pytest.mark.parametrize("proved_at", ["1970-01-01T00:00:00+23:00", "2899-01-01T00:00:00Z", NOW])
def test_no_proof_is_of_the_future(hub: Hub, said_at: object, proved_at: object) -> None:
    """A proof of next year would look fresh until then."""
    hear(hub, report(at=said_at, proof=proof(at=proved_at)))
    kept = hub.store.fleet.sensor(SENSOR).proof
    assert kept is not None
    assert datetime.fromisoformat(kept["at"]) <= NOW + timedelta(seconds=5)
    fleet_is_fine(hub)


def test_proofs_of_one_sensor_take_so_much_room_and_no_more(hub: Hub) -> None:
    checks = [{"name": "x", "ok": True, "expected": "y" * 4_000, "got": "z"}] * 240
    large = report(proof=proof(checks=checks))
    assert len(msgspec.json.encode(large)) > 900_000
    for _ in range(25):
        hear(hub, large)
    with closing(sqlite3.connect(hub.settings.database)) as database:
        (kept,) = database.execute("SELECT sum(length(body)) FROM proof").fetchone()
    assert 8 << 20 < kept <= 17 << 20


# -- hits ----------------------------------------------------------------------------------


def alert(flow: int, **fields: Any) -> bytes:
    event = {
        "timestamp": "2026-11-24T07:00:00.000000+0000",
        "flow_id": flow,
        "event_type": "alert",
        "src_ip": "10.0.0.5",
        "dest_ip": "192.0.2.53",
        "tx_id": 0,
        "alert": {"gid": 1, "signature_id": HOSTNAME_IN_DNS},
        "dns": {"query": [{"type": "query", "rrname": f"n{flow}.example"}]},
    }
    return msgspec.json.encode({**event, **fields}) + b"\n"


def test_what_was_met_in_the_future_was_met_now(hub: Hub) -> None:
    """It would be the newest hit until then, and so would what MISP is told."""
    far = "2999-01-01T00:00:00+0000"
    soon = datetime.now(UTC) + timedelta(hours=3)
    lines = alert(1, timestamp=far) + alert(2, timestamp=soon.isoformat())
    lines += alert(3) + alert(3, timestamp=far, tx_id=1)
    Intake(hub).take(SENSOR, lines, "", "a1")
    found = {hit.observed: hit for hit in hub.store.fleet.hits()}
    now = datetime.now(UTC)
    assert now - timedelta(minutes=1) < found["n1.example"].first_seen <= now
    assert found["n1.example"].last_seen <= now
    assert found["n2.example"].last_seen == soon  # a clock that is wrong
    assert found["n3.example"].first_seen == datetime(2026, 11, 24, 7, tzinfo=UTC)
    assert found["n3.example"].last_seen <= now


def test_an_agent_cannot_invent_groups_without_end(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vedette.pipeline.receiving.NEW_GROUPS", 50)
    intake = Intake(hub)
    intake.take(SENSOR, b"".join(map(alert, range(40))), "", "a1")
    intake.take(SENSOR, b"".join(map(alert, range(20, 80))), "a1", "a2")
    assert len(hub.store.fleet.hits()) == 50
    counters = hub.store.fleet.counters(SENSOR)
    assert counters["skipped.too_many_new"] == 30
    by_name = {hit.observed: hit.count for hit in hub.store.fleet.hits()}
    assert by_name["n20.example"] == 2  # what is known already is counted on
    intake.take("edge", alert(1), "", "b1")
    assert len(hub.store.fleet.hits(sensor="edge")) == 1


def test_no_text_of_a_hit_is_longer_than_what_it_may_be(hub: Hub) -> None:
    long = "x" * 100_000
    name = {"query": [{"type": "query", "rrname": long}]}
    Intake(hub).take(SENSOR, alert(1, src_ip=long, dest_ip=long, dns=name), "", "a1")
    (hit,) = hub.store.fleet.hits()
    assert max(map(len, (hit.client, hit.server, hit.observed, hit.value))) <= 300
