"""What a sensor's EVE says is joined with what is listed, as the guard judged it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from vedette.config import Settings
from vedette.model import Context, Fetched, Indicator, IndicatorType, Key, RulingKind
from vedette.pipeline.guarding import guard
from vedette.pipeline.hub import Hub
from vedette.pipeline.watching import read_hits
from vedette.store import HitRecord

T = IndicatorType
HOSTNAME_IN_DNS = 1_401_100
"""A sid, as bundles number it by default."""


@pytest.fixture
def eve(tmp_path: Path) -> Path:
    return tmp_path / "eve.json"


@pytest.fixture
def hub(tmp_path: Path, eve: Path) -> Iterator[Hub]:
    with Hub(Settings(home=str(tmp_path))) as opened:
        opened.store.fleet.add_sensor(
            "gate", {"socket": "/run/s.sock", "rules": "/etc/rules", "eve": str(eve)}
        )
        body = msgspec.json.encode({"target": "7.0", "generation": 1, "ok": True})
        opened.store.fleet.add_proof("gate", datetime.now(UTC), 1, True, body)
        yield opened


def lists(hub: Hub, *keys: Key) -> None:
    hub.store.add_source("misp", "list", {}, 900)
    running = hub.store.pull("misp")
    context = Context(key="event-1", info="campaign", threat_level="high")
    for key in keys:
        running.take(Indicator(type=key.type, value=key.value, ref="a1", context=context))
    running.take(Fetched("event-1", "1"))
    running.finish()


def sees(hub: Hub, eve: Path, **event: Any) -> list[HitRecord]:
    """Let the engine write an event, read it, and return all hits."""
    head = {
        "timestamp": "2026-11-24T07:00:00.000000+0000",
        "flow_id": 7,
        "src_ip": "10.0.0.5",
        "src_port": 40000,
        "dest_ip": "192.0.2.53",
        "dest_port": 53,
        "proto": "UDP",
        "tx_id": 0,
    }
    with eve.open("ab") as file:
        file.write(msgspec.json.encode({**head, **event}) + b"\n")
    read_hits(hub, "gate")
    return hub.store.fleet.hits()


def alerts(hub: Hub, eve: Path, name: str) -> list[HitRecord]:
    return sees(
        hub,
        eve,
        event_type="alert",
        alert={"gid": 1, "signature_id": HOSTNAME_IN_DNS},
        dns={"query": [{"type": "query", "rrname": name, "rrtype": "A"}]},
    )


def test_an_alert_on_an_exact_domain_is_a_hit_on_the_domain(hub: Hub, eve: Path) -> None:
    lists(hub, Key(T.DOMAIN, "duckdns.org"))
    guard(hub)
    assert hub.store.published.outcomes([Key(T.DOMAIN, "duckdns.org")]) == {
        Key(T.DOMAIN, "duckdns.org"): "exact"
    }
    (hit,) = alerts(hub, eve, "duckdns.org")
    assert (hit.type, hit.value, hit.origin) == ("domain", "duckdns.org", "live")
    assert (hit.contexts[0]["source"], hit.contexts[0]["ref"]) == ("misp", "a1")


def test_a_sensor_that_still_alerts_on_what_was_allowed_since_tells_its_context(
    hub: Hub, eve: Path
) -> None:
    lists(hub, Key(T.HOSTNAME, "cdn.example"))
    hub.store.rulings.add(RulingKind.ALLOW, "cdn.example", who="ann", why="ours")
    guard(hub)
    assert hub.store.published.counts() == {}
    (hit,) = alerts(hub, eve, "cdn.example")
    assert (hit.value, hit.contexts[0]["info"]) == ("cdn.example", "campaign")


def test_what_is_matched_in_eve_is_no_hit_once_it_is_allowed(hub: Hub, eve: Path) -> None:
    lists(hub, Key(T.EMAIL_SUBJECT, "Overdue invoice"))
    guard(hub)
    mail = {"event_type": "smtp", "email": {"subject": "Overdue invoice", "status": "PARSE_DONE"}}
    (hit,) = sees(hub, eve, **mail)
    assert (hit.origin, hit.count) == ("eve", 1)
    hub.store.rulings.add(
        RulingKind.ALLOW, "Overdue invoice", type="email-subject", who="ann", why="our tests"
    )
    guard(hub)
    (hit,) = sees(hub, eve, **mail)
    assert hit.count == 1
