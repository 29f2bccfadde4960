"""``vedette sensor show``: all that is known of one sensor, with the evidence."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click
import msgspec

from vedette.cli.common import hub, with_output
from vedette.cli.output import Output, moment
from vedette.cli.sensor_doctor import show_findings
from vedette.cli.sensor_list import generation_text, proved_at, since, state_text
from vedette.pipeline.standing import Standing, ago, standing
from vedette.sensor.finding import Severity
from vedette.sensor.wire import EngineState, EveState, Report, State
from vedette.store import EventRecord

_EVENTS = 10


@click.command()
@click.argument("name")
@click.option("--events", default=_EVENTS, show_default=True, help="So many changes of its state.")
@with_output
def show(out: Output, name: str, events: int) -> None:
    """Show a sensor: its state and why, its last proof, its engine, and what happened."""
    with hub() as opened:
        one = standing(opened, name)
        happened = opened.store.reports.events(name, limit=events)
    _show_state(out, one)
    if one.report:
        _show_report(out, one.report)
    _show_proof(out, one)
    if one.report and one.report.findings is not None:
        _show_doctor(out, one.report)
    _show_events(out, happened)
    out.say("Settings", style="bold")
    for key, value in one.settings.items():
        out.say(f"  {key}: {value}")
    out.say(f"  added {moment(one.created_at)}")
    out.result({**msgspec.to_builtins(one), "events": happened})


def _show_state(out: Output, one: Standing) -> None:
    out.say(one.name, style="bold")
    mark = {State.PROVED: out.good, State.DRIFTED: out.bad, State.REFUSED: out.bad}
    text = state_text(one.state) + (f" for {since(one.since)}" if one.since else "")
    mark.get(one.state, out.warn)(f"{text}{f': {one.why}' if one.why else ''}")
    out.say(f"  generation {generation_text(one)}")
    out.say(
        f"  told {one.wanted or 'nothing yet'}"
        + (f" by announcement {one.wanted_serial}" if one.wanted_serial else "")
        + (f"; accepted last: {one.serial}" if one.serial not in {0, one.wanted_serial} else "")
    )
    if one.heard_at:
        origin = f" from {one.heard_from}" if one.heard_from else ""
        by = f" ({one.report.by}, {one.delivery})" if one.report else ""
        out.say(f"  heard {since(one.heard_at)} ago{origin}{by}")
    if abs(one.clock_s) > 1:
        out.warn(
            f"its clock is {abs(one.clock_s):,.0f} s {'ahead' if one.clock_s > 0 else 'behind'}"
        )


def _show_report(out: Output, report: Report) -> None:
    _show_engine(out, report.engine)
    if report.eve:
        _show_eve(out, report.eve)
    if last := report.delivered:
        reason = f" ({last.reason})" if last.reason else ""
        out.say(
            f"  last delivery: generation {last.generation} by {last.how}{reason},"
            f" +{last.added:,} -{last.removed:,}, files {last.install_s:.2f} s, in force and proved"
            f" {last.live_s:.2f} s later, {moment(last.at)}"
        )
    repaired = f", repaired last {moment(report.repaired_at)}" if report.repaired_at else ""
    out.say(f"  drifts: {report.drifts}{repaired}")


def _show_engine(out: Output, engine: EngineState) -> None:
    if not engine.version:
        return
    up = f", up {ago(engine.uptime_s)}" if engine.uptime_s >= 0 else ""
    took = f", took {engine.reload_s:.2f} s" if engine.reload_s >= 0 else ""
    at = f", rules loaded {_loaded(engine.reloaded_at)}{took}" if engine.reloaded_at else took
    out.say(f"  engine: Suricata {engine.version}{up}{at}")
    if engine.packets or engine.dropped:
        share = 100 * engine.dropped / max(1, engine.packets + engine.dropped)
        out.say(f"  packets: {engine.packets:,}, dropped {engine.dropped:,} ({share:.2f} %)")
    (out.warn if engine.alerts_lost else out.say)(f"  alerts lost: {engine.alerts_lost:,}")


def _loaded(said: str) -> str:
    """Return when, in the way of all times here; as the engine said it if that is no time."""
    try:
        return moment(datetime.fromisoformat(said))
    except ValueError:
        return said


def _show_eve(out: Output, eve: EveState) -> None:
    lag = f"{eve.lag_s:.1f} s" if eve.lag_s >= 0 else "nothing was read yet"
    last = f", last event {moment(eve.last_event_at)}" if eve.last_event_at else ""
    out.say(
        f"  EVE: lag {lag}, {eve.behind_bytes:,} bytes not read yet,"
        f" {eve.waiting} batches of alerts wait for the hub{last}"
    )


def _show_proof(out: Output, one: Standing) -> None:
    proof = one.proof
    if proof is None:
        out.say("Never proved", style="bold")
        return
    out.say(
        f"Last proof, {since(proved_at(one))} ago ({proof['at'][:19]}Z),"
        f" generation {proof['generation']}",
        style="bold",
    )
    for check in proof["checks"]:
        mark = out.good if check["ok"] else out.bad
        mark(f"{check['name']}: {check['expected']}; got: {check['got']}")
        if not check["ok"] and check.get("detail"):
            out.say(f"       {check['detail']}")


def _show_doctor(out: Output, report: Report) -> None:
    bad = [one for one in report.findings or () if one.severity is not Severity.OK]
    fine = len(report.findings or ()) - len(bad)
    out.say(f"What the doctor found ({fine} more are fine)", style="bold")
    show_findings(out, bad)


def _show_events(out: Output, events: list[EventRecord]) -> None:
    if not events:
        return
    out.say("What happened", style="bold")
    rows: list[tuple[Any, ...]] = [
        (_utc(one.at), state_text(State(one.state)), one.generation or "-", one.why or "-")
        for one in events
    ]
    out.table(("when", "state", "generation", "why"), rows, last_gives_way=True)


def _utc(at: int) -> str:
    return moment(datetime.fromtimestamp(at).astimezone())
