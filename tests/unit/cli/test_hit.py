"""``vedette hit``: one sensor that cannot be read does not keep the others."""

from __future__ import annotations

import json
from pathlib import Path

from vedette.demo import FEED
from vedette.testing.command import Cli


def test_a_sensor_that_does_not_exist_is_said(cli: Cli) -> None:
    cli("init")
    refused = cli("hit", "read", "nobody", "--json")
    assert refused.code == 2
    assert "no sensor 'nobody'" in refused.json["failed"][0]["error"]


def test_an_eve_that_cannot_be_read_does_not_keep_the_others(cli: Cli, short_path: Path) -> None:
    cli("init")
    (short_path / "good.json").write_text('{"event_type":"stats"}\n')
    (short_path / "bad.json").mkdir()
    for name in ("bad", "good"):
        eve = short_path / f"{name}.json"
        cli("sensor", "add", name, "--socket", "s", "--rules", "r", "--eve", eve)
    done = cli("hit", "read", "--json")
    assert done.code == 8
    assert [(one["sensor"], one["lines"]) for one in done.json["read"]] == [("good", 1)]
    assert [one["exit_code"] for one in done.json["failed"]] == [8]
    assert "good: 1 lines" not in cli("hit", "read", "bad").out


def test_a_hit_says_how_bad_its_sources_call_it(cli: Cli, short_path: Path) -> None:
    cli("init")
    cli("source", "add", "misp-feed", FEED, "--name", "demo")
    cli("source", "pull")
    alert = {
        "timestamp": "2026-11-24T07:00:00.000000+0000",
        "flow_id": 7,
        "event_type": "alert",
        "src_ip": "10.0.0.5",
        "dest_ip": "192.0.2.53",
        "tx_id": 0,
        "alert": {"gid": 1, "signature_id": 1_400_102},
        "dns": {"query": [{"type": "query", "rrname": "update-cdn.example", "rrtype": "A"}]},
    }
    (short_path / "eve.json").write_text(json.dumps(alert) + "\n")
    eve = short_path / "eve.json"
    cli("sensor", "add", "gate", "--socket", "s", "--rules", "r", "--eve", eve)
    cli("hit", "read")
    (hit,) = cli("hit", "list", "--json").json
    level = hit["contexts"][0]["threat_level"]
    assert level in ("high", "medium", "low")
    assert hit["severity"] == level
    assert f"  {level}" in cli("hit", "list").out.splitlines()[0]
