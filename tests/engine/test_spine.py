"""The spine, as an operator drives it: a MISP, a real engine, an alert that knows its context."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
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

pytestmark = pytest.mark.usefixtures("alone_on_loopback")

FEED = Path(__file__).resolve().parents[2] / "src/vedette/demo/feed"


@contextmanager
def watched(engine: Engine, home: Path, cli: Cli) -> Iterator[tuple[Live, FakeMisp]]:
    """A MISP with the demo's events and a live engine, both known to Vedette."""
    rules = home / "rules"
    rules.mkdir()
    (home / "misp.key").write_text(READ_ONLY_KEY)
    (home / "misp.key").chmod(0o600)
    cli("init")
    with FakeMisp() as misp, engine.live(rules, "current/vedette.rules") as live:
        misp.load_feed(FEED)
        cli(
            "source",
            "add",
            "misp",
            misp.url,
            "--key-file",
            "misp.key",
            "--name",
            "misp",
            "--interval",
            "1s",
        )
        cli("sensor", "add", "gate", "--socket", live.socket, "--rules", rules, "--eve", live.eve)
        yield live, misp


def until(what: Callable[[], Any], timeout_s: float = 30) -> Any:
    """The first true answer; the test fails when none comes."""
    deadline = time.monotonic() + timeout_s
    while not (answer := what()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)
    return answer


def add_to_loader_event(misp: FakeMisp, kind: str, value: str) -> None:
    event = next(e for e in misp.state.events.values() if "Loader" in e.info)
    misp.state.add_attribute(event, {"type": kind, "value": value, "to_ids": True})
    misp.state.publish(event)


def test_from_misp_to_an_alert_that_knows_its_context(
    engine: Engine, cli: Cli, short_path: Path
) -> None:
    with watched(engine, short_path, cli) as (live, misp):
        assert cli("source", "pull").code == 0
        assert cli("bundle", "build").code == 0
        (pushed,) = cli("sensor", "push", "--json").json["pushed"]
        assert pushed["proof"]["ok"]
        assert pushed["proof"]["engine"] == ".".join(map(str, engine.version))

        traffic.ask("wWw.UpDaTe-CdN.eXaMpLe")
        traffic.ask("notupdate-cdn.example")
        traffic.ask("sub.panel.relay-node.example")  # below a hostname: that is exact
        traffic.browse("files.update-cdn.example", "/stage2/loader.bin?id=7", "curl/8")
        traffic.browse("files.update-cdn.example", "/other", "curl/8")
        traffic.browse("elsewhere.example", "/stage2/loader.bin?id=7", "curl/8")
        traffic.greet("panel.relay-node.example")
        live.wait_events(3)

        def read() -> list[dict[str, Any]]:
            cli("hit", "read")
            hits: list[dict[str, Any]] = cli("hit", "list", "--json").json
            return hits if {"url", "domain", "hostname"} <= {hit["type"] for hit in hits} else []

        hits = until(read)

    seen = {(hit["type"], hit["observed"], hit["buffer"]) for hit in hits}
    assert seen == {
        ("domain", "www.update-cdn.example", "dns.query"),
        ("domain", "files.update-cdn.example", "http.host"),
        ("url", "files.update-cdn.example/stage2/loader.bin?id=7", "http.host"),
        ("hostname", "panel.relay-node.example", "tls.sni"),
    }
    by_host = next(hit for hit in hits if hit["type"] == "domain" and hit["buffer"] == "http.host")
    assert by_host["count"] == 2
    (context,) = next(hit for hit in hits if hit["buffer"] == "dns.query")["contexts"]
    assert context["source"] == "misp"
    assert context["info"] == "Loader campaign: fake browser updates"
    assert context["tlp"] == "green"
    assert "tlp:green" in context["tags"]
    assert context["url"].startswith(misp.url)


def test_reading_again_counts_nothing_twice(engine: Engine, cli: Cli, short_path: Path) -> None:
    with watched(engine, short_path, cli) as (live, _):
        cli("source", "pull")
        cli("bundle", "build")
        cli("sensor", "push")
        traffic.ask("www.update-cdn.example")
        live.wait_events(1)
        first = cli("hit", "read", "--json").json["read"][0]
        again = cli("hit", "read", "--json").json["read"][0]
        hits = cli("hit", "list", "--json").json
    assert (first["hits"], again["hits"]) == (1, 0)
    assert [hit["count"] for hit in hits] == [1]


def test_context_stands_in_the_alert_itself_where_the_sensor_wants_it(
    suricata8: Engine, cli: Cli, short_path: Path
) -> None:
    with watched(suricata8, short_path, cli) as (live, _):
        settings = json.loads(cli("sensor", "list", "--json").out)[0]["settings"]
        cli("sensor", "remove", "gate")
        cli(
            "sensor",
            "add",
            "gate",
            "--socket",
            settings["socket"],
            "--rules",
            settings["rules"],
            "--eve",
            settings["eve"],
            "--context",
        )
        cli("source", "pull")
        cli("bundle", "build")
        (pushed,) = cli("sensor", "push", "--json").json["pushed"]
        assert pushed["proof"]["target"].endswith("+context")
        assert pushed["proof"]["ok"]
        traffic.ask("www.update-cdn.example")
        (alert, *_) = live.wait_events(1)
        (context,) = alert["alert"]["context"].values()
        assert context["info"] == "Loader campaign: fake browser updates"
        assert context["tlp"] == "green"
        cli("hit", "read")
        (hit, *_) = cli("hit", "list", "--json").json
    assert hit["value"] == "update-cdn.example"


@contextmanager
def running(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """``vedette run`` as a service would have it; its log is JSON in run.log."""
    config = home / "vedette.toml"
    config.write_text(config.read_text().replace('# prove_every = "1m"', 'prove_every = "1s"'))
    with (home / "run.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "vedette", "run", "--json"],
            cwd=home,
            stderr=log,
            env=os.environ.copy(),
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def events(home: Path, name: str) -> list[dict[str, Any]]:
    """What the service logged under a name so far."""
    lines = (home / "run.log").read_text().splitlines()
    return [event for line in lines if (event := json.loads(line))["event"] == name]


def test_run_does_all_of_it_and_follows_changes(engine: Engine, cli: Cli, short_path: Path) -> None:
    with watched(engine, short_path, cli) as (_, misp), running(short_path) as service:

        def proved(generation: int) -> bool:
            proof = cli("sensor", "list", "--json").json[0]["proof"]
            return bool(proof and proof["ok"] and proof["generation"] == generation)

        until(lambda: proved(1))
        traffic.ask("www.update-cdn.example")
        until(lambda: cli("hit", "list", "--json").json)

        add_to_loader_event(misp, "domain", "fresh.example")
        until(lambda: proved(2))
        traffic.ask("fresh.example")
        until(lambda: "fresh.example" in cli("hit", "list").out)

        second = cli("run", "--once")
        assert second.code == 6, "a second Vedette says that the first is there"
        assert "vedette run" in second.err

        service.send_signal(signal.SIGTERM)
        assert service.wait(timeout=15) == 0


def test_run_repairs_an_engine_that_lost_its_generation(
    engine: Engine, cli: Cli, short_path: Path
) -> None:
    with watched(engine, short_path, cli) as (live, _), running(short_path):

        def proof() -> dict[str, Any]:
            found: dict[str, Any] = cli("sensor", "list", "--json").json[0]["proof"] or {}
            return found

        until(lambda: proof().get("ok"))
        (victim,) = list((short_path / "rules/current/").glob("vedette-domain*"))[:1]
        victim.unlink()
        (drift,) = until(lambda: events(short_path, "sensor.drifted"))[:1]
        assert "files" in drift["failed"]
        until(lambda: events(short_path, "sensor.repaired"))
        until(lambda: proof()["ok"])
        assert (short_path / "rules/current" / victim.name).exists()
        traffic.ask("www.update-cdn.example")
        live.wait_events(1)


def test_an_engine_that_is_started_again_is_proved_again(
    engine: Engine, cli: Cli, short_path: Path
) -> None:
    with watched(engine, short_path, cli) as (live, _):
        cli("source", "pull")
        cli("bundle", "build")
        cli("sensor", "push")
        live.kill()
        assert cli("sensor", "prove").code == 8
        live.start()
        live.wait_started()
        assert cli("sensor", "prove").code == 0, "it loaded the generation from its files"


def test_the_demo_tells_its_story(engine: Engine, cli: Cli) -> None:
    told = cli("demo", "--engine", engine.version[0], "--directory", "demo")
    assert told.code == 0, told.err
    assert "an infected client was seen" in told.out
    assert "Loader campaign" in told.out
    assert "Next, with your own MISP" in told.out
    assert "cdn.quiet-harbor.example  listed: quiet-harbor.example" in told.out
    assert "found by a hunt" in told.out
    assert "not published yet when it was last seen" in told.out
    assert "pulled demo-misp: 15 entries from 3 MISP events" in told.out
    assert "github.com  domain: itself a member of cisco_top1000, tranco10k" in told.out
    assert "MISP has 3 sightings from vedette (Sensor team) in 'Loader campaign" in told.out
    assert "MISP has 1 sighting from vedette (Sensor team) in 'Loader: where it" in told.out


def test_a_second_demo_in_the_same_directory_tells_of_itself(engine: Engine, cli: Cli) -> None:
    """Its MISP is another one, and what the first one met is no news."""
    stories = []
    for _ in range(2):
        told = cli("demo", "--engine", engine.version[0], "--directory", "demo", "--json")
        assert told.code == 0, told.err
        stories.append(json.loads(told.out))
    first, second = stories
    began_at = max(hit["last_seen"] for hit in first["hits"])
    for story in stories:
        assert {hit["origin"] for hit in story["hits"]} == {"live"}
        assert [hit["observed"] for hit in story["past"]["hits"]] == ["cdn.quiet-harbor.example"]
    assert all(hit["last_seen"] > began_at for hit in second["hits"] + second["past"]["hits"])
    assert [(one["info"], one["sightings"]) for one in second["told"]] == [
        (one["info"], one["sightings"]) for one in first["told"]
    ]
