"""The doctor on real engines with their shipped suricata.yaml."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from vedette.errors import SensorError
from vedette.sensor.client import SuricataSocket
from vedette.sensor.doctor import Severity, diagnose
from vedette.sensor.reload import reload
from vedette.sensor.settings import Sensor
from vedette.testing.engine import Engine, Live


def sensor_on(live: Live, path: Path) -> Sensor:
    return Sensor(name="probe", socket=str(live.socket), rules=str(path / "rules"))


def titles(live: Live, path: Path, severity: Severity) -> list[str]:
    return [f.title for f in diagnose(sensor_on(live, path)) if f.severity is severity]


def test_the_shipped_yaml_needs_only_the_rules_file(engine: Engine, tmp_path: Path) -> None:
    with engine.live(tmp_path, str(tmp_path / "rules/current/vedette.rules")) as live:
        assert titles(live, tmp_path, Severity.ERROR) == []
        assert titles(live, tmp_path, Severity.WARNING) == []
        hints = " ".join(titles(live, tmp_path, Severity.HINT))
        assert "response-body-limit 100" in hints
        assert "stream.midstream is off" in hints
        assert "community-id is off" in hints


def test_a_yaml_without_the_rules_file_is_seen(engine: Engine, tmp_path: Path) -> None:
    with engine.live(tmp_path, "suricata.rules") as live:
        (error,) = titles(live, tmp_path, Severity.ERROR)
        assert error.endswith("rules/current/vedette.rules is not in rule-files")


@pytest.mark.parametrize(
    ("option", "errors"),
    [
        (["-S", "{}"], ["Suricata was started with -S"]),
        (
            ["--set", "rule-files.0={}"],
            ["rule-files was given with --set on Suricata's command line"],
        ),
        (["--set", "outputs.1.eve-log.enabled=no"], ["EVE is off"]),
        (["--set", "datasets.limits.single-hashsize=10"], []),
    ],
)
def test_the_command_line_counts(
    engine: Engine, tmp_path: Path, option: Sequence[str], errors: list[str]
) -> None:
    rules = tmp_path / "rules/current/vedette.rules"
    rules.parent.mkdir(parents=True)
    rules.write_text("")
    arguments = [part.format(rules) for part in option]
    with engine.live(tmp_path, str(rules), arguments=arguments) as live:
        assert titles(live, tmp_path, Severity.ERROR) == errors


def test_rule_files_are_those_of_the_last_reload(engine: Engine, tmp_path: Path) -> None:
    wanted = str(tmp_path / "rules/current/vedette.rules")
    with engine.live(tmp_path, "suricata.rules") as live, SuricataSocket(live.socket) as client:
        engine.write_yaml(live.path / "suricata.yaml", tmp_path, wanted)
        assert len(titles(live, tmp_path, Severity.ERROR)) == 1
        reload(client, 30)
        assert titles(live, tmp_path, Severity.ERROR) == []


def test_a_stopped_engine_is_read_from_its_yaml(engine: Engine, tmp_path: Path) -> None:
    sensor = Sensor(
        name="probe",
        socket=str(tmp_path / "s"),
        rules=str(tmp_path / "rules"),
        test_command=(str(engine.binary), "-T"),
    )
    findings = diagnose(sensor, config=str(engine.yaml))
    errors = [f.title for f in findings if f.severity is Severity.ERROR]
    assert len(errors) == 2
    assert "no socket" in errors[0]
    assert "not in rule-files" in errors[1]
    assert any("response-body-limit 100" in f.title for f in findings)


def test_a_reload_with_a_broken_yaml_is_noticed(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vedette.sensor.reload._DOUBT_S", 0.5)
    with engine.live(tmp_path, "suricata.rules") as live, SuricataSocket(live.socket) as client:
        (live.path / "suricata.yaml").write_text("%YAML 1.1\n---\nrule-files: [\n")
        with pytest.raises(SensorError, match="gave the reload up"):
            reload(client, 10)
        assert client.version() == engine.version


def test_the_counters_of_losses_are_the_real_engines(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "vedette.rules").write_text('alert dns any any -> any any (msg:"x"; sid:1;)\n')
    with engine.live(tmp_path) as live, SuricataSocket(live.socket, 10) as socket:
        assert socket.losses() == (0, 0, 0), "before the first statistics"
        deadline = time.monotonic() + 30
        while not (answer := socket.ask("dump-counters")).ok:
            assert time.monotonic() < deadline
            time.sleep(0.5)
        counters = answer.decode(dict[str, Any])
    assert "kernel_drops" in counters["capture"]
    assert "alert_queue_overflow" in counters["detect"]
