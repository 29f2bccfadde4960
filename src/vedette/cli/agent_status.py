"""What ``vedette agent status`` and ``doctor`` print."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from vedette.agent.holding import Held
from vedette.agent.reporting import Status
from vedette.cli.output import Output, moment
from vedette.sensor.finding import Finding
from vedette.sensor.wire import Report, State

_MARKS = {State.PROVED: "good", State.DRIFTED: "bad", State.SILENT: "bad", State.REFUSED: "bad"}


def show_status(out: Output, status: Status, held: Held) -> None:
    """Print what an agent wrote last, and what it trusts."""
    report = status.report
    mark = getattr(out, _MARKS.get(report.state, "warn"))
    mark(f"{report.state}{f': {report.why}' if report.why else ''}")
    _show_generation(out, report, held)
    if report.proof:
        red = len(report.proof.failed)
        out.say(
            f"  asked {moment(report.proof.at)} ({_ago(report.proof.at)}):"
            f" {len(report.proof.checks)} checks, {red} red, in {report.proof.elapsed_s:.2f} s"
        )
    if report.delivered:
        d = report.delivered
        out.say(
            f"  {how_text(d.how)}{f' ({d.reason})' if d.reason else ''}: fetched {d.fetch_s:.2f} s,"
            f" installed {d.install_s:.2f} s, live and proved {d.live_s:.2f} s"
        )
    if report.drifts:
        times = "once" if report.drifts == 1 else f"{report.drifts} times"
        out.say(
            f"  drifted {times} since the agent's start; repaired last {moment(report.repaired_at)}"
        )
    _show_hub(out, status, held)
    if report.eve:
        out.say(
            f"  EVE: {report.eve.lag_s:.1f} s behind, {report.eve.waiting} batches wait for the hub"
        )
    for reason, count in status.lost.items():
        out.warn(f"  {count:,} alerts are lost to the hub: {reason}")
    running = Path(f"/proc/{status.pid}").exists() and status.pid != os.getpid()
    if not running:
        out.warn(f"  this is of {moment(report.at)}; the agent (process {status.pid}) has ended")


def how_text(how: str) -> str:
    """Return how a generation came into force."""
    return "was already in force" if how == "nothing" else f"came by {how}"


def _show_generation(out: Output, report: Report, held: Held) -> None:
    holds = f"generation {report.generation}" if report.generation else "no generation"
    version = f" on Suricata {report.engine.version}" if report.engine.version else ""
    out.say(f"  holds {holds}{version}")
    if wanted := held.wanted:
        out.say(
            f"  wanted: generation {wanted.generation}, announcement {wanted.serial} ({wanted.why})"
        )


def _show_hub(out: Output, status: Status, held: Held) -> None:
    keys = ", ".join(key.id for key in held.pins.public_keys) if held.pins else "none"
    out.say(f"  hub {held.hub or '(none followed yet)'}, trusted keys: {keys}")
    heard = f"{moment(status.heard_at)}" + (
        f" ({_ago(status.heard_at)})" if status.heard_at else ""
    )
    out.say(f"  the hub answered last: {heard}")
    if status.problem:
        out.warn(f"  {status.problem}")


def _ago(at: datetime) -> str:
    return f"{max(0.0, (datetime.now(UTC) - at).total_seconds()):.0f} s ago"


def show_findings(out: Output, findings: Sequence[Finding]) -> None:
    """Print what a doctor found."""
    for finding in findings:
        mark = {"ok": out.good, "error": out.bad}.get(str(finding.severity), out.warn)
        mark(finding.title)
        if finding.consequence:
            out.say(f"       {finding.consequence}")
        for line in finding.remedy.splitlines():
            out.say(f"       {line}")
