"""Look at a sensor for what costs detection, and say what to do about each thing.

Hard rule: nothing is changed. The engine itself is asked for its settings, so what was given on its
command line counts too; only when it does not run, its suricata.yaml is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from vedette.errors import SensorError, UsageError
from vedette.ruleset.engine import profile_for
from vedette.ruleset.manifest import SetInfo
from vedette.sensor import doctor_rules, doctor_settings, doctor_ssh
from vedette.sensor.client import SuricataSocket
from vedette.sensor.configuration import Running, dump
from vedette.sensor.finding import Finding, Severity, in_yaml
from vedette.sensor.process import Process
from vedette.sensor.reach import engine_of, reached
from vedette.sensor.settings import Delivery, Sensor
from vedette.sensor.ssh_said import UnreachableError

__all__ = ["Finding", "Severity", "diagnose"]

_SAFE_FROM = (8, 0, 2)


def diagnose(sensor: Sensor, *, config: str = "", sets: Sequence[SetInfo] = ()) -> list[Finding]:
    """Look at a sensor.

    Args:
        sensor: Which.
        config: Its suricata.yaml, to be read if the engine does not run.
        sets: What it shall hold, for the limits and settings that matter.
    """
    findings = doctor_ssh.check(sensor, sets) if sensor.delivery is Delivery.SSH else []
    try:
        with reached(sensor) as near, engine_of(near) as engine:
            findings += _engine(engine.version())
            findings += doctor_rules.check(sensor, engine, Process(engine.pid))
            findings += _losses(engine)
            findings += doctor_settings.check(sensor, Running(engine), engine.version(), sets)
    except (UnreachableError, UsageError):
        return findings  # the way there has been looked at: they begin with that
    except SensorError as error:
        findings.append(
            Finding(
                severity=Severity.ERROR,
                title=f"the engine cannot be asked: {error}",
                consequence="Nothing can be pushed to it or proved.",
                remedy=error.hint,
            )
        )
        findings += _offline(sensor, config, sets) if config else ()
    return findings


def _engine(version: tuple[int, int, int]) -> Iterator[Finding]:
    spelt = ".".join(map(str, version))
    try:
        profile = profile_for(version)
    except UsageError as error:
        yield Finding(severity=Severity.ERROR, title=str(error), remedy=error.hint)
        return
    yield Finding(severity=Severity.OK, title=f"Suricata {spelt} answers; its profile is {profile}")
    if version < _SAFE_FROM:
        yield Finding(
            severity=Severity.HINT,
            title=f"Suricata {spelt} crashes on a socket command of 4,095 bytes",
            consequence="Vedette never sends one; another program that uses the socket may.",
            remedy="Let only trusted programs use the socket, or upgrade to 8.0.2 or later.",
        )


def _losses(engine: SuricataSocket) -> Iterator[Finding]:
    lost = engine.losses()
    if lost.alerts:
        yield Finding(
            severity=Severity.WARNING,
            title=f"{lost.alerts:,} alerts were lost since the start: a packet had too many",
            consequence="Requests that come in one packet (pipelining) can hide each other's hits.",
            remedy=in_yaml("packet-alert-max: 255", "some memory for each thread"),
        )
    if lost.dropped:
        share = 100 * lost.dropped / max(lost.packets, 1)
        yield Finding(
            severity=Severity.WARNING,
            title=f"the kernel dropped {lost.dropped:,} packets since the start ({share:.2g} %)",
            consequence="What was in them is not seen, and connections that miss a packet neither.",
            remedy="Give Suricata more threads or a larger ring (af-packet: ring-size), or less"
            " traffic (a BPF filter for backups and video).",
        )


def _offline(sensor: Sensor, config: str, sets: Sequence[SetInfo]) -> list[Finding]:
    program = sensor.test_command[0] if sensor.test_command else "suricata"
    try:
        there = sensor.delivery is Delivery.SSH
        dumped = (
            doctor_ssh.dump_there(sensor, config, program) if there else dump(Path(config), program)
        )
    except SensorError as error:
        return [Finding(severity=Severity.WARNING, title=str(error), remedy=error.hint)]
    return [
        *doctor_rules.check_rule_files(sensor, dumped),
        *doctor_settings.check(sensor, dumped, None, sets),
    ]
