"""``vedette sensor``: push generations to engines, and prove that they hold them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from vedette.cli.common import hub, with_output
from vedette.cli.output import Output, moment
from vedette.errors import VedetteError
from vedette.pipeline.delivering import (
    diagnose_sensor,
    prove_current,
    push_current,
    sensor_of,
)
from vedette.pipeline.hub import Hub
from vedette.sensor.proof import Proof
from vedette.sensor.push import Pushed

_RED = 9


@click.group()
def sensor() -> None:
    """Add engines, push to them, and prove what they hold."""


@sensor.command()
@click.argument("name")
@click.option("--socket", required=True, metavar="S", help="The engine's unix command socket.")
@click.option(
    "--rules", required=True, metavar="DIR", help="A directory for Vedette's rules alone."
)
@click.option("--eve", default="", metavar="FILE", help="Its eve.json, for hits.")
@click.option("--context", is_flag=True, help="Context in the alert itself (8.x; more memory).")
@click.option(
    "--test-command", multiple=True, metavar="WORD", help="suricata -T ..., word by word."
)
@with_output
def add(
    out: Output,
    name: str,
    socket: str,
    rules: str,
    eve: str,
    *,
    context: bool,
    test_command: tuple[str, ...],
) -> None:
    """Add a Suricata on this machine."""
    settings: dict[str, Any] = {
        "socket": str(Path(socket).absolute()),
        "rules": str(Path(rules).absolute()),
        "eve": str(Path(eve).absolute()) if eve else "",
        "context": context,
        "test_command": list(test_command),
    }
    with hub() as opened:
        opened.store.fleet.add_sensor(name, settings)
        entry = sensor_of(opened, name).rules_entry
    out.good(f"added sensor '{name}'")
    out.say("Its suricata.yaml needs this line under rule-files (once):")
    out.say(f"  - {entry}")
    out.say(f"Next: vedette sensor doctor {name}, then vedette sensor push {name}")
    out.result({"name": name, "settings": settings, "rules_entry": entry})


@sensor.command()
@click.argument("name")
@with_output
def remove(out: Output, name: str) -> None:
    """Forget a sensor; its files and its engine stay as they are."""
    with hub() as opened:
        opened.store.fleet.remove_sensor(name)
    out.good(f"removed sensor '{name}'")
    out.result({"name": name})


@sensor.command("list")
@with_output
def list_command(out: Output) -> None:
    """List sensors with what they were last proved to hold."""
    with hub() as opened:
        records = opened.store.fleet.sensors()
    rows = []
    for record in records:
        proof = record.proof or {}
        state = "never proved" if not proof else "proved" if proof["ok"] else "RED"
        rows.append(
            (
                record.name,
                state,
                proof.get("generation", "-"),
                proof.get("engine", "-"),
                proof.get("at", "never")[:19],
                record.settings["socket"],
            )
        )
    out.table(("name", "state", "generation", "engine", "proved at (UTC)", "socket"), rows)
    if not records:
        out.say("No sensors yet. See: vedette sensor add --help")
    out.result(records)


@sensor.command()
@click.argument("names", nargs=-1)
@with_output
def push(out: Output, names: tuple[str, ...]) -> None:
    """Bring the published generation to sensors (all without NAMES) and prove it."""
    done: list[Pushed] = []
    with hub() as opened:
        failed = _each(out, opened, names, lambda name: done.append(_push_one(out, opened, name)))
    out.result({"pushed": done, "failed": failed})
    _leave(failed, [pushed.proof for pushed in done])


def _changes(pushed: Pushed) -> str:
    return f"+{pushed.added:,} -{pushed.removed:,}; " if pushed.how == "delta" else ""


def _push_one(out: Output, opened: Hub, name: str) -> Pushed:
    with out.progress(f"pushing to {name}"):
        pushed = push_current(opened, name)
    how = {"nothing": "was already in force", "delta": "came over the socket"}.get(
        pushed.how, f"came into force by a {pushed.how}"
    )
    out.say(
        f"{name}: generation {pushed.generation} {how}"
        f" ({_changes(pushed)}files {pushed.install_s:.2f} s,"
        f" live and proved {pushed.live_s:.2f} s later)"
    )
    if pushed.reason:
        out.say(f"  why not by less: {pushed.reason}")
    _show_proof(out, pushed.proof, whole=False)
    return pushed


@sensor.command()
@click.argument("names", nargs=-1)
@click.option("--all-checks", is_flag=True, help="Show the checks that are fine, too.")
@with_output
def prove(out: Output, names: tuple[str, ...], *, all_checks: bool) -> None:
    """Ask sensors (all without NAMES) whether they hold what was pushed last."""
    proofs: list[Proof] = []

    def one(name: str) -> None:
        proof = prove_current(opened, name)
        proofs.append(proof)
        _show_proof(out, proof, whole=all_checks)

    with hub() as opened:
        failed = _each(out, opened, names, one)
    out.result({"proofs": proofs, "failed": failed})
    _leave(failed, proofs)


def _show_proof(out: Output, proof: Proof, *, whole: bool) -> None:
    total = len(proof.checks)
    line = (
        f"{proof.sensor}: Suricata {proof.engine} holds generation {proof.generation}:"
        f" {total - len(proof.failed)} of {total} checks in {proof.elapsed_s:.2f} s"
    )
    if proof.ok:
        out.good(line)
    else:
        out.bad(line.replace(" holds ", " does NOT hold "))
    for check in proof.checks:
        if not check.ok or whole:
            mark = out.good if check.ok else out.bad
            mark(f"  {check.name}: {check.expected}; got: {check.got}")
            if check.detail:
                out.say(f"         {check.detail}")


@sensor.command()
@click.argument("name")
@click.option("--config", "yaml", default="", metavar="FILE", help="Its suricata.yaml.")
@with_output
def doctor(out: Output, name: str, yaml: str) -> None:
    """Look at a sensor for what costs detection; each finding says what to do."""
    with hub() as opened:
        findings = diagnose_sensor(opened, name, config=yaml)
    for finding in findings:
        mark = {"ok": out.good, "error": out.bad}.get(str(finding.severity), out.warn)
        mark(finding.title)
        if finding.consequence:
            out.say(f"       {finding.consequence}")
        for line in finding.remedy.splitlines():
            out.say(f"       {line}")
    out.result(findings)
    if any(str(finding.severity) == "error" for finding in findings):
        click.get_current_context().exit(8)


def _each(out: Output, opened: Hub, names: tuple[str, ...], job: Any) -> list[dict[str, Any]]:
    """Do a job for each sensor; one that fails does not keep the others from theirs."""
    failed = []
    chosen = names or tuple(record.name for record in opened.store.fleet.sensors())
    if not chosen:
        out.warn("there are no sensors; see: vedette sensor add --help")
    for name in chosen:
        try:
            job(name)
        except VedetteError as error:
            out.bad(f"{name}: {error}")
            if error.hint:
                out.say(f"       {error.hint}")
            failed.append(
                {
                    "sensor": name,
                    "error": str(error),
                    "hint": error.hint,
                    "exit_code": error.exit_code,
                }
            )
    return failed


def _leave(failed: list[dict[str, Any]], proofs: list[Proof]) -> None:
    if failed:
        click.get_current_context().exit(failed[0]["exit_code"])
    if any(not proof.ok for proof in proofs):
        click.get_current_context().exit(_RED)


@sensor.command()
@click.argument("name")
@with_output
def show(out: Output, name: str) -> None:
    """Show a sensor: settings and its last proof, check by check."""
    with hub() as opened:
        record = opened.store.fleet.sensor(name)
    out.say(record.name, style="bold")
    for key, value in record.settings.items():
        out.say(f"  {key}: {value}")
    if record.proof is None:
        out.say("  never proved")
    else:
        out.say(f"  last proof {record.proof['at'][:19]}Z, generation {record.proof['generation']}")
        for check in record.proof["checks"]:
            mark = out.good if check["ok"] else out.bad
            mark(f"{check['name']}: {check['expected']}; got: {check['got']}")
    out.say(f"  added {moment(record.created_at)}")
    out.result(record)
