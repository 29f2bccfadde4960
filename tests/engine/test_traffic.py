"""One DNS query for the canary's name: its alert proves the chain from the wire to eve.json."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from vedette.errors import SensorError
from vedette.sensor.client import SuricataSocket
from vedette.sensor.drift import Watch
from vedette.sensor.held import prove_held
from vedette.sensor.proof import Check
from vedette.sensor.push import push
from vedette.sensor.release import Release
from vedette.sensor.settings import Sensor
from vedette.sensor.ssh_link import Link
from vedette.sensor.traffic import NAME, Traffic
from vedette.testing.engine import Engine, Live
from vedette.testing.handmade import hand_made
from vedette.testing.sshd import SshServer, missing

HERE = Traffic(resolver="127.0.0.1", timeout_s=10)
SOON = Traffic(resolver="127.0.0.1", timeout_s=1)


class Desk:
    """A live engine that holds a generation."""

    def __init__(self, engine: Engine, live: Live, path: Path) -> None:
        self.live, self.rules = live, path / "rules"
        self.sensor = Sensor(
            name="probe", socket=str(live.socket), rules=str(self.rules), eve=str(live.eve)
        )
        target = str(engine.profile)
        # The path makes the canary one of its own: all engines hear the same loopback.
        made = hand_made(path / "bundle", 1, {"names": [f"{path.name}.example"]}, target=target)
        release = Release.from_manifest(made.manifest, target)
        assert push(self.sensor, release, made.sources).proof.ok

    def prove(self, traffic: Traffic) -> Check:
        proof = prove_held(self.sensor, traffic=traffic)
        check = next(check for check in proof.checks if check.name == NAME)
        assert proof.ok == (not proof.failed)
        assert check.kind == "direct"
        return check


@pytest.fixture
def desk(engine: Engine, tmp_path: Path) -> Iterator[Desk]:
    with engine.live(tmp_path, str(tmp_path / "rules/current/vedette.rules")) as live:
        yield Desk(engine, live, tmp_path)


@pytest.mark.parametrize(
    "traffic",
    [HERE, Traffic(interface="lo"), Traffic(resolver="127.0.0.1", interface="lo")],
    ids=["to a resolver", "onto an interface", "to a resolver by an interface"],
)
def test_a_query_is_an_alert_within_a_second(desk: Desk, traffic: Traffic) -> None:
    check = desk.prove(traffic)
    assert check.ok, check.detail
    took = float(check.got.removeprefix("after ").removesuffix(" s"))
    assert 0 < took < 5
    assert ".invalid, sent " in check.expected


def test_it_is_asked_for_anew_each_time(desk: Desk) -> None:
    assert all(desk.prove(HERE).ok for _ in range(3))
    assert len(desk.live.events()) == 3


def test_a_lost_set_is_named(desk: Desk) -> None:
    with SuricataSocket(desk.live.socket) as engine:
        engine.ask("dataset-clear", {"setname": "names", "settype": "string"})
    check = desk.prove(SOON)
    assert (check.ok, check.got) == (False, "none in 1 s")
    assert "does not hold the canary (not found)" in check.detail


def test_a_suppressed_rule_is_told_from_a_lost_one(engine: Engine, tmp_path: Path) -> None:
    threshold = tmp_path / "threshold.config"
    threshold.write_text("suppress gen_id 1, sig_id 7000000\n")
    arguments = ["--set", f"threshold-file={threshold}"]
    entry = str(tmp_path / "rules/current/vedette.rules")
    with engine.live(tmp_path, entry, arguments=arguments) as live:
        yaml = live.path / "suricata.yaml"
        lines = yaml.read_text().splitlines()
        yaml.write_text(
            "\n".join(
                f"threshold-file: {threshold}" if line.startswith("threshold-file") else line
                for line in lines
            )
        )
        desk = Desk(engine, live, tmp_path)
        check = desk.prove(Traffic(resolver="127.0.0.1", timeout_s=2))
    assert not check.ok
    assert "saw the query and wrote it to EVE, but no alert" in check.detail
    assert "threshold.config" in check.detail


def test_another_eve_json_is_not_silently_taken_for_the_right_one(
    desk: Desk, tmp_path: Path
) -> None:
    (tmp_path / "other.json").write_text("")
    desk.sensor = Sensor(
        name="probe",
        socket=str(desk.live.socket),
        rules=str(desk.rules),
        eve=str(tmp_path / "other.json"),
    )
    # It counts packets once a second.
    check = desk.prove(Traffic(resolver="127.0.0.1", timeout_s=3))
    assert not check.ok
    assert "saw packets meanwhile (on lo)" in check.detail
    assert "not the eve.json that this engine writes" in check.detail


def test_over_ssh_it_is_sent_and_seen_on_the_machine_of_the_sensor(
    engine: Engine, tmp_path: Path, short_path: Path
) -> None:
    if reason := missing():
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    rules = tmp_path / "there/rules"
    with (
        engine.live(tmp_path, str(rules / "current/vedette.rules")) as live,
        SshServer(short_path / "s") as server,
    ):
        settings = {"socket": str(live.socket), "rules": str(rules), "eve": str(live.eve)}
        sensor = msgspec.convert(server.way | settings, type=Sensor)
        target = str(engine.profile)
        made = hand_made(tmp_path / "bundle", 1, {"names": [f"{tmp_path.name}.x"]}, target=target)
        release = Release.from_manifest(made.manifest, target)
        try:
            pushed = push(sensor, release, made.sources, hub="one")
            assert pushed.proof.ok
            with pytest.raises(SensorError, match="belongs to another hub"):
                push(sensor, release, made.sources, hub="two")
            check = prove_held(sensor, traffic=HERE).checks[-1]
            assert (check.name, check.ok) == (NAME, True), check.detail
            watch = Watch(sensor)
            assert watch.full().ok
            assert not watch.look().changed
            file = rules / "current/names.lst"
            file.write_bytes(file.read_bytes() + b"YQ==\n")
            assert watch.look().why == "names.lst: changed or gone"
            assert [check.name for check in watch.full().failed] == ["files"]
        finally:
            Link(sensor).close()
