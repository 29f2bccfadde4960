"""Alerts of our rules come to the hub, each once, whoever is away or killed, and in what number."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import msgspec
import pytest
from tests.contract.agent.conftest import NAMES, Site, proved, wait_until

from vedette.agent.running import Agent
from vedette.testing.faults import Fault, FaultKind

DOMAIN_IN_DNS = 1_400_100
flows = count(1)


def line(name: str, kind: str = "alert", *, at: datetime | None = None, **fields: Any) -> bytes:
    event = {
        "timestamp": (at or datetime.now(UTC)).isoformat(),
        "flow_id": next(flows),
        "event_type": kind,
        "src_ip": "10.0.0.5",
        "dest_ip": "192.0.2.53",
        "tx_id": 0,
        "dns": {"queries": [{"rrname": name, "rrtype": "A"}]},
    }
    if kind == "alert":
        event["alert"] = {"gid": 1, "signature_id": DOMAIN_IN_DNS}
    return msgspec.json.encode({**event, **fields}) + b"\n"


def write(site: Site, *lines: bytes) -> None:
    with (site.path / "eve.json").open("ab") as eve:
        eve.write(b"".join(lines))


def hits(site: Site) -> dict[str, int]:
    """What the hub counted, by observed name."""
    records = site.ask(lambda hub: hub.store.fleet.hits(limit=1_000))
    found: dict[str, int] = {}
    for record in records:
        found[record.observed] = found.get(record.observed, 0) + record.count
    return found


@pytest.fixture
def alerting(site: Site) -> Site:
    site.publish(NAMES)
    site.once()
    return site


def test_alerts_become_hits_at_the_hub_and_other_lines_stay_here(alerting: Site) -> None:
    site = alerting
    private = line("private.example", "dns")
    foreign = line("private.example", alert={"gid": 1, "signature_id": 2_000_001})
    write(site, private, line("evil1.example"), foreign, line("www.evil1.example"), private)
    site.once()
    assert hits(site) == {"evil1.example": 1, "www.evil1.example": 1}
    sent = [r.body for r in site.way.requests if "/hits" in r.path]
    assert len(sent) == 1
    site.once()
    assert hits(site) == {"evil1.example": 1, "www.evil1.example": 1}


def test_what_the_hub_did_not_hear_of_is_sent_again_and_counted_once(alerting: Site) -> None:
    site = alerting
    write(site, line("evil1.example"))
    # The answer is lost on its way: the hub has counted, and we do not know.
    site.way.faults.add(Fault(FaultKind.CUT, path="/hits", times=1))
    with site.running() as agent:
        wait_until(lambda: hits(site) == {"evil1.example": 1})
        assert agent.spool.waiting == 1
        write(site, line("evil2.example"))
        wait_until(lambda: agent.spool.waiting == 0)
    assert hits(site) == {"evil1.example": 1, "evil2.example": 1}


def test_alerts_wait_for_a_hub_that_is_away(alerting: Site) -> None:
    site = alerting
    site.hub_ends()
    with site.running() as agent:
        wait_until(proved(agent, 1))
        for number in range(5):
            write(site, line(f"evil{number}.example"))
            wait_until(lambda expected=number: agent.spool.waiting > expected)
    with site.running() as agent:  # another process, later
        site.hub_starts()
        wait_until(lambda: agent.spool.waiting == 0, 30)
    assert hits(site) == {f"evil{number}.example": 1 for number in range(5)}


def test_a_hub_with_another_place_is_followed_to_it(alerting: Site) -> None:
    site = alerting
    write(site, line("evil1.example"))
    site.once()
    body = b'{"error": "restored", "cursor": "of-old"}'
    write(site, line("evil2.example"))
    site.way.faults.add(Fault(FaultKind.STATUS, path="/hits", status=409, body=body, times=1))
    with Agent(site.settings) as agent:
        agent.once()
        # It said "of-old", which it does not know itself: its next answer tells the right one.
        assert agent.spool.waiting == 0
    assert hits(site) == {"evil1.example": 1, "evil2.example": 1}


def test_a_full_spool_keeps_counting_and_says_what_is_lost(alerting: Site) -> None:
    site = alerting
    site.hub_ends()
    at = datetime.now(UTC)
    with site.running(spool_mb=1) as agent:
        wait_until(proved(agent, 1))
        lines = [line(f"evil{n}.example", at=at, noise=f"{n}") for n in range(10)]
        write(site, *lines)
        wait_until(lambda: agent.spool.waiting > 0)
        dice = random.Random(1)
        for _ in range(6):
            noise = dice.randbytes(400_000).hex()
            write(site, line("evil1.example", at=at, noise=noise))
        wait_until(lambda: sum(agent.situation.rates.values()) == 16)
        lost = agent.spool.lost["spool_full"]
        kept = agent.spool.size
        assert lost > 0
        assert kept <= 1 << 20
        site.hub_starts()
        wait_until(lambda: agent.spool.waiting == 0, 30)
    assert sum(hits(site).values()) == 16 - lost
    report = site.once(spool_mb=1)
    assert any("not kept for the hub: spool_full" in f.title for f in report.findings or ())


def test_rates_and_lag_are_told_by_the_engines_clock(alerting: Site) -> None:
    site = alerting
    minute = datetime.now(UTC).replace(second=0, microsecond=0)
    early = minute - timedelta(minutes=2)
    write(site, *(line("evil1.example", at=early) for _ in range(7)))
    write(site, *(line("evil2.example", at=minute) for _ in range(3)))
    write(site, line("vedette-canary-0123456789ab.invalid", at=minute))
    report = site.once()
    epoch = int(minute.timestamp()) // 60
    assert {rate.minute: rate.alerts for rate in report.rates}[epoch - 2] == 7
    assert report.eve is not None
    assert 0 <= report.eve.lag_s < 120
    assert report.eve.last_event_at == minute


def test_a_flood_is_reported_before_the_minute_ends(alerting: Site) -> None:
    site = alerting
    with site.running(rhythm="30s") as agent:
        wait_until(proved(agent, 1))
        time.sleep(1)
        before = site.asked_for("/report")
        write(site, *(line("evil1.example") for _ in range(5_000)))
        wait_until(lambda: site.asked_for("/report") > before, 10)
        wait_until(lambda: sum(hits(site).values()) == 5_000, 20)
    assert site.asked_for("/report") < before + 20


def test_an_agent_that_is_killed_sends_each_alert_once(alerting: Site) -> None:
    site = alerting
    script = "from vedette.cli import main; main()"
    words = [
        *("--hub", site.settings.hub, "--token-file", site.settings.token_file),
        *("--state", site.settings.state, "--socket", site.settings.sensor.socket),
        *("--rules", site.settings.sensor.rules, "--eve", site.settings.sensor.eve),
    ]
    for burst in range(6):
        write(site, *(line(f"evil{burst * 50 + n}.example") for n in range(50)))
        command = [sys.executable, "-c", script, "agent", *words]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            time.sleep(0.45 + 0.12 * burst)
            process.send_signal(signal.SIGKILL)
    site.once()
    assert hits(site) == {f"evil{number}.example": 1 for number in range(300)}
