from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from vedette.ruleset.manifest import SetInfo
from vedette.sensor.configuration import Dumped, find_item, is_no, is_yes, items, size_bytes
from vedette.sensor.doctor import Finding, Severity, diagnose
from vedette.sensor.process import Process
from vedette.sensor.settings import Sensor

GOOD = {
    "outputs.0": "fast",
    "outputs.1": "eve-log",
    "outputs.1.eve-log.enabled": "yes",
    "outputs.1.eve-log.filetype": "regular",
    "outputs.1.eve-log.filename": "eve.json",
    "outputs.1.eve-log.community-id": "true",
    "outputs.1.eve-log.types.0": "alert",
    "app-layer.protocols.http.libhtp.default-config.response-body-limit": "0",
    "stream.midstream": "true",
    "default-log-dir": "/var/log/suricata/",
}
BODY = "app-layer.protocols.http.libhtp.default-config.response-body-limit"


def info(kind: str = "string", hashsize: int = 1024, of: str = "domain") -> SetInfo:
    return SetInfo(
        name="names",
        file="names.lst",
        type=kind,
        format="raw",
        indicator_type=of,
        entries=7,
        value_bytes=0,
        sha256="",
        content="",
        hashsize=hashsize,
    )


@pytest.fixture
def examine(open_desk: Callable[..., Any]) -> Callable[..., dict[str, Finding]]:
    """Diagnose a good engine with some settings changed; findings that are not OK, by title."""

    def examine_it(
        changes: dict[str, str | None] | None = None,
        sets: tuple[SetInfo, ...] = (),
        version: str = "8.0.7",
    ) -> dict[str, Finding]:
        config = {k: v for k, v in {**GOOD, **(changes or {})}.items() if v is not None}
        desk = open_desk(version, config=config)
        found = diagnose(desk.sensor, sets=sets)
        return {f.title: f for f in found if f.severity is not Severity.OK}

    return examine_it


def test_a_good_sensor_has_no_complaint(examine: Callable[..., dict[str, Finding]]) -> None:
    assert examine(sets=(info(),)) == {}


@pytest.mark.parametrize(
    ("changes", "title", "severity", "paste"),
    [
        ({BODY: "100kb"}, "up to response-body-limit 100kb", "hint", "response-body-limit: 0"),
        ({BODY: None}, "no libhtp block", "hint", "libhtp:"),
        ({"stream.midstream": "false"}, "midstream is off", "hint", "midstream: true"),
        ({"stream.midstream": None}, "midstream is off", "hint", "midstream: true"),
        (
            {"app-layer.protocols.tls.ja3-fingerprints": "no"},
            "ja3-fingerprints is off",
            "hint",
            "ja3-fingerprints: yes",
        ),
        ({"app-layer.protocols.ssh.hassh": "no"}, "hassh is off", "hint", "hassh: yes"),
        ({"outputs.1": "stats"}, "EVE is off", "error", "eve-log:"),
        ({"outputs.1.eve-log.enabled": "no"}, "EVE is off", "error", "eve-log:"),
        (
            {"outputs.1.eve-log.filetype": "redis"},
            "EVE goes to redis",
            "warning",
            "filetype: regular",
        ),
        ({"outputs.1.eve-log.types.0": "dns"}, "EVE has no alerts", "error", "- alert"),
        (
            {"outputs.1.eve-log.types.0.alert.enabled": "no"},
            "EVE has no alerts",
            "error",
            "- alert",
        ),
        (
            {"outputs.1.eve-log.types.0.alert.metadata": "no"},
            "alerts carry no metadata",
            "warning",
            "metadata: yes",
        ),
        (
            {"outputs.1.eve-log.types.0.alert.metadata.app-layer": "false"},
            "alerts carry no metadata",
            "warning",
            "metadata: yes",
        ),
        ({"outputs.1.eve-log.community-id": None}, "community-id is off", "hint", "community-id"),
        (
            {"rule-files.0": "suricata.rules"},
            "current/vedette.rules is not in rule-files",
            "error",
            "rule-files:",
        ),
        ({"security.landlock.enabled": "yes"}, "landlock keeps", "error", "landlock:"),
    ],
)
def test_each_setting_that_costs_detection_is_named_with_the_yaml(
    examine: Callable[..., dict[str, Finding]],
    changes: dict[str, str | None],
    title: str,
    severity: str,
    paste: str,
) -> None:
    (finding,) = examine(changes).values()
    assert title in finding.title
    assert finding.severity == severity
    assert finding.consequence
    assert paste in finding.remedy


def test_what_costs_listed_indicators_is_a_warning(
    examine: Callable[..., dict[str, Finding]],
) -> None:
    hashes = info("filesha256", 0, "sha256")
    (finding,) = examine({BODY: "100 KiB"}, (hashes,)).values()
    assert (finding.severity, "7 file hashes" in finding.consequence) == ("warning", True)


def test_fingerprints_that_are_listed_make_it_a_warning(
    examine: Callable[..., dict[str, Finding]],
) -> None:
    changes = {"app-layer.protocols.tls.ja4-fingerprints": "no"}
    (finding,) = examine(changes, (info(of="ja4"),)).values()
    assert (finding.severity, finding.consequence) == (
        "warning",
        "7 JA4 fingerprints cannot be seen.",
    )


@pytest.mark.parametrize(
    ("version", "changes", "hashsize", "ok"),
    [
        ("8.0.7", {}, 65_536, True),
        ("8.0.7", {}, 65_537, False),
        ("7.0.10", {}, 262_144, True),
        ("7.0.10", {}, 262_145, False),
        ("8.0.7", {"datasets.limits.single-hashsize": "4096"}, 65_536, False),
        ("8.0.7", {"datasets.limits.total-hashsizes": "65536"}, 65_536, False),
        ("8.0.7", {"datasets.limits.single-hashsize": "5000000"}, 1_000_000, True),
    ],
)
def test_a_hashsize_over_the_caps_is_an_error(
    examine: Callable[..., dict[str, Finding]],
    version: str,
    changes: dict[str, str | None],
    hashsize: int,
    ok: bool,
) -> None:
    sets = (info(hashsize=hashsize), info(hashsize=1024))
    errors = [f for f in examine(changes, sets, version).values() if f.severity == "error"]
    assert (not errors) == ok
    assert all("limits:" in finding.remedy for finding in errors)


def test_an_old_engine_is_warned_about(examine: Callable[..., dict[str, Finding]]) -> None:
    assert any("crashes" in title for title in examine(version="8.0.1"))
    (finding,) = (f for f in examine(version="6.0.20").values() if f.severity == "error")
    assert "too old" in finding.title


def test_an_eve_file_elsewhere_is_named(open_desk: Callable[..., Any]) -> None:
    desk = open_desk(config=GOOD)
    for eve, wrong in (("/data/eve.json", True), ("/var/log/suricata/eve.json", False)):
        sensor = Sensor(name="probe", socket=desk.sensor.socket, rules=desk.sensor.rules, eve=eve)
        assert any("Vedette reads" in f.title for f in diagnose(sensor)) == wrong


def test_failed_rules_are_told_apart(open_desk: Callable[..., Any]) -> None:
    desk = open_desk(config=GOOD)
    rules = [("/etc/other.rules", 1), (desk.sensor.rules_entry, 2), (desk.sensor.rules_entry, 3)]
    desk.engine._ruleset.failed = [
        {"tenant_id": 0, "rule": f"alert x (sid:{sid};)", "filename": name, "line": 1}
        for name, sid in rules
    ]
    titles = [f.title for f in diagnose(desk.sensor) if f.severity is not Severity.OK]
    assert titles == [
        "2 of Vedette's rules did not load, sid 2 first",
        "1 rules that are not Vedette's did not load",
    ]


def test_a_directory_that_landlock_allows_is_fine(
    examine: Callable[..., dict[str, Finding]], tmp_path: Path
) -> None:
    allowed = {
        "security.landlock.enabled": "yes",
        "security.landlock.directories.read.0": "/usr",
        "security.landlock.directories.read.1": str(tmp_path),
    }
    assert examine(allowed) == {}


def test_a_pattern_in_rule_files_counts(
    examine: Callable[..., dict[str, Finding]], tmp_path: Path
) -> None:
    assert examine({"rule-files.0": f"{tmp_path}/rules/*/vedette.rules"}) == {}
    (tmp_path / "other").symlink_to("rules")
    assert examine({"rule-files.0": f"{tmp_path}/other/current/vedette.rules"}) == {}


def test_an_engine_that_is_down_is_an_error_and_its_yaml_is_read(
    tmp_path: Path,
) -> None:
    sensor = Sensor(name="probe", socket=str(tmp_path / "s"), rules=str(tmp_path / "rules"))
    (finding,) = diagnose(sensor)
    assert (finding.severity, "no socket" in finding.title) == ("error", True)
    program = tmp_path / "suricata"
    program.write_text("#!/bin/sh\necho 'rule-files.0 = suricata.rules'\necho 'outputs = (null)'\n")
    program.chmod(0o755)
    readable = Sensor(
        name="probe", socket=sensor.socket, rules=sensor.rules, test_command=(str(program), "-T")
    )
    titles = [f.title for f in diagnose(readable, config="/etc/suricata/suricata.yaml")]
    assert any("not in rule-files" in title for title in titles)
    assert "EVE is off" in titles
    program.write_text("#!/bin/sh\necho 'E: no such file' >&2; exit 1\n")
    titles = [f.title for f in diagnose(readable, config="/gone.yaml")]
    assert titles[-1] == "suricata cannot read /gone.yaml: E: no such file"
    program.unlink()
    assert "without the program" in diagnose(readable, config="/gone.yaml")[-1].title


def test_the_command_line_of_a_process_is_read() -> None:
    assert Process(os.getpid()).arguments() == sys.orig_argv


def test_a_process_that_cannot_be_seen_is_not_judged(tmp_path: Path) -> None:
    assert Process(2**22 + 1).arguments() == []
    assert Process(2**22 + 1).may_read(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run a process as somebody else")
def test_a_directory_that_the_engines_user_cannot_enter_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "rules/current/vedette.rules"
    path.parent.mkdir(parents=True)
    path.write_text("")
    for parent in (path.parent, *tmp_path.relative_to("/").parents):
        place = Path("/") / parent
        if str(place).startswith("/tmp/"):
            place.chmod(0o755)
    tmp_path.chmod(0o755)
    with subprocess.Popen(["/bin/sleep", "60"], user=65534, group=65534) as nobody:
        process = Process(nobody.pid)
        seen = []
        for mode in (0o755, 0o700, 0o710):
            path.parent.chmod(mode)
            seen.append(process.may_read(path))
        os.chown(path.parent, -1, 65534)
        seen.append(process.may_read(path))
        os.chown(path.parent, 65534, 0)
        seen.append(process.may_read(path))
        path.parent.chmod(0o755)
        path.chmod(0o600)
        seen.append(process.may_read(path))
        seen.append(process.may_read(tmp_path / "gone"))
        nobody.kill()
    assert seen == [True, False, False, True, True, False, True]
    assert Process(os.getpid()).may_read(path)


@pytest.mark.parametrize(
    ("text", "size"),
    [("100kb", 102_400), ("100 KiB", 102_400), ("4096", 4096), ("0", 0), ("1.5mb", 1_572_864)],
)
def test_sizes_are_read_in_both_spellings(text: str, size: int) -> None:
    assert size_bytes(text) == size
    assert size_bytes(f"{text}!") is None


def test_a_dump_is_read_like_a_running_engine() -> None:
    dumped = Dumped("outputs.0 = fast\noutputs.1 = eve-log\noutputs.1.eve-log = (null)\nnoise\n")
    assert list(items(dumped, "outputs")) == ["fast", "eve-log"]
    assert find_item(dumped, "outputs", lambda value: value == "eve-log") == "outputs.1.eve-log"
    assert dumped.get("outputs.1.eve-log") is None
    assert (is_yes("Yes"), is_yes(None), is_no("off"), is_no(None)) == (True, False, True, False)


def test_7_0_with_several_hash_lists_is_told_which_are_blind(
    examine: Callable[..., dict[str, Finding]],
) -> None:
    def hashes(kind: str, entries: int) -> SetInfo:
        return msgspec.structs.replace(info(kind, 0, kind), entries=entries)

    lists = (hashes("filemd5", 5), hashes("filesha256", 9))
    found = examine(sets=lists, version="7.0.10")
    title = "Suricata 7.0 computes only the sha256 of a file"
    finding = found[title]
    assert "5 md5 cannot be seen" in finding.consequence
    assert "force-hash: [md5, sha256]" in finding.remedy
    forced = {
        "outputs.1.eve-log.types.1": "files",
        "outputs.1.eve-log.types.1.files.force-hash.0": "md5",
    }
    assert title not in examine(forced, sets=lists, version="7.0.10")
    assert examine(sets=lists[:1], version="7.0.10").keys().isdisjoint({title})
    assert examine(sets=lists, version="8.0.7") == {}
    levels = (hashes("filemd5", 5), hashes("filemd5", 6), hashes("filesha256", 9))
    told = examine(sets=levels, version="7.0.10")["Suricata 7.0 computes only the md5 of a file"]
    assert "9 sha256 cannot be seen" in told.consequence


def test_what_the_engine_lost_is_said(open_desk: Callable[..., Any]) -> None:
    desk = open_desk("8.0.7", config=GOOD)
    assert not [f for f in diagnose(desk.sensor) if "since the start" in f.title]
    desk.engine.counters = {
        "capture": {"kernel_packets": 1_000, "kernel_drops": 50},
        "detect": {"alert_queue_overflow": 3},
    }
    titles = [finding.title for finding in diagnose(desk.sensor)]
    assert "3 alerts were lost since the start: a packet had too many" in titles
    assert "the kernel dropped 50 packets since the start (5 %)" in titles
