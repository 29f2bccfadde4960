"""The agent as a process of its own: what it needs, what it costs, and that it may be killed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.contract.agent.conftest import NAMES, Site, wait_until

from vedette.sensor.install import RulesDirectory, damaged
from vedette.sensor.wire import State

IDLE_MAX_KB = 60_000
START_MAX_S = 3.0  # on a loaded machine; 0.4 s on an idle one
BARRED = (
    *("chdb", "clickhouse_connect", "numpy", "prometheus_client", "pyarrow", "zmq", "redis"),
    *("starlette", "uvicorn", "xxhash", "sqlite3", "vedette.store", "vedette.misp", "vedette.pool"),
)
SCRIPT = f"""
import sys
class Bar:
    def find_spec(self, name, path=None, target=None):
        if name in {BARRED!r}:
            raise ImportError(f"{{name}} is not installed beside an engine")
sys.meta_path.insert(0, Bar())
from vedette.cli import main
main()
"""


def command(site: Site, *words: str) -> list[str]:
    config = site.path / "agent.toml"
    settings = site.settings
    lines = [
        f'hub = "{settings.hub}"',
        f'token_file = "{settings.token_file}"',
        f'state = "{settings.state}"',
        'rhythm = "5s"',
        'look_every = "1s"',
        "[sensor]",
        *(f'{name} = "{getattr(settings.sensor, name)}"' for name in ("name", "socket", "rules")),
        f'eve = "{settings.sensor.eve}"',
    ]
    config.write_text("\n".join(lines))
    return [sys.executable, "-c", SCRIPT, "agent", *words, "--config", str(config)]


def run(site: Site, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(site, *words), capture_output=True, text=True, timeout=60, check=False
    )


def memory_kb(pid: int, field: str = "VmRSS") -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in text.splitlines() if line.startswith(field)).split()[1])


def test_an_agent_needs_nothing_of_the_hub_and_little_memory(site: Site) -> None:
    site.publish(NAMES)
    began = time.monotonic()
    with subprocess.Popen(command(site), stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            first = process.stderr.readline()
            started_s = time.monotonic() - began
            record = site.ask
            wait_until(
                lambda: (
                    (found := record(lambda hub: hub.store.reports.state_of("gate")))
                    and found.state == "proved"
                ),
                30,
            )
            time.sleep(2)
            idle_kb = memory_kb(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)
    print(f"started in {started_s:.2f} s, idle {idle_kb:,} kB")
    assert process.returncode == 0
    assert "agent.started" in first or "key.pinned" in first
    assert started_s < START_MAX_S
    assert idle_kb < IDLE_MAX_KB


def test_once_says_what_it_did_and_exits_by_it(site: Site) -> None:
    site.publish(NAMES)
    done = run(site, "--once", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["state"] == "proved"
    assert all(isinstance(json.loads(line), dict) for line in done.stderr.splitlines())
    site.hub_ends()
    done = run(site, "--once")
    assert done.returncode == 12
    assert "502" in done.stderr


def test_once_without_a_hub_from_the_first_day_on_exits_as_one_that_is_away(site: Site) -> None:
    site.hub_ends()
    done = run(site, "--once")
    assert (done.returncode, "502" in done.stderr) == (12, True)


def test_status_and_doctor_say_what_is_known_with_and_without_an_agent(site: Site) -> None:
    done = run(site, "status")
    assert done.returncode == 8
    assert "no agent has worked" in done.stderr
    site.publish(NAMES)
    run(site, "--once")
    done = run(site, "status")
    assert done.returncode == 0
    assert "proved" in done.stdout
    assert "generation 1" in done.stdout
    assert "has ended" in done.stdout
    done = run(site, "doctor")
    assert "answers WITHOUT TLS and takes our token" in done.stdout
    assert "key is pinned" in done.stdout
    site.token_file.chmod(0o644)
    done = run(site, "doctor", "--json")
    assert done.returncode == 8
    assert any("chmod" in finding["remedy"] for finding in json.loads(done.stdout))


@pytest.mark.parametrize("seed", range(6))
def test_an_agent_that_is_killed_goes_on_where_it_was(site: Site, seed: int) -> None:
    dice = random.Random(seed)
    site.publish(NAMES)
    number = 1
    for _ in range(3):
        if dice.random() < 0.7:
            number = site.publish([f"name{dice.randrange(10**6)}.example", *NAMES])
        with subprocess.Popen(command(site), stderr=subprocess.DEVNULL) as process:
            time.sleep(0.3 + dice.random() * 0.9)
            os.kill(process.pid, signal.SIGKILL)
        directory = RulesDirectory(site.path / "rules")
        installed = directory.current()
        assert installed is None or not damaged(installed)
        assert list((site.path / "rules").glob("current")) or installed is None
    report = site.once()
    assert (report.state, report.generation) == (State.PROVED, number)
    rules = site.path / "rules"
    assert not [path for path in rules.rglob(".*") if path.name.startswith((".part", ".new-"))]
    left = {path.name.split(".")[1] for path in site.settings.state_dir.rglob(".*.tmp")}
    assert left <= {"holding"}, "an import may be writing that one"
