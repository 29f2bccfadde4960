"""Rules that collect, on both engines and their unmodified suricata.yaml."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from vedette.bundle import Builder, latest
from vedette.hits import HitReader
from vedette.model import IndicatorType, Key
from vedette.observe import new_fold
from vedette.ruleset.collect import COLLECT_SIDS, COLLECTABLE, Collect
from vedette.ruleset.engine import Target
from vedette.testing.capture import Capture, dns_query
from vedette.testing.engine import Engine
from vedette.testing.indicators import ListedKeys

pytestmark = pytest.mark.engine
BASE = 1_400_000


def install(engine: Engine, root: Path, collect: Collect) -> Path:
    keys = ListedKeys([Key(IndicatorType.DOMAIN, "evil.example")])
    target = Target(engine.profile)
    Builder(root=root / "bundles", targets=(target,), collect=collect).build(keys)
    generation = latest(root / "bundles")
    assert generation is not None
    generation.flatten(str(target), root / "rules")
    return root / "rules"


def collected(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        event
        for event in events
        if event["event_type"] == "alert" and event["alert"]["signature_id"] - BASE in COLLECT_SIDS
    ]


def test_all_of_them_load_without_a_word(engine: Engine, tmp_path: Path) -> None:
    rules = install(engine, tmp_path, Collect(tuple(COLLECTABLE)))
    result = engine.check(rules)
    assert (result.rc, result.warnings, result.errors) == (0, [], [])


def test_a_value_alerts_when_the_engine_sees_it_first_and_never_again(
    engine: Engine, tmp_path: Path
) -> None:
    rules = install(engine, tmp_path, Collect(("dns.query", "http.host")))
    capture = Capture()
    names = ["a.example", "b.example", "A.EXAMPLE", "a.example", "c.example", "b.example"]
    for name in names:
        capture.udp(dns_query(name))
    for _ in range(2):
        connection = capture.tcp()
        connection.send(b"GET / HTTP/1.1\r\nHost: web.example\r\n\r\n")
        connection.reply(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        connection.close()
    events = engine.run_pcap(capture.write(tmp_path / "x.pcap"), rules)
    alerts = collected(events)
    seen = Counter(alert["alert"]["metadata"]["vedette_collect"][0] for alert in alerts)
    assert seen == {"dns.query": 3, "http.host": 1}


def test_the_pool_keeps_what_the_alerts_say(engine: Engine, tmp_path: Path) -> None:
    rules = install(engine, tmp_path, Collect(("dns.query", "http.host", "http.user_agent")))
    capture = Capture()
    capture.udp(dns_query("A.example"))
    connection = capture.tcp()
    connection.send(b"GET / HTTP/1.1\r\nHost: web.example\r\nUser-Agent: Agent/1\r\n\r\n")
    connection.reply(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    connection.close()
    alerts = collected(engine.run_pcap(capture.write(tmp_path / "x.pcap"), rules))
    fold = new_fold()
    fold.add(b"".join(msgspec.json.encode(event) + b"\n" for event in alerts))
    rows = fold.take().observations.to_pylist()
    assert [(row["field"], row["value"], row["client"], row["server"]) for row in rows] == [
        ("dns.query", "a.example", "10.0.0.5", "10.0.0.53"),
        ("http.host", "web.example", "10.0.0.5", "192.0.2.80"),
        ("http.user_agent", "Agent/1", "10.0.0.5", "192.0.2.80"),
    ]


def test_over_its_room_the_engine_forgets_and_alerts_again(engine: Engine, tmp_path: Path) -> None:
    """The limit that the documentation names; the pool counts such a value as seen before."""
    rules = install(engine, tmp_path, Collect(("dns.query",), entries=1_000))
    capture = Capture()
    for client in ("10.0.0.5", "10.0.1.5"):
        capture.next_port = 30_000
        for number in range(30_000):
            capture.udp(dns_query(f"n{number}.example"), client=client)
    alerts = collected(engine.run_pcap(capture.write(tmp_path / "x.pcap"), rules))
    assert len(alerts) > 30_000


def test_they_are_counted_and_are_no_hits(engine: Engine, tmp_path: Path) -> None:
    rules = install(engine, tmp_path, Collect(("dns.query",)))
    capture = Capture()
    for name in ("good.example", "www.evil.example"):
        capture.udp(dns_query(name))
    events = engine.run_pcap(capture.write(tmp_path / "x.pcap"), rules)
    data = b"".join(msgspec.json.encode(event) + b"\n" for event in events)
    listed = Key(IndicatorType.DOMAIN, "evil.example")
    findings = HitReader("s1", BASE, lambda keys: {k: [] for k in keys if k == listed}).read(data)
    assert findings.counts["collected"] == 2
    assert [(joined.hit.observed, joined.hit.count) for joined in findings.hits] == [
        ("www.evil.example", 1)
    ]
