"""The agent beside the real engines: from a change at the hub to an alert, and all that breaks."""

from __future__ import annotations

import random
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from tests.contract.agent.conftest import NAMES, Site, proved, state, wait_until, why

from vedette.agent.asking import prove_now
from vedette.agent.settings import AgentSettings
from vedette.ruleset.manifest import SetInfo
from vedette.sensor.client import SuricataSocket
from vedette.sensor.install import RulesDirectory, damaged
from vedette.sensor.protocol import Outcome
from vedette.sensor.release import entry_of, file_name
from vedette.sensor.settings import Delivery
from vedette.sensor.traffic import Traffic
from vedette.sensor.wire import State
from vedette.testing.engine import Engine, Live


class Sited(Site):
    live: Live


@pytest.fixture
def site(engine: Engine, short_path: Path) -> Iterator[Sited]:
    rules = short_path / "rules/current/vedette.rules"
    with engine.live(short_path, str(rules)) as live, Sited(short_path, live) as made:
        made.live = live
        made.hub_starts()
        yield made


def agent_settings(site: Site, **changes: Any) -> AgentSettings:
    return msgspec.structs.replace(site.settings, **changes)


def ask(name: str) -> None:
    """Send one DNS query over loopback; nobody answers."""
    question = b"".join(bytes([len(x)]) + x.encode() for x in name.split(".")) + b"\0"
    packet = struct.pack(">6H", 7, 0x100, 1, 0, 0, 0) + question + struct.pack(">2H", 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.sendto(packet, ("127.0.0.1", 53))


def hits(site: Site) -> list[str]:
    records = site.ask(lambda hub: hub.store.fleet.hits(limit=100))
    return [record.observed for record in records for _ in range(record.count)]


def test_a_change_at_the_hub_becomes_an_alert_here_and_a_hit_there(site: Sited) -> None:
    new = f"new-{uuid4()}.example"  # all engines that run hear the same loopback
    site.publish(NAMES)
    with site.running() as agent:
        wait_until(proved(agent, 1), 60)
        site.publish([*NAMES[5:], new])
        wait_until(proved(agent, 2), 30)
        delivered = agent.situation.facts.delivered
        assert delivered is not None
        assert (delivered.how, delivered.added, delivered.removed) == ("delta", 1, 5)
        proof = prove_now(agent_settings(site), Traffic(resolver="127.0.0.1"))
        assert (proof.ok, proof.generation, proof.checks[-1].name) == (True, 2, "traffic")
        ask(f"www.{new}")
        wait_until(lambda: hits(site) == [f"www.{new}"], 30)
        wait_until(lambda: sum(agent.situation.rates.values()) == 1)
        site.announce(1)
        wait_until(proved(agent, 1), 30)
        ask(f"www2.{new}")
        time.sleep(1.5)
        assert hits(site) == [f"www.{new}"], "rolled back, it alerts no more"
        engine_said = agent.situation.report().engine
    assert engine_said.version.startswith(("7.", "8."))
    assert engine_said.uptime_s >= 0


def test_whatever_somebody_breaks_is_seen_within_seconds_and_healed(site: Sited) -> None:
    site.publish(NAMES)
    current = site.path / "rules/current"
    with site.running() as agent:
        wait_until(proved(agent, 1), 60)
        site.hub_ends()  # nothing of this needs a hub

        def seen_and_healed(drifts: int) -> None:
            wait_until(lambda: agent.situation.facts.drifts == drifts, 30)
            wait_until(lambda: state(agent) is State.PROVED, 60)

        info, values = entries(site)
        with SuricataSocket(site.socket) as engine:  # another tool removes entries
            for value in values[:1_500]:
                engine.remove(info.name, info.type, value)
        seen_and_healed(1)
        assert found(site) == len(values)

        rules = current / "vedette.rules"  # somebody switches a rule off, and reloads
        text = rules.read_text()
        rules.write_text("".join(f"# {line}\n" for line in text.splitlines()))
        reload_now(site)
        wait_until(lambda: agent.situation.facts.drifts == 2, 30)
        rules.write_text(text)
        wait_until(lambda: state(agent) is State.PROVED, 90)
        assert found(site) == len(values)

        site.live.kill()  # the engine is started again: it loads what is installed
        wait_until(lambda: state(agent) is State.SILENT, 30)
        site.live.start()
        wait_until(lambda: state(agent) is State.PROVED, 60)
        assert found(site) == len(values)


def entries(site: Sited) -> tuple[SetInfo, list[str]]:
    """Return the set with the names, and its entries as the socket takes them."""
    installed = RulesDirectory(site.path / "rules").current()
    assert installed is not None
    info = max(installed.release.sets, key=lambda info: info.entries)
    lines = (installed.path / file_name(info)).read_bytes().splitlines()
    return info, [entry_of(info, line).datavalue for line in lines]


def found(site: Sited) -> int:
    """How many of them the engine has."""
    info, values = entries(site)
    with SuricataSocket(site.socket) as engine:
        return sum(engine.lookup(info.name, info.type, value) == "found" for value in values)


def reload_now(site: Sited) -> None:
    with SuricataSocket(site.socket, 30) as engine:
        while engine.ask("ruleset-reload-rules").outcome is Outcome.RELOADING:
            time.sleep(0.02)


@pytest.mark.parametrize("seed", range(4))
def test_agent_and_engine_may_be_killed_at_any_instant(site: Sited, seed: int) -> None:
    dice = random.Random(seed)
    number = site.publish(NAMES)
    words = [
        *("--hub", site.settings.hub, "--token-file", site.settings.token_file),
        *("--state", site.settings.state, "--socket", site.settings.sensor.socket),
        *("--rules", site.settings.sensor.rules, "--eve", site.settings.sensor.eve),
    ]
    command = [sys.executable, "-c", "from vedette.cli import main; main()", "agent", *words]
    directory = RulesDirectory(site.path / "rules")
    for _ in range(4):
        number = site.publish([*dice.sample(NAMES, 1_500), f"new-{uuid4()}.example"])
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            time.sleep(0.3 + dice.random())
            if dice.random() < 0.5:
                site.live.kill()
            time.sleep(dice.random() * 0.3)
            process.send_signal(signal.SIGKILL)
        installed = directory.current()
        assert installed is None or not damaged(installed), "an engine that starts finds it whole"
        if site.live.exit_code() is not None:
            site.live.start()
            site.live.wait_started()
    report = site.once()
    assert (report.state, report.generation) == (State.PROVED, number)
    _, values = entries(site)
    assert found(site) == len(values)


UPDATE = """
import io, sys, tarfile, urllib.request
from pathlib import Path
from vedette.sensor.client import SuricataSocket
from vedette.sensor.reload import reload
url, token, directory, sock = sys.argv[1:]
request = urllib.request.Request(url, headers={"Authorization": token})
with tarfile.open(fileobj=io.BytesIO(urllib.request.urlopen(request).read())) as archive:
    for member in archive.getmembers():
        if member.isfile():
            name = Path(member.name).name
            Path(directory, name).write_bytes(archive.extractfile(member).read())
rules = Path(directory, "vedette.rules")
off = Path(directory, "disable.conf")
if off.exists():
    text = rules.read_text()
    rules.write_text(text.replace("\\nalert", "\\n# alert", int(off.read_text())))
with SuricataSocket(Path(sock)) as engine:
    reload(engine, 60)
"""


def test_where_another_tool_installs_it_is_only_asked_to_and_proved(
    engine: Engine, short_path: Path
) -> None:
    theirs = short_path / "theirs"
    theirs.mkdir()
    (theirs / "vedette.rules").write_text("")
    with engine.live(theirs) as live, Sited(short_path, live) as site:
        site.live = live
        site.hub_starts()
        (short_path / "update.py").write_text(UPDATE)
        url = f"{site.settings.hub}/bundle/current/{engine.profile}/vedette.tar.gz"
        token = site.token_file.read_text().split("\n")[0]
        words = (str(short_path / "update.py"), url, token, str(theirs), str(live.socket))
        changes = {
            "delivery": Delivery.SURICATA_UPDATE,
            "update_command": (sys.executable, *words),
        }
        site.publish(NAMES)
        with site.running(**changes) as agent:
            wait_until(proved(agent, 1), 60)
            site.publish([*NAMES, "new.example"])
            wait_until(proved(agent, 2), 60)
            assert not (short_path / "rules").exists(), "nothing is written for the engine"
            (theirs / "disable.conf").write_text("1")
            subprocess.run([sys.executable, *words], check=True)
            wait_until(lambda: state(agent) is State.DRIFTED, 30)
            assert "rules.enabled" in why(agent)
            (theirs / "disable.conf").unlink()
            wait_until(proved(agent, 2), 60)
            proof = prove_now(agent_settings(site, **changes), Traffic(resolver="127.0.0.1"))
            assert (proof.ok, proof.generation, proof.checks[-1].name) == (True, 2, "traffic")
        report = site.once(**{**changes, "update_command": ()})
    assert report.delivery == "suricata-update"
    assert report.state is State.PROVED
