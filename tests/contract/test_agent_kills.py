"""Alerts of an agent count once, whichever process is killed at whichever moment."""

from __future__ import annotations

import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from vedette.config import ServeSettings, Settings
from vedette.pipeline.hub import Hub
from vedette.pipeline.pulling import pull
from vedette.store.tokens import Scope

HOSTNAME_IN_DNS = 1_401_100
BATCHES, ALERTS, KILLS = 80, 25, 6
HUB = """
import sys
import msgspec
from vedette.config import Settings
from vedette.web.running import Service
Service(msgspec.json.decode(sys.argv[1], type=Settings)).run()
"""
AGENT = """
import sys, time, json, os
import httpx2
url, token, folder = sys.argv[1:]
batches = json.load(open(f"{folder}/batches.json"))
ends = [end for end, _ in batches]
at = int(open(f"{folder}/at").read()) if os.path.exists(f"{folder}/at") else 0
client = httpx2.Client(headers={"Authorization": f"Bearer {token}"}, timeout=10)
while at < len(batches):
    end, lines = batches[at]
    headers = {"Content-Type": "application/x-ndjson", "X-Vedette-To": end,
               "X-Vedette-From": ends[at - 1] if at else ""}
    try:
        answer = client.post(f"{url}/agent/v1/hits", content=lines, headers=headers)
    except httpx2.TransportError:
        time.sleep(0.05)
        continue
    if answer.status_code in (200, 409):
        cursor = answer.json()["cursor"]
        at = ends.index(cursor) + 1 if cursor else 0
        time.sleep(0.02)  # most kills come here: counted there, not noted here
        with open(f"{folder}/at.new", "w") as file:
            file.write(str(at))
        os.replace(f"{folder}/at.new", f"{folder}/at")
    else:
        time.sleep(0.1)
"""


class Started:
    """A process that is started again whenever it was killed."""

    def __init__(self, command: list[str]) -> None:
        self._command = command
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def again(self) -> None:
        self.process = subprocess.Popen(self._command, stderr=subprocess.DEVNULL)

    def until(self, met: Callable[[], bool], timeout_s: float = 60) -> None:
        deadline = time.monotonic() + timeout_s
        while not met():
            assert time.monotonic() < deadline
            time.sleep(0.02)


def alert(name: str, flow: int) -> str:
    event = {
        "timestamp": "2026-11-24T07:00:00.000000+0000",
        "flow_id": flow,
        "tx_id": 0,
        "event_type": "alert",
        "src_ip": "10.0.0.5",
        "dest_ip": "192.0.2.53",
        "alert": {"gid": 1, "signature_id": HOSTNAME_IN_DNS},
        "dns": {"query": [{"rrname": name}]},
    }
    return msgspec.json.encode(event).decode() + "\n"


def is_answering(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.timeout(180)
@pytest.mark.parametrize("seed", [1, 2])
def test_alerts_count_once_whoever_is_killed(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    names = [f"name-{number}.example" for number in range(10)]
    (tmp_path / "list.txt").write_text("".join(f"{name}\n" for name in names))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    serve = ServeSettings(listen=f"127.0.0.1:{port}")
    settings = Settings(home=str(tmp_path), serve=serve)
    with Hub(settings) as hub:
        listed = {"location": str(tmp_path / "list.txt"), "type": "domain", "format": "lines"}
        hub.store.add_source("list", "list", listed, 900)
        pull(hub, "list")
        hub.store.fleet.add_sensor("gate", {"delivery": "agent"})
        token = hub.store.tokens.add("gate", set(Scope), by="test", now=int(time.time()))
    sent: dict[str, int] = dict.fromkeys(names, 0)
    batches = []
    for number in range(BATCHES):
        chosen = [rng.choice(names) for _ in range(ALERTS)]
        for name in chosen:
            sent[name] += 1
        lines = "".join(alert(name, 1000 * number + flow) for flow, name in enumerate(chosen))
        batches.append((f"place-{number}", lines))
    (tmp_path / "batches.json").write_bytes(msgspec.json.encode(batches))
    place = tmp_path / "at"

    def done() -> int:
        return int(place.read_text()) if place.exists() else 0

    config = msgspec.json.encode(settings).decode()
    server = Started([sys.executable, "-c", HUB, config])
    server.until(lambda: is_answering(port))
    agent = Started([sys.executable, "-c", AGENT, f"http://127.0.0.1:{port}", token, str(tmp_path)])
    try:
        for kill in range(1, KILLS + 1):
            agent.until(lambda: done() >= kill * BATCHES // (KILLS + 2))  # noqa: B023
            time.sleep(rng.uniform(0, 0.03))
            for one in rng.choice(([server], [agent], [server, agent])):
                assert one.process.poll() is None
                one.kill()
                one.again()
        agent.until(lambda: agent.process.poll() == 0, 90)
    finally:
        agent.kill()
        server.kill()
    assert done() == BATCHES
    with Hub(settings) as hub:
        assert {hit.value: hit.count for hit in hub.store.fleet.hits()} == sent
        assert hub.store.fleet.counters("gate")["hit"] == BATCHES * ALERTS
