"""The real suricata-update installs; the engine is asked which generation it holds."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from vedette.bundle import Builder, latest
from vedette.errors import SensorError
from vedette.model import IndicatorType as T
from vedette.model import Key
from vedette.ruleset.engine import Target
from vedette.sensor.client import SuricataSocket
from vedette.sensor.doctor import Severity, diagnose
from vedette.sensor.elsewhere import ElsewhereWatch, prove_elsewhere
from vedette.sensor.install import Installed, RulesDirectory
from vedette.sensor.proof import Check, Proof
from vedette.sensor.protocol import Outcome
from vedette.sensor.release import Release
from vedette.sensor.settings import Delivery, Sensor
from vedette.testing.engine import Engine, Live
from vedette.testing.indicators import ListedKeys

KEYS = [Key(T.DOMAIN, f"evil{n}.example") for n in range(30)]
KEYS += [Key(T.IP_DST, "192.0.2.1"), Key(T.SHA256, "0" * 64), Key(T.USER_AGENT, "evil/1.0")]


class Desk:
    """An engine that reads what suricata-update writes."""

    def __init__(self, engine: Engine, live: Live, path: Path) -> None:
        self.engine, self.live, self.path = engine, live, path
        self.output = path / "rules"
        self.sensor = Sensor(
            name="probe", delivery=Delivery.SURICATA_UPDATE, socket=str(live.socket)
        )
        self.known: list[Installed] = []
        self.directory = RulesDirectory(path / "known")
        self.directory.path.mkdir()
        self.disabled: list[int] = []

    def publish(self, *keys: Key) -> Release:
        """Build the next generation, and know it."""
        target = Target(self.engine.profile)
        Builder(root=self.path / "bundles", targets=[target]).build(ListedKeys(keys))
        generation = latest(self.path / "bundles")
        assert generation is not None
        sources = generation.sources(str(target))
        release = Release.from_manifest(generation.manifest, str(target))
        self.known.insert(0, self.directory.install(release, sources))
        with tarfile.open(self.path / "vedette.tar.gz", "w:gz") as archive:
            for name, path in sources.items():
                archive.add(path, f"rules/{name}")
        return release

    def update(self) -> None:
        disable = self.path / "disable.conf"
        disable.write_text("".join(f"{sid}\n" for sid in self.disabled))
        command = [
            str(Path(sys.executable).with_name("suricata-update")),
            *("--data-dir", str(self.path / "data"), "--output", str(self.output), "--now"),
            *("--suricata", str(self.engine.binary), "--suricata-conf", str(self.engine.yaml)),
            *("--no-test", "--no-reload", "--url", f"file://{self.path}/vedette.tar.gz"),
            *("--disable-conf", str(disable)),
        ]
        subprocess.run(command, check=True, capture_output=True)

    def reload(self) -> None:
        with SuricataSocket(self.live.socket) as engine:
            while (outcome := engine.ask("ruleset-reload-rules").outcome) is Outcome.RELOADING:
                time.sleep(0.02)
        assert outcome is Outcome.DONE

    def prove(self, known: list[Installed] | None = None) -> Proof:
        return prove_elsewhere(self.sensor, self.known if known is None else known)

    def domain_sid(self) -> int:
        """Return the sid of one of several rules that look into one set."""
        release = self.known[0].release
        info = next(info for info in release.sets if info.dataset == "domain")
        return next(rule.sid for rule in release.rules if rule.set == info.name)


@pytest.fixture
def desk(engine: Engine, tmp_path: Path) -> Iterator[Desk]:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/suricata.rules").write_text("")
    with engine.live(tmp_path / "rules", "suricata.rules") as live:
        yield Desk(engine, live, tmp_path)


def by_name(proof: Proof) -> dict[str, Check]:
    return {check.name: check for check in proof.checks}


def red(proof: Proof) -> set[str]:
    return {check.name for check in proof.failed}


def test_the_engine_says_which_generation_it_holds(desk: Desk) -> None:
    with pytest.raises(SensorError, match="no generation is known"):
        desk.prove()
    first = desk.publish(*KEYS)
    proof = desk.prove()
    assert not proof.ok
    assert "sid" in by_name(proof)["rules.enabled"].detail
    desk.update()
    desk.reload()
    proof = desk.prove()
    assert (proof.failed, proof.content_id) == ((), first.content_id)
    assert by_name(proof)["rules.enabled"].got.startswith(f"{len(first.rules)} enabled, 0 ")

    second = desk.publish(*KEYS[1:], Key(T.DOMAIN, "new.example"))
    proof = desk.prove()
    assert (proof.failed, proof.generation) == ((), first.generation), "it is only behind"
    desk.update()
    proof = desk.prove()
    assert (proof.failed, proof.generation) == ((), first.generation), "it was not reloaded"
    desk.reload()
    proof = desk.prove()
    assert (proof.failed, proof.generation) == ((), second.generation)
    checks = by_name(proof)
    assert any(name.endswith(".removed") for name in checks)
    assert any(name.endswith(".canary-before") for name in checks)
    members = [check for name, check in checks.items() if name.endswith(".members")]
    assert {check.kind for check in members} == {"direct"}


def test_without_its_files_the_canaries_stand_for_it(desk: Desk) -> None:
    desk.publish(*KEYS)
    desk.update()
    desk.reload()
    bare = [one._replace(path=desk.path / "nowhere") for one in desk.known]
    proof = desk.prove(bare)
    assert proof.failed == ()
    members = [check for check in proof.checks if check.name.endswith(".members")]
    assert {check.kind for check in members} == {"indirect"}
    assert any(check.name.endswith(".canary") for check in proof.checks)


def test_a_rule_in_a_disable_conf_is_named(desk: Desk) -> None:
    desk.publish(*KEYS)
    desk.update()
    desk.reload()
    watch = ElsewhereWatch(desk.sensor)
    watch.known = desk.known
    assert watch.full().ok
    assert not watch.look().changed
    desk.disabled = [desk.domain_sid()]
    desk.update()
    assert watch.look().why.startswith(f"{desk.output}/suricata.rules")  # and all that it loads
    desk.reload()
    assert "somebody reloaded the rules" in watch.look().why
    proof = watch.full()
    # Other rules still look into the same set: no canary is missing.
    assert red(proof) == {"rules.enabled"}
    check = by_name(proof)["rules.enabled"]
    assert f"sid {desk.disabled[0]} (" in check.detail
    assert "disable.conf" in check.detail
    assert "1 commented out, 0 missing" in check.got
    desk.disabled = []
    desk.update()
    desk.reload()
    assert watch.full().ok


def test_a_source_that_is_gone_is_red(desk: Desk) -> None:
    desk.publish(*KEYS)
    desk.update()
    desk.reload()
    (desk.output / "suricata.rules").write_text("")
    desk.reload()
    proof = desk.prove()
    assert {"rules.enabled"} < red(proof)
    assert "not in" in by_name(proof)["rules.enabled"].detail


def test_a_dataset_file_that_was_edited_is_red_before_the_engine_reads_it(desk: Desk) -> None:
    desk.publish(*KEYS)
    desk.update()
    desk.reload()
    watch = ElsewhereWatch(desk.sensor)
    watch.known = desk.known
    assert watch.full().ok
    file = next((desk.output / "datasets").iterdir())
    file.write_bytes(file.read_bytes() + b"YQ==\n")
    assert watch.look().why == f"{file}: changed or gone"
    proof = watch.full()
    assert red(proof) == {"files"}
    assert str(file) in by_name(proof)["files"].detail


def test_an_entry_removed_over_the_socket_is_found_by_the_sweep(desk: Desk) -> None:
    desk.publish(*KEYS)
    desk.update()
    desk.reload()
    watch = ElsewhereWatch(desk.sensor, members=1)
    watch.known = desk.known
    assert watch.full().ok
    with SuricataSocket(desk.live.socket) as engine:
        assert engine.remove("vedette-ip-dst", "ip", "192.0.2.1") is Outcome.REMOVED
    look = watch.look()
    assert "1 of" in look.why
    assert "vedette-ip-dst.swept" in red(watch.full())


def test_the_doctor_looks_where_the_other_tool_puts_our_rules(desk: Desk) -> None:
    assert "no rules of Vedette in what" in " ".join(errors(desk))
    desk.publish(*KEYS)
    desk.update()
    desk.reload()
    assert errors(desk) == []
    assert any("rules of Vedette are in the files" in f.title for f in diagnose(desk.sensor))
    desk.disabled = [desk.domain_sid()]
    desk.update()
    (error,) = errors(desk)
    assert error.endswith(f"are commented out, sid {desk.disabled[0]}")


def errors(desk: Desk) -> list[str]:
    return [f.title for f in diagnose(desk.sensor) if f.severity is Severity.ERROR]
