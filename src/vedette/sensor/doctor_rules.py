"""Does the engine load Vedette's rules, and will it do so again at the next reload and start?"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

from vedette.sensor import doctor_elsewhere
from vedette.sensor.client import SuricataSocket
from vedette.sensor.configuration import Configuration, Running, is_yes, items
from vedette.sensor.finding import Finding, Severity, in_yaml
from vedette.sensor.process import Process
from vedette.sensor.settings import Sensor


def check(sensor: Sensor, engine: SuricataSocket, process: Process) -> Iterator[Finding]:
    """Look at a running engine."""
    arguments = process.arguments()
    fixed = {"-S", "-s"}.intersection(arguments)
    if fixed:
        yield Finding(
            severity=Severity.ERROR,
            title=f"Suricata was started with {fixed.pop()}",
            consequence="It cannot reload its rules: no push that needs a reload can succeed.",
            remedy="Start it without that option; " + _entry(sensor),
        )
    running = Running(engine, engine.reloads())
    yield from check_rule_files(sensor, running)
    yield from doctor_elsewhere.check_suppressed(sensor, running)
    if not fixed and any(argument.startswith("rule-files") for argument in arguments):
        yield Finding(
            severity=Severity.ERROR,
            title="rule-files was given with --set on Suricata's command line",
            consequence="A reload reads suricata.yaml again and forgets it: the rules are lost.",
            remedy=_entry(sensor),
        )
    yield from _failed_rules(sensor, engine)
    yield from _readable(sensor, process)
    yield from _landlock(sensor, Running(engine))


def check_rule_files(sensor: Sensor, configuration: Configuration) -> Iterator[Finding]:
    """Look for Vedette's rules in ``rule-files``: its own file, or where another tool put them."""
    if sensor.delivery in doctor_elsewhere.INSTALLED_BY_OTHERS:
        yield from doctor_elsewhere.check_rules(configuration)
        return
    base = Path(configuration.get("default-rule-path") or "/etc/suricata/rules")
    wanted = Path(sensor.rules_entry)
    for item in items(configuration, "rule-files"):
        pattern = str(base / item)
        if fnmatch(str(wanted), pattern) or _is_same(Path(pattern), wanted):
            yield Finding(severity=Severity.OK, title=f"rule-files names {wanted}")
            return
    yield Finding(
        severity=Severity.ERROR,
        title=f"{wanted} is not in rule-files",
        consequence="The engine does not load Vedette's rules; every proof will be red.",
        remedy=_entry(sensor),
    )


def _is_same(one: Path, other: Path) -> bool:
    """Whether two names lead to one file, now and after ``current`` was switched."""
    return one.name == other.name and one.parent.resolve() == other.parent.resolve()


def _entry(sensor: Sensor) -> str:
    return in_yaml(f"rule-files:\n  - {sensor.rules_entry}\n  # ... and the others as before")


def _failed_rules(sensor: Sensor, engine: SuricataSocket) -> Iterator[Finding]:
    failed = engine.failed_rules()
    by_others = sensor.delivery in doctor_elsewhere.INSTALLED_BY_OTHERS
    ours = [
        rule
        for rule in failed
        if "vedette_set" in rule.rule or (not by_others and rule.filename.startswith(sensor.rules))
    ]
    if ours:
        yield Finding(
            severity=Severity.ERROR,
            title=f"{len(ours)} of Vedette's rules did not load, sid {ours[0].sid} first",
            consequence="What their datasets hold is not seen.",
            remedy="suricata.log has the reason of each; push again afterwards.",
        )
    if others := len(failed) - len(ours):
        yield Finding(
            severity=Severity.HINT,
            title=f"{others} rules that are not Vedette's did not load",
            consequence="What they look for is not seen.",
            remedy="See which: suricatasc -c ruleset-failed-rules",
        )


def _readable(sensor: Sensor, process: Process) -> Iterator[Finding]:
    rules = Path(sensor.rules_entry)
    if sensor.delivery in doctor_elsewhere.INSTALLED_BY_OTHERS:
        return
    if rules.exists() and not process.may_read(rules):
        yield Finding(
            severity=Severity.ERROR,
            title=f"the user that Suricata runs as may not read {rules}",
            consequence="The next reload will lose Vedette's rules.",
            remedy=f"Give it the right to enter {rules.parent} and the directories above it.",
        )


def _landlock(sensor: Sensor, configuration: Configuration) -> Iterator[Finding]:
    by_others = sensor.delivery in doctor_elsewhere.INSTALLED_BY_OTHERS
    if by_others or not is_yes(configuration.get("security.landlock.enabled")):
        return
    allowed = [Path(item) for item in items(configuration, "security.landlock.directories.read")]
    if not any(sensor.rules_path.is_relative_to(path) for path in allowed):
        yield Finding(
            severity=Severity.ERROR,
            title=f"landlock keeps Suricata from reading {sensor.rules}",
            consequence="Its rules cannot be loaded by a reload.",
            remedy=in_yaml(
                "security:\n  landlock:\n    enabled: yes\n    directories:\n      read:\n"
                f"        - {sensor.rules}\n        # ... and the others as before"
            ),
        )
