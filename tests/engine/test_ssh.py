"""Delivery by ssh to the real engines: a real sshd on loopback in between."""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest

from vedette.errors import SensorError
from vedette.sensor.doctor import diagnose
from vedette.sensor.finding import Severity
from vedette.sensor.held import prove_held
from vedette.sensor.protocol import LINE_MAX, EngineGoneError, Outcome, encode
from vedette.sensor.push import Pushed, push, target_of
from vedette.sensor.reach import engine_of, reached
from vedette.sensor.release import Release
from vedette.sensor.settings import Sensor
from vedette.sensor.ssh_link import Link
from vedette.testing.command import Cli
from vedette.testing.engine import Engine, Live
from vedette.testing.handmade import hand_made
from vedette.testing.sshd import SshServer, missing

NAMES = [f"host{n}.bad.example" for n in range(50)]


def through(server: SshServer, **settings: object) -> Sensor:
    """Return a sensor that is reached through a server."""
    return msgspec.convert(server.way | settings, type=Sensor)


@dataclass
class Desk:
    engine: Engine
    live: Live
    server: SshServer
    path: Path
    sensor: Sensor
    count: int = 0

    def release(self, sets: Mapping[str, Sequence[str]]) -> tuple[Release, dict[str, Path]]:
        self.count += 1
        target = str(self.engine.profile)
        made = hand_made(self.path / f"bundle-{self.count}", self.count, sets, target=target)
        return Release.from_manifest(made.manifest, target), made.sources

    def push(self, sets: Mapping[str, Sequence[str]]) -> Pushed:
        return push(self.sensor, *self.release(sets))


@pytest.fixture
def sshd(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short_path))
    if reason := missing():
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)


@pytest.fixture
def desk(engine: Engine, tmp_path: Path, short_path: Path, sshd: None) -> Iterator[Desk]:
    rules = tmp_path / "there/rules"
    with (
        engine.live(tmp_path, str(rules / "current/vedette.rules")) as live,
        SshServer(short_path / "s") as server,
    ):
        sensor = through(
            server,
            socket=str(live.socket),
            rules=str(rules),
            eve=str(live.eve),
            restart_timeout_s=20,
        )
        yield Desk(engine, live, server, tmp_path, sensor)
        Link(sensor).close()


def ask(name: str) -> None:
    """Send one DNS query over loopback; nobody answers."""
    question = b"".join(bytes([len(x)]) + x.encode() for x in name.split(".")) + b"\0"
    packet = struct.pack(">6H", 7, 0x100, 1, 0, 0, 0) + question + struct.pack(">2H", 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.sendto(packet, ("127.0.0.1", 53))


def test_a_release_is_pushed_changed_alerts_and_is_proved_over_ssh(desk: Desk) -> None:
    assert target_of(desk.sensor).profile is desk.engine.profile
    first = desk.push({"names": NAMES, "ips": ["192.0.2.1"], "file-md5": ["0" * 32]})
    assert (first.how, first.proof.failed) == ("reload", ())
    new = f"new-{uuid4()}.example"
    sets = {"names": [*NAMES[5:], new], "ips": ["192.0.2.1"], "file-md5": ["0" * 32]}
    second = desk.push(sets)
    assert (second.how, second.proof.failed) == ("delta", ())
    ask(new)
    assert len(desk.live.wait_events(1)) == 1
    assert prove_held(desk.sensor).ok


def test_the_longest_command_arrives_whole(desk: Desk) -> None:
    """Two pieces, or two commands in one, would make the engine hang up; a byte more kills 7.0."""
    with reached(desk.sensor) as near, engine_of(near) as engine:
        room = LINE_MAX - len(encode("dataset-lookup", _arguments("")))
        for size in (1, 1000, 2048, room):
            arguments = _arguments("x" * size)
            assert engine.ask("dataset-lookup", arguments).outcome is Outcome.NO_SUCH_SET
        assert len(encode("dataset-lookup", _arguments("x" * room))) == LINE_MAX
        with pytest.raises(SensorError, match="over the engine's"):
            engine.ask("dataset-lookup", _arguments("x" * (room + 1)))
        for _ in range(300):
            assert engine.ask("uptime").ok
    assert desk.live.exit_code() is None


def _arguments(datavalue: str) -> dict[str, str]:
    return {"setname": "none", "settype": "string", "datavalue": datavalue}


def test_how_fast_the_forwarded_socket_is(desk: Desk) -> None:
    desk.push({"names": NAMES})
    with reached(desk.sensor) as near, engine_of(near) as engine:
        times = []
        for n in range(1_000):
            started = time.perf_counter()
            assert engine.add("names", "string", f"bmV3{n:04}") is Outcome.ADDED
            times.append(time.perf_counter() - started)
    times.sort()
    print(
        f"\n{desk.engine.version}: {1000 / sum(times):,.0f} adds/s through ssh,"
        f" p50 {1e6 * times[500]:.0f} µs, p99 {1e6 * times[990]:.0f} µs"
    )
    assert sum(times) < 5


def test_suricata_tests_the_rules_on_its_own_machine(desk: Desk) -> None:
    yaml = str(desk.path / "test.yaml")
    desk.engine.write_yaml(Path(yaml), desk.path)
    test = (str(desk.engine.binary), "-T", "-c", yaml, "-S", "{rules}", "-l", "{tmp}")
    sensor = through(desk.server, **_plain(desk.sensor), test_command=test)
    desk.sensor = sensor
    assert desk.push({"names": NAMES}).proof.ok
    release, sources = desk.release({"names": NAMES[1:]})
    broken = desk.path / "broken.rules"
    broken.write_bytes(sources["vedette.rules"].read_bytes() + b"alert nonsense\n")
    with pytest.raises(SensorError):  # it is not what was published
        push(sensor, release, {**sources, "vedette.rules": broken})
    refusing = through(desk.server, **_plain(sensor), test_command=(*test, "--no-such-option"))
    with pytest.raises(SensorError, match="would not accept generation 2"):
        push(refusing, release, sources)
    assert prove_held(sensor).generation == 1
    assert prove_held(sensor).ok


def _plain(sensor: Sensor) -> dict[str, object]:
    return {"socket": sensor.socket, "rules": sensor.rules, "restart_timeout_s": 20.0}


def test_a_restart_during_a_push_is_waited_for_through_ssh(desk: Desk) -> None:
    release, sources = desk.release({"names": NAMES})
    desk.live.kill()
    with pytest.raises(EngineGoneError, match="on probe") as gone:
        push(desk.sensor, release, sources)
    assert "Generation 1 is installed" in gone.value.hint
    desk.live.start()
    desk.live.wait_started()
    assert push(desk.sensor, release, sources).proof.failed == ()


@pytest.mark.parametrize("after_s", [0.0, 0.05, 0.1, 0.2, 0.4])
def test_cut_off_at_any_time_the_engine_goes_on_and_the_next_push_is_proved(
    desk: Desk, after_s: float
) -> None:
    listed = f"listed-{uuid4()}.example"
    names = [f"host{n}.bad{n % 977}.example" for n in range(20_000)]
    desk.push({"names": [*NAMES, listed]})
    release, sources = desk.release({"names": [*names, listed]})
    cut = desk.server.cut_later(after_s)
    try:
        push(desk.sensor, release, sources)
    except SensorError as error:
        assert error.hint  # noqa: PT017 - it may also have been done before
    cut()
    ask(listed)
    assert len(desk.live.wait_events(1)) == 1
    installed = (Path(desk.sensor.rules) / "current").resolve().name
    assert installed in {"gen-000001", "gen-000002"}
    after = push(desk.sensor, release, sources)
    assert after.proof.failed == ()
    assert prove_held(desk.sensor).generation == 2


def test_the_doctor_looks_through_ssh(desk: Desk) -> None:
    desk.push({"names": NAMES})
    findings = diagnose(desk.sensor)
    errors = [f.title for f in findings if f.severity is Severity.ERROR]
    assert errors == []
    good = [f.title for f in findings if f.severity is Severity.OK]
    assert any("rule-files names" in title for title in good)
    assert any("is reached by ssh as" in title for title in good)


@pytest.mark.usefixtures("alone_on_loopback")
def test_an_operator_has_hits_of_a_sensor_on_which_nothing_is_installed(
    engine: Engine, cli: Cli, short_path: Path, sshd: None
) -> None:
    listed = f"listed-{uuid4()}.example"
    (short_path / "names.txt").write_text(f"{listed}\nother.example\n")
    rules = short_path / "there/rules"
    with (
        SshServer(short_path / "s") as server,
        engine.live(short_path, str(rules / "current/vedette.rules")) as live,
    ):
        cli("init")
        cli("source", "add", "list", "names.txt", "--type", "domain", "--name", "mine")
        way = ["--ssh", "probe", "--ssh-options", f"-F {server.config}"]
        place = ["--socket", live.socket, "--rules", rules, "--eve", live.eve]
        assert cli("sensor", "add", "far", *way, *place).code == 0
        assert cli("source", "pull").code == 0
        assert cli("bundle", "build").code == 0
        (pushed,) = cli("sensor", "push", "--json").json["pushed"]
        assert pushed["proof"]["ok"]
        ask(f"www.{listed}")
        live.wait_events(1)
        cli("hit", "read")
        cli("hit", "read")  # nothing twice
        (hit,) = cli("hit", "list", "--json").json
        assert (hit["observed"], hit["count"]) == (f"www.{listed}", 1)
        assert cli("sensor", "doctor", "far").code == 0
