"""Push and proof on the real engines, on loopback."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from vedette.errors import SensorError
from vedette.sensor.client import SuricataSocket
from vedette.sensor.protocol import Outcome
from vedette.sensor.push import Pushed, push
from vedette.sensor.release import Release
from vedette.sensor.settings import Sensor
from vedette.testing.engine import Engine, Live
from vedette.testing.handmade import hand_made

NAMES = [f"host{n}.example" for n in range(2000)]


@dataclass
class Desk:
    engine: Engine
    live: Live
    path: Path
    sensor: Sensor
    count: int = 0

    @property
    def target(self) -> str:
        return str(self.engine.profile)

    def push(
        self, sets: Mapping[str, Sequence[str]], memcap_mb: int = 10, hashsize: int = 1024
    ) -> Pushed:
        self.count += 1
        made = hand_made(
            self.path / f"bundle-{self.count}",
            self.count,
            sets,
            target=self.target,
            memcap_mb=memcap_mb,
            hashsize=hashsize,
        )
        return push(self.sensor, Release.from_manifest(made.manifest, self.target), made.sources)

    def ask(self, name: str) -> None:
        """Send one DNS query over loopback; nobody answers."""
        question = b"".join(bytes([len(x)]) + x.encode() for x in name.split(".")) + b"\0"
        packet = struct.pack(">6H", 7, 0x100, 1, 0, 0, 0) + question + struct.pack(">2H", 1, 1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.sendto(packet, ("127.0.0.1", 53))


@pytest.fixture
def desk(engine: Engine, tmp_path: Path) -> Iterator[Desk]:
    rules = tmp_path / "rules"
    with engine.live(tmp_path, str(rules / "current/vedette.rules")) as live:
        sensor = Sensor(
            name="probe", socket=str(live.socket), rules=str(rules), restart_timeout_s=20
        )
        yield Desk(engine, live, tmp_path, sensor)


def results(pushed: Pushed) -> dict[str, str]:
    return {check.name: check.got for check in pushed.proof.checks}


def test_a_release_is_pushed_changed_and_taken_back_and_each_time_proved(desk: Desk) -> None:
    sets = {"names": NAMES, "ips": ["192.0.2.1", "2001:db8::1"], "file-md5": ["0" * 32]}
    first = desk.push(sets)
    assert (first.how, first.proof.failed) == ("reload", ())
    assert first.proof.engine == ".".join(map(str, desk.engine.version))

    second = desk.push({**sets, "names": [*NAMES[5:], "new.example"], "ips": ["192.0.2.9"]})
    assert (second.how, second.proof.failed) == ("delta", ())
    assert (second.added, second.removed) == (2, 7)
    assert results(second)["names.canary-before"] == "not found"
    assert results(second)["ips.removed"] == "0 still there"

    third = desk.push({**sets, "file-md5": ["1" * 32]})
    assert (third.how, third.proof.failed) == ("reload", ())
    again = desk.push({**sets, "file-md5": ["1" * 32]})
    assert (again.how, again.proof.failed) == ("nothing", ())


def test_what_was_added_over_the_socket_alerts_and_what_was_removed_does_not(desk: Desk) -> None:
    # Names of our own: all engines that run at the same time hear the same loopback.
    old, new = f"old-{uuid4()}.example", f"new-{uuid4()}.example"
    desk.push({"names": [*NAMES, old]})
    assert desk.push({"names": [*NAMES, new]}).how == "delta"
    desk.ask(old)
    desk.ask(new.upper())
    alerts = desk.live.wait_events(1)
    time.sleep(0.3)
    assert len(desk.live.events()) == 1
    query = alerts[0]["dns"].get("queries") or alerts[0]["dns"]["query"]
    assert query[0]["rrname"] == new.upper()


def test_a_delta_survives_a_reload_and_a_restart(desk: Desk) -> None:
    desk.push({"names": NAMES})
    release = {"names": [*NAMES[1:], "new.example"]}
    assert desk.push(release).how == "delta"
    with SuricataSocket(desk.live.socket) as engine:
        while engine.ask("ruleset-reload-rules").outcome is Outcome.RELOADING:
            time.sleep(0.02)
    after_reload = desk.push(release)
    assert (after_reload.how, after_reload.proof.failed) == ("nothing", ())
    desk.live.kill()
    desk.live.start()
    desk.live.wait_started()
    after_restart = desk.push(release)
    assert (after_restart.how, after_restart.proof.failed) == ("nothing", ())


def test_context_travels_in_the_alert(suricata8: Engine, tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    with suricata8.live(tmp_path, str(rules / "current/vedette.rules")) as live:
        sensor = Sensor(name="probe", socket=str(live.socket), rules=str(rules))
        desk = Desk(suricata8, live, tmp_path, sensor)
        new = f"{uuid4()}.example"
        desk.push({"names-ctx": NAMES})
        pushed = desk.push({"names-ctx": [*NAMES[1:], new]})
        assert (pushed.how, pushed.proof.failed) == ("delta", ())
        desk.ask(new)
        alert = live.wait_events(1)[0]["alert"]
        assert alert["context"]["vedette"] == {"v": new, "id": len(new)}


@pytest.mark.timeout(300)
def test_a_thousand_changes_in_a_million_are_live_and_proved_within_a_second(desk: Desk) -> None:
    million = [f"host{n}.bad{n % 977}.example" for n in range(1_000_000)]
    first = desk.push({"names": million}, memcap_mb=200, hashsize=65536)
    assert (first.how, first.proof.failed) == ("reload", ())
    changed = [*million[500:], *(f"new{n}.example" for n in range(500))]
    pushed = desk.push({"names": changed}, memcap_mb=200, hashsize=65536)
    assert (pushed.how, pushed.proof.failed) == ("delta", ())
    assert (pushed.added, pushed.removed) == (500, 500)
    print(
        f"\n{desk.engine.version}: 1 M by reload {first.live_s} s (install {first.install_s} s);"
        f" 1,000 changes {pushed.live_s} s (install {pushed.install_s} s)"
    )
    assert pushed.live_s < 1


def test_an_engine_that_cannot_reload_says_so(engine: Engine, tmp_path: Path) -> None:
    fixed = tmp_path / "fixed.rules"
    fixed.write_text("")
    with engine.live(tmp_path, arguments=["-S", str(fixed)]) as live:
        sensor = Sensor(name="probe", socket=str(live.socket), rules=str(tmp_path / "rules"))
        desk = Desk(engine, live, tmp_path, sensor)
        with pytest.raises(SensorError, match="started with -S"):
            desk.push({"names": NAMES})
