"""Threat levels in MISP become priorities in the alerts of real engines, and follow the event."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from vedette.demo import traffic
from vedette.testing.command import Cli
from vedette.testing.engine import Engine, Live
from vedette.testing.fake_misp import READ_ONLY_KEY, FakeMisp
from vedette.testing.fake_misp.model import FakeEvent

pytestmark = pytest.mark.usefixtures("alone_on_loopback")

LEVELS = {"high": "1", "medium": "2", "low": "3", "undefined": "4"}
SEVERITIES = {
    # A domain's rule has priority 1 otherwise, a user agent's 3.
    "high.example": 1,
    "medium.example": 1,
    "low.example": 3,
    "undefined.example": 1,
    "agent-high": 1,
    "agent-medium": 3,
    "agent-low": 3,
    "agent-undefined": 3,
}


def fill(misp: FakeMisp) -> dict[str, FakeEvent]:
    """One event of each level: a domain, a URL and a user agent."""
    events = {}
    for name, number in LEVELS.items():
        event = misp.state.add_event({"info": f"event {name}", "threat_level_id": number})
        values = {
            "domain": f"{name}.example",
            "url": f"http://url-{name}.example/{name}",
            "user-agent": f"agent-{name}",
        }
        for kind, value in values.items():
            misp.state.add_attribute(event, {"type": kind, "value": value, "to_ids": True})
        misp.state.publish(event)
        events[name] = event
    return events


@contextmanager
def watched(
    engine: Engine, home: Path, cli: Cli, *options: str
) -> Iterator[tuple[Live, FakeMisp, dict[str, FakeEvent]]]:
    rules = home / "rules"
    rules.mkdir()
    (home / "misp.key").write_text(READ_ONLY_KEY)
    (home / "misp.key").chmod(0o600)
    cli("init")
    settings = home / "vedette.toml"
    wanted = settings.read_text().replace("# priorities = false", "priorities = true")
    assert "\npriorities = true\n" in wanted
    settings.write_text(wanted)
    with FakeMisp() as misp, engine.live(rules, "current/vedette.rules") as live:
        events = fill(misp)
        add = ("source", "add", "misp", misp.url, "--key-file", "misp.key", "--name", "misp")
        assert cli(*add).code == 0
        where = ("--socket", live.socket, "--rules", rules, "--eve", live.eve)
        assert cli("sensor", "add", "gate", *where, *options).code == 0
        yield live, misp, events


def publish(cli: Cli) -> dict[str, Any]:
    assert cli("source", "pull").code == 0
    assert cli("bundle", "build").code == 0
    (pushed,) = cli("sensor", "push", "--json").json["pushed"]
    assert pushed["proof"]["ok"]
    found: dict[str, Any] = pushed
    return found


def until(what: Callable[[], Any], timeout_s: float = 30) -> Any:
    """The first true answer; the test fails when none comes."""
    deadline = time.monotonic() + timeout_s
    while not (answer := what()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)
    return answer


def severity_of(alert: dict[str, Any]) -> int:
    severity: int = alert["alert"]["severity"]
    return severity


def severities(live: Live) -> dict[str, int]:
    """By what the alert's rule compared; the last one of each."""
    found = {}
    for alert in live.events():
        http, dns = alert.get("http", {}), json.dumps(alert.get("dns", {}))
        if "(http.user_agent)" in alert["alert"]["signature"]:
            found[http["http_user_agent"]] = severity_of(alert)
        elif "(dns.query)" in alert["alert"]["signature"]:
            found |= {name: severity_of(alert) for name in SEVERITIES if name in dns}
    return found


@pytest.mark.parametrize("way", ["plain", "context"])
def test_the_level_of_an_event_is_the_severity_of_its_alerts(
    engine: Engine, cli: Cli, short_path: Path, way: str
) -> None:
    if way == "context" and engine.version[0] < 8:
        pytest.skip("7.0 has no JSON datasets")
    options = ("--context",) if way == "context" else ()
    with watched(engine, short_path, cli, *options) as (live, _, _):
        publish(cli)
        for level in LEVELS:
            traffic.ask(f"{level}.example")
            traffic.browse(f"url-{level}.example", f"/{level}", f"agent-{level}")
        until(lambda: len(severities(live)) == len(SEVERITIES))
        assert severities(live) == SEVERITIES
        cli("hit", "read")
        hits = cli("hit", "list", "--json").json
    assert {(hit["type"], hit["value"]) for hit in hits} == {
        *(("domain", f"{level}.example") for level in LEVELS),
        *(("user-agent", f"agent-{level}") for level in LEVELS),
        *(("url", f"url-{level}.example/{level}") for level in LEVELS),
    }
    for hit in hits:
        (context,) = hit["contexts"]
        assert hit["count"] == 1
        assert context["info"].removeprefix("event ") in hit["value"]


def test_a_path_of_one_level_does_not_arm_the_hosts_of_another(
    engine: Engine, cli: Cli, short_path: Path
) -> None:
    with watched(engine, short_path, cli) as (live, _, _):
        publish(cli)
        traffic.browse("url-high.example", "/low", "curl/8")
        traffic.browse("url-low.example", "/low", "curl/8")
        traffic.ask("high.example")
        until(lambda: "high.example" in severities(live))
        urls = [a for a in live.events() if "VEDETTE url" in a["alert"]["signature"]]
    assert [(a["http"]["hostname"], severity_of(a)) for a in urls] == [("url-low.example", 3)]


def test_an_indicator_follows_the_level_of_its_event(
    engine: Engine, cli: Cli, short_path: Path
) -> None:
    with watched(engine, short_path, cli) as (live, misp, events):
        publish(cli)
        traffic.ask("low.example")
        until(lambda: severities(live).get("low.example") == 3)
        misp.state.edit_event(events["low"], {"threat_level_id": "1"})
        misp.state.publish(events["low"])
        pushed = publish(cli)
        traffic.ask("low.example")
        until(lambda: severities(live).get("low.example") == 1)
        cli("hit", "read")
        (hit,) = cli("hit", "list", "--json").json
    assert pushed["proof"]["generation"] == 2
    assert (hit["value"], hit["count"]) == ("low.example", 2)
    files = {path.name for path in (short_path / "state/bundles/current/datasets").iterdir()}
    assert "vedette-url-path-high.lst" in files
    assert not [name for name in files if "-low" in name]
