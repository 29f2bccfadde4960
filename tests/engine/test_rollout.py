"""A generation that floods a real engine with alerts is stopped by itself, and never spreads."""

from __future__ import annotations

import json
import os
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
from vedette.testing.engine import Engine
from vedette.testing.fake_suricata import FakeSuricata

pytestmark = [pytest.mark.usefixtures("alone_on_loopback"), pytest.mark.timeout(200)]

LIMIT = 20


def until(what: Callable[[], Any], timeout_s: float = 30) -> Any:
    """The first true answer; the test fails when none comes."""
    deadline = time.monotonic() + timeout_s
    while not (answer := what()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)
    return answer


@contextmanager
def running(home: Path) -> Iterator[None]:
    """``vedette run`` as a service would have it; its log is JSON in run.log."""
    with (home / "run.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "vedette", "run", "--json"],
            cwd=home,
            stderr=log,
            env=os.environ.copy(),
        )
    try:
        yield
    finally:
        process.kill()
        process.wait()


def test_a_flood_on_the_canary_is_rolled_back_before_the_others_got_it(
    suricata8: Engine, cli: Cli, short_path: Path
) -> None:
    (short_path / "vedette.toml").write_text(
        f'[rollout]\nsoak = "10m"\nalerts_per_minute = {LIMIT}\n[pool]\nenabled = false\n'
        '[run]\ninterval = "1s"\n'
    )
    listed, rules = short_path / "list.txt", short_path / "rules"
    listed.write_text("quiet.example\n")
    rules.mkdir()
    cli("source", "add", "list", listed, "--type", "domain", "--name", "l", "--interval", "1s")

    def sensors() -> dict[str, dict[str, Any]]:
        return {one["name"]: one for one in cli("sensor", "list", "--json").json}

    def hold(name: str, generation: int) -> bool:
        one = sensors()[name]
        return bool(one["state"] == "proved" and one["generation"] == generation)

    other = FakeSuricata(short_path / "o.sock", short_path / "other/current/vedette.rules")
    with suricata8.live(rules, "current/vedette.rules") as live, other:
        cli("sensor", "add", "other", "--socket", "o.sock", "--rules", "other")
        cli("source", "pull")
        cli("bundle", "build")
        gate = ("--socket", live.socket, "--rules", rules, "--eve", live.eve)
        cli("sensor", "add", "gate", *gate, "--ring", "canary")
        with running(short_path):
            until(lambda: hold("gate", 1) and hold("other", 1))
            listed.write_text("quiet.example\nnoisy.example\n")
            until(lambda: hold("gate", 2))
            assert hold("other", 1)
            time.sleep(61 - time.time() % 60)  # only whole minutes after the proof count
            flooded_at = time.monotonic()
            for _ in range(3 * LIMIT):
                traffic.ask("www.noisy.example")
            until(lambda: hold("gate", 1))
            took_s = time.monotonic() - flooded_at
            shown = cli("rollout", "show", "--json").json
    assert took_s < 20
    assert (shown["state"], shown["held"], shown["told"]) == ("stopped", True, 1)
    assert "alerts a minute on gate, limit 20" in shown["why"]
    assert shown["noisiest"][0]["value"] == "noisy.example"
    log = [json.loads(line) for line in (short_path / "run.log").read_text().splitlines()]
    pushes = [(one["sensor"], one["ok"]) for one in log if one["event"] == "sensor.pushed"]
    assert pushes.count(("gate", True)) == 3, "1, 2 and back to 1"
    assert pushes.count(("other", True)) == 1, "the noisy one never came there"
