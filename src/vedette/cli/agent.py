"""``vedette agent``: the program beside an engine. Nothing of the hub is needed for it."""

from __future__ import annotations

import functools
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import structlog

from vedette.agent.asking import prove_now
from vedette.agent.examining import examine_from_outside
from vedette.agent.holding import Holding
from vedette.agent.reporting import read_status
from vedette.agent.running import Agent, alone
from vedette.agent.settings import DELIVERIES, AgentSettings, load
from vedette.cli.agent_status import show_findings, show_status
from vedette.cli.logs import log_events
from vedette.cli.output import Output, with_output
from vedette.cli.proof_lines import query_of, show_proof, traffic_options
from vedette.errors import HubError, SensorError, TrustError
from vedette.sensor.settings import OnDrift
from vedette.sensor.wire import Report, State

log = structlog.get_logger(__name__)

R = TypeVar("R")

_OF_SENSOR = ("name", "socket", "rules", "eve", "on_drift")
_RED = 9

_NAMES = (
    *("config", "hub", "token_file", "key", "trust_on_first_use", "ca_file", "state", "delivery"),
    *_OF_SENSOR,
)
_OPTIONS = (
    click.option("--config", metavar="FILE", help="agent.toml (default: /etc/vedette/agent.toml)."),
    click.option("--hub", metavar="URL", help="Address of vedette serve."),
    click.option("--token-file", metavar="FILE", help="The token, and perhaps the hub's key."),
    click.option("--key", metavar="RW...", help="The hub's public key (vedette key show, there)."),
    click.option("--trust-on-first-use", is_flag=True, help="Believe the key that answers now."),
    click.option("--ca", "ca_file", metavar="FILE", help="PEM file of the hub's authority."),
    click.option("--state", metavar="DIR", help="The agent's own directory."),
    click.option("--delivery", type=click.Choice([d.value for d in DELIVERIES])),
    click.option("--name", metavar="NAME", help="What the sensor is called here."),
    click.option("--socket", metavar="S", help="The engine's unix command socket."),
    click.option("--rules", metavar="DIR", help="A directory for Vedette's rules alone."),
    click.option("--eve", metavar="FILE", help="Its eve.json, for hits."),
    click.option("--on-drift", type=click.Choice([policy.value for policy in OnDrift])),
)


def _with_options(function: Callable[..., R]) -> Callable[..., R]:
    """Give a command the options of an agent, as a dictionary behind its :class:`Output`.

    Those of ``vedette agent`` itself count for its subcommands too.
    """

    @functools.wraps(function)
    def command(out: Output, **given: Any) -> R:
        mine = {name: given.pop(name) for name in _NAMES}
        parent = click.get_current_context().parent
        outer = parent.params if parent and parent.command is agent else {}
        return function(out, {name: mine[name] or outer.get(name) for name in _NAMES}, **given)

    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def _settings(given: dict[str, Any]) -> AgentSettings:
    named: dict[str, Any] = {name: value for name, value in given.items() if value}
    config = named.pop("config", "")
    sensor = {name: named.pop(name) for name in _OF_SENSOR if name in named}
    for name in ("socket", "rules", "eve"):
        if name in sensor:
            sensor[name] = str(Path(sensor[name]).absolute())
    if sensor:
        named["sensor"] = sensor
    return load(Path(config) if config else None, named)


@click.group(invoke_without_command=True)
@click.option("--once", is_flag=True, help="Do everything once and exit (for a timer).")
@with_output
@_with_options
def agent(out: Output, given: dict[str, Any], *, once: bool) -> None:
    """Stand beside an engine: pull generations, bring them into force, prove, report.

    What happens is logged to standard error; with --json as one JSON object a line.
    """
    if click.get_current_context().invoked_subcommand is not None:
        return
    settings = _settings(given)
    log_events(as_json=out.as_json)
    with alone(settings.state_dir), Agent(settings) as program:
        if once:
            _leave(out, program.once(), program.problem)
            return
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        program.run(stop)


def _leave(out: Output, report: Report, problem: str) -> None:
    """Exit with what a timer's unit shall fail with."""
    out.result(report)
    match report.state:
        case State.DRIFTED:
            click.get_current_context().exit(_RED)
        case State.REFUSED:
            raise TrustError(report.why)
        case State.SILENT | State.BEHIND | State.NEVER:
            if problem and report.state is not State.SILENT:
                raise HubError(problem)
            raise SensorError(report.why or problem)
        case State.PROVED | State.FETCHED:
            if problem:
                raise HubError(problem)


@agent.command()
@with_output
@_with_options
def status(out: Output, given: dict[str, Any]) -> None:
    """Show what the agent holds, when it was proved, and when the hub was heard last."""
    state = _settings(given).state_dir
    try:
        found = read_status(state)
    except OSError as error:
        raise SensorError(
            f"cannot read {state}: {error.strerror}", hint="Ask as root, or as the agent's user."
        ) from error
    if found is None:
        raise SensorError(f"no agent has worked in {state} yet", hint="Start one: vedette agent")
    show_status(out, found, Holding(state).now)
    out.result(found)
    if found.report.state is not State.PROVED:
        click.get_current_context().exit(_RED)


@agent.command()
@with_output
@traffic_options
@_with_options
def prove(
    out: Output,
    given: dict[str, Any],
    *,
    all_checks: bool,
    traffic: bool,
    resolver: str,
    interface: str,
    wait_s: float,
) -> None:
    """Ask the engine now whether it holds what was brought into force last.

    --traffic: a query for the name of this generation's canary is sent, and its alert awaited in
    eve.json.
    """
    query = query_of(traffic=traffic, resolver=resolver, interface=interface, wait_s=wait_s)
    proof = prove_now(_settings(given), query)
    show_proof(out, proof, whole=all_checks)
    out.result(proof)
    if not proof.ok:
        click.get_current_context().exit(_RED)


@agent.command()
@with_output
@_with_options
def doctor(out: Output, given: dict[str, Any]) -> None:
    """Look at all that stands between hub and engine; each finding says what to do."""
    findings = examine_from_outside(_settings(given))
    show_findings(out, findings)
    out.result(findings)
    if any(str(finding.severity) == "error" for finding in findings):
        click.get_current_context().exit(8)
