"""``vedette sensor push`` and ``prove``: for the sensors that the hub reaches itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

import click

from vedette.cli.common import hub, with_output
from vedette.cli.output import Output
from vedette.cli.proof_lines import query_of, show_proof, traffic_options
from vedette.errors import VedetteError
from vedette.pipeline.delivering import prove_current, push_current, pushed_sensors
from vedette.pipeline.hub import Hub
from vedette.pipeline.side_by_side import SideBySide
from vedette.sensor.proof import Proof
from vedette.sensor.push import Pushed

T = TypeVar("T")

_RED = 9


@click.command()
@click.argument("names", nargs=-1)
@click.option("--take-over", is_flag=True, help="Also where another hub pushed before.")
@with_output
def push(out: Output, names: tuple[str, ...], *, take_over: bool) -> None:
    """Bring to sensors (all without NAMES) what they are told to hold, and prove it."""
    with hub() as opened:
        done, failed = push_all(out, opened, chosen(out, opened, names), take_over=take_over)
    out.result({"pushed": done, "failed": failed})
    leave(failed, [pushed.proof for pushed in done])


def push_all(
    out: Output, opened: Hub, names: Sequence[str], *, take_over: bool = False
) -> tuple[list[Pushed], list[dict[str, Any]]]:
    """Push to sensors side by side; one that fails does not keep the others from theirs."""

    def job(one: Hub, name: str) -> Pushed:
        return push_current(one, name, take_over=take_over)

    def show(pushed: Pushed) -> None:
        _show_push(out, pushed)

    with out.progress(f"pushing to {', '.join(names[:3])}"):
        results = _all(opened, names, job)
    return _results(out, results, show)


def chosen(out: Output, opened: Hub, names: Sequence[str]) -> list[str]:
    """Return the sensors that were named, or all that the hub reaches."""
    found = list(names) or [one.name for one in pushed_sensors(opened)]
    if not found:
        out.warn("there are no sensors that the hub reaches itself; see: vedette sensor add --help")
    return found


def _show_push(out: Output, pushed: Pushed) -> None:
    how = {"nothing": "was already in force", "delta": "came over the socket"}.get(
        pushed.how, f"came into force by a {pushed.how}"
    )
    changes = f"+{pushed.added:,} -{pushed.removed:,}; " if pushed.how == "delta" else ""
    out.say(
        f"{pushed.sensor}: generation {pushed.generation} {how}"
        f" ({changes}files {pushed.install_s:.2f} s,"
        f" live and proved {pushed.live_s:.2f} s later)"
    )
    if pushed.reason:
        out.say(f"  why not by less: {pushed.reason}")
    show_proof(out, pushed.proof, whole=False)


@click.command()
@click.argument("names", nargs=-1)
@with_output
@traffic_options
def prove(
    out: Output,
    names: tuple[str, ...],
    *,
    all_checks: bool,
    traffic: bool,
    resolver: str,
    interface: str,
    wait_s: float,
) -> None:
    """Ask sensors (all without NAMES) whether they hold what was pushed last.

    --traffic: a query for the name of this generation's canary is sent on the sensor's machine, and
    its alert awaited in eve.json. Where an agent stands: vedette agent prove --traffic.
    """
    query = query_of(traffic=traffic, resolver=resolver, interface=interface, wait_s=wait_s)

    def job(one: Hub, name: str) -> Proof:
        return prove_current(one, name, traffic=query)

    def show(proof: Proof) -> None:
        show_proof(out, proof, whole=all_checks)

    with hub() as opened:
        proofs, failed = _results(out, _all(opened, chosen(out, opened, names), job), show)
    out.result({"proofs": proofs, "failed": failed})
    leave(failed, proofs)


def _all(
    opened: Hub, names: Sequence[str], job: Callable[[Hub, str], T]
) -> list[tuple[str, Future[T]]]:
    if len(names) == 1:  # no thread for one
        future: Future[T] = Future()
        try:
            future.set_result(job(opened, names[0]))
        except VedetteError as error:
            future.set_exception(error)
        return [(names[0], future)]
    with SideBySide(opened.settings, "sensor") as jobs:
        return jobs.all(names, job)


def _results(
    out: Output, results: Sequence[tuple[str, Future[T]]], show: Callable[[T], None]
) -> tuple[list[T], list[dict[str, Any]]]:
    done: list[T] = []
    failed: list[dict[str, Any]] = []
    for name, future in results:
        try:
            done.append(future.result())
        except VedetteError as error:
            failed.append(_failed(out, name, error))
        else:
            show(done[-1])
    return done, failed


def _failed(out: Output, name: str, error: VedetteError) -> dict[str, Any]:
    out.bad(f"{name}: {error}")
    if error.hint:
        out.say(f"       {error.hint}")
    return {"sensor": name, "error": str(error), "hint": error.hint, "exit_code": error.exit_code}


def leave(failed: Sequence[dict[str, Any]], proofs: Sequence[Proof]) -> None:
    """End the command with the code of the first failure, or of a red proof."""
    if failed:
        click.get_current_context().exit(failed[0]["exit_code"])
    if any(not proof.ok for proof in proofs):
        click.get_current_context().exit(_RED)
