"""``vedette sensor doctor``: what costs detection on a sensor, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence

import click

from vedette.cli.common import hub, with_output
from vedette.cli.output import Output
from vedette.errors import SensorError
from vedette.pipeline.delivering import diagnose_sensor
from vedette.pipeline.hub import Hub
from vedette.pipeline.standing import ago, standing
from vedette.sensor.finding import Finding, Severity

_ERROR = 8


@click.command()
@click.argument("name")
@click.option("--config", "yaml", default="", metavar="FILE", help="Its suricata.yaml.")
@with_output
def doctor(out: Output, name: str, yaml: str) -> None:
    """Look at a sensor for what costs detection; each finding says what to do.

    Of a sensor with an agent it shows what the agent's own doctor found last.
    """
    with hub() as opened:
        findings = _findings(out, opened, name, yaml)
    show_findings(out, findings)
    out.result(findings)
    if any(finding.severity is Severity.ERROR for finding in findings):
        click.get_current_context().exit(_ERROR)


def _findings(out: Output, opened: Hub, name: str, yaml: str) -> Sequence[Finding]:
    one = standing(opened, name)
    if one.delivery.is_pushed:
        return diagnose_sensor(opened, name, config=yaml)
    if one.report is None or one.report.findings is None or one.heard_at is None:
        raise SensorError(
            f"nothing is known of sensor '{name}' yet",
            hint="On the sensor itself: vedette agent doctor",
        )
    out.say(f"What the agent of {name} found; heard {ago(one.heard_s)} ago:")
    return one.report.findings


def show_findings(out: Output, findings: Sequence[Finding]) -> None:
    """Print findings, each with its consequence and what to do."""
    for finding in findings:
        mark = {Severity.OK: out.good, Severity.ERROR: out.bad}.get(finding.severity, out.warn)
        mark(finding.title)
        if finding.consequence:
            out.say(f"       {finding.consequence}")
        for line in finding.remedy.splitlines():
            out.say(f"       {line}")
