"""What a proof looks like on the command line, whoever asked for it: the hub or an agent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from vedette.cli.output import Output
from vedette.errors import UsageError
from vedette.sensor.proof import Proof
from vedette.sensor.traffic import Traffic

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--all-checks", is_flag=True, help="Show the checks that are fine, too."),
    click.option("--traffic", is_flag=True, help="Also send one DNS query and await its alert."),
    click.option("--resolver", default="", metavar="ADDRESS", help="Whom to ask for that name."),
    click.option("--interface", default="", metavar="NAME", help="Put the query on this wire."),
    click.option(
        "--wait",
        "wait_s",
        default=10.0,
        show_default=True,
        type=click.FloatRange(0.1, 600),
        metavar="SECONDS",
        help="How long its alert may take.",
    ),
)


def traffic_options(command: F) -> F:
    """Give a command the options of a proof."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def query_of(*, traffic: bool, resolver: str, interface: str, wait_s: float) -> Traffic | None:
    """Return the query that is wanted; None: none.

    Raises:
        UsageError: It is said how to send a query that is not wanted.
    """
    if (resolver or interface) and not traffic:
        raise UsageError("--resolver and --interface are for --traffic", hint="Add --traffic.")
    if not traffic:
        return None
    return Traffic(resolver=resolver, interface=interface, timeout_s=wait_s)


def show_proof(out: Output, proof: Proof, *, whole: bool) -> None:
    """Print a proof: one line, and the checks that are red (or all)."""
    total = len(proof.checks)
    line = (
        f"{proof.sensor}: Suricata {proof.engine} holds generation {proof.generation}:"
        f" {total - len(proof.failed)} of {total} checks in {proof.elapsed_s:.2f} s"
    )
    if proof.ok:
        out.good(line)
    elif proof.holds:
        out.bad(f"{line}; no alert of it came out of EVE")
    else:
        out.bad(line.replace(" holds ", " does NOT hold "))
    for check in proof.checks:
        if not check.ok or whole or check.name == "traffic":
            mark = out.good if check.ok else out.bad
            mark(f"  {check.name}: {check.expected}; got: {check.got}")
            if check.detail:
                out.say(f"         {check.detail}")
