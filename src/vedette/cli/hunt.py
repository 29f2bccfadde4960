"""``vedette hunt``: lists and new indicators against all that the network has ever shown."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import click
import msgspec

from vedette.cli.choices import limit_of, moment_of
from vedette.cli.common import hub, with_output
from vedette.cli.hunt_table import show_answer, show_hunted, show_hunts, show_run, show_runs
from vedette.cli.output import Output
from vedette.errors import UsageError, VedetteError
from vedette.hunt.reading import Listing
from vedette.model import IndicatorType
from vedette.opensearch.queries import Span
from vedette.pipeline import hunt_plans
from vedette.pipeline.hub import Hub
from vedette.pipeline.hunt_plans import HuntPlan
from vedette.pipeline.hunting import hunt_new
from vedette.pipeline.list_hunting import (
    HuntAnswer,
    changes_since,
    found_of,
    hunt_list,
    hunt_list_elsewhere,
    judge,
)
from vedette.pipeline.pooling import open_pool
from vedette.store.records import check_name

_SHOWN = 50
_TYPES = [kind.value for kind in IndicatorType]

_MEANING = (
    click.option("--type", "kind", type=click.Choice(_TYPES), help="What every value is."),
    click.option("--exact", is_flag=True, help="Names without the names below them."),
    click.option("--hosts", is_flag=True, help="Of URLs and address:port, the host too."),
    click.option("--since", default="", metavar="AGE|TIME", help="Only if seen since (30d, ...)."),
    click.option("--until", default="", metavar="AGE|TIME", help="Only if seen before."),
    click.option("--in", "place", default="", metavar="PLACE", help="In this OpenSearch instead."),
)


def _meaning(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_MEANING):
        function = option(function)
    return function


@click.group()
def hunt() -> None:
    """Ask whether the network has ever met something.

    Exit code 0 whether it has or not: that nothing was found is an answer.
    """


class _Job(NamedTuple):
    """What is to be hunted."""

    label: str
    name: str
    """Of the saved hunt, or ``""``."""
    plan: HuntPlan
    open: Callable[[], AbstractContextManager[BinaryIO]]


@hunt.command()
@click.argument("what", nargs=-1)
@_meaning
@click.option("--name", default="", help="What to call it.")
@click.option("--save", is_flag=True, help="Keep it under its name, to be run again.")
@click.option(
    "--limit",
    default=_SHOWN,
    show_default=True,
    callback=limit_of,
    help="Findings to show; 0: all.",
)
@click.option("--csv", "as_csv", is_flag=True, help="Print the findings as CSV.")
@with_output
def run(
    out: Output,
    what: tuple[str, ...],
    name: str,
    limit: int,
    *,
    save: bool,
    as_csv: bool,
    **how: Any,
) -> None:
    """Look for WHAT in the past: a FILE, - (standard input), values, or a saved hunt's name.

    A list may be anything: one value a line, a table, MISP's JSON, a report in prose; defanged or
    not. A name means all names below it too (--exact: without them); 32 hex digits may be a file,
    a client's fingerprint or a certificate: every meaning is looked for.
    """
    if as_csv and out.as_json:
        raise UsageError("--csv and --json exclude each other", hint="Leave out one of them.")
    with hub() as opened:
        job = _saved(opened, _job(opened, what, how), name) if save else _job(opened, what, how)
        job = job._replace(label=name or job.label)
        try:
            answer = _run(opened, job, out)
        except VedetteError:
            if save:
                hunt_plans.remove(opened, job.name)
            raise
    show_answer(out, answer, limit=limit, as_csv=as_csv)
    out.result(answer)


def _run(opened: Hub, job: _Job, out: Output) -> HuntAnswer:
    span = _span(job.plan)
    with job.open() as stream, out.progress(f"reading {job.label}") as ticker:
        listing = Listing(stream, job.plan.asked, where=job.label)
        if job.plan.place:
            return hunt_list_elsewhere(
                opened,
                job.plan.place,
                listing,
                label=job.label,
                hunt=job.name,
                span=span,
                tick=ticker.tick,
            )
        with open_pool(opened, "vedette hunt run") as memory:
            return hunt_list(
                opened,
                memory,
                listing,
                label=job.label,
                hunt=job.name,
                span=span,
                tick=ticker.tick,
            )


def _span(plan: HuntPlan) -> Span | None:
    if not (plan.since or plan.until):
        return None
    return Span(since=moment_of(plan.since), until=moment_of(plan.until))


# -- what is hunted -----------------------------------------------------------------------------


def _job(opened: Hub, what: tuple[str, ...], how: dict[str, Any]) -> _Job:
    """Find out what is meant: a saved hunt, standard input, a file, or values.

    Raises:
        UsageError: It is none of them.
    """
    if what == ("-",) or (not what and not sys.stdin.isatty()):
        return _Job("standard input", "", _plan("-", how), lambda: nullcontext(sys.stdin.buffer))
    if not what or not all(what):
        raise UsageError(
            "there is nothing to look for",
            hint="Give a file, values, a saved hunt (vedette hunt list), or - and paste.",
        )
    saved = {record.name: record for record in opened.store.hunts.hunts()}
    if len(what) == 1 and what[0] in saved:
        return _again(hunt_plans.plan_of(saved[what[0]]), what[0], how)
    path = Path(what[0])
    if len(what) == 1 and (path.exists() or ("/" in what[0] and not _values(what, how))):
        plan = _plan(str(path.absolute()), how)
        return _Job(path.name, "", plan, lambda: hunt_plans.opened(path))
    return _of_values(what, how)


def _plan(path: str, how: dict[str, Any]) -> HuntPlan:
    return HuntPlan(
        path=path,
        type=how["kind"] or "",
        exact=how["exact"],
        hosts=how["hosts"],
        since=how["since"],
        until=how["until"],
        place=how["place"],
    )


def _again(plan: HuntPlan, name: str, how: dict[str, Any]) -> _Job:
    """Return a saved hunt; only the time and the place may be others than they were."""
    if how["kind"] or how["exact"] or how["hosts"]:
        raise UsageError(
            f"'{name}' is a saved hunt, which knows what its values mean",
            hint="Leave out --type, --exact and --hosts, or hunt the list itself.",
        )
    changes = {key: how[key] for key in ("since", "until", "place") if how[key]}
    plan = msgspec.structs.replace(plan, **changes)
    return _Job(name, name, plan, lambda: hunt_plans.opened(Path(plan.path)))


def _values(what: tuple[str, ...], how: dict[str, Any]) -> bytes:
    """Return arguments as a list, or nothing if not all of them are values."""
    text = "\n".join(what).encode(errors="surrogateescape")
    listing = Listing(io.BytesIO(text), _plan("", how).asked)
    kinds = {key.type for key in listing.read()}
    tally = listing.tally
    is_all = bool(kinds) and not tally.rejected and not tally.without_value
    # What can only be a path or a file's name is more likely a list that is not there.
    is_path = kinds <= {IndicatorType.FILENAME, IndicatorType.URI} and not how["kind"]
    return text if is_all and not is_path else b""


def _of_values(what: tuple[str, ...], how: dict[str, Any]) -> _Job:
    text = _values(what, how)
    if not text:
        shown = " ".join(what)[:80]
        raise UsageError(
            f"'{shown}' is neither a file, a saved hunt, nor a value that a network shows",
            hint="Say what it is with --type (filename, user-agent, ...); see: vedette hunt list",
        )
    label = what[0] if len(what) == 1 else f"{what[0]} and {len(what) - 1} more"
    return _Job(label, "", _plan("-", how), lambda: nullcontext(io.BytesIO(text)))


def _saved(opened: Hub, job: _Job, name: str) -> _Job:
    """Save a hunt before it is run, with a copy of what is piped in.

    Raises:
        UsageError: It has no name, or one that is taken or cannot be one.
    """
    name = name or ("" if job.plan.path == "-" else Path(job.plan.path).stem)
    if job.name or not name:
        raise UsageError(
            f"the hunt is saved as '{job.name}' already" if job.name else "the hunt has no name",
            hint="Give it one: --save --name NAME",
        )
    check_name("hunt", name)
    plan = job.plan
    is_free = name not in {record.name for record in opened.store.hunts.hunts()}
    if plan.path == "-" and is_free:
        with job.open() as stream:
            path = hunt_plans.keep_copy(opened, name, stream)
        plan = msgspec.structs.replace(plan, path=str(path), kept=True)
    hunt_plans.save(opened, name, plan)
    return _Job(job.label, name, plan, lambda: hunt_plans.opened(Path(plan.path)))


# -- saved hunts and their runs -----------------------------------------------------------------


@hunt.command("list")
@with_output
def list_command(out: Output) -> None:
    """List saved hunts."""
    with hub() as opened:
        records = opened.store.hunts.hunts()
    show_hunts(out, records)
    out.result(records)


@hunt.command()
@click.argument("which", default="")
@click.option(
    "--limit", default=_SHOWN, show_default=True, callback=limit_of, help="Lines to show; 0: all."
)
@with_output
def show(out: Output, which: str, limit: int) -> None:
    """Show the last runs, those of the saved hunt WHICH, or the run of that number."""
    with hub() as opened:
        if which.isdecimal():
            record = opened.store.hunts.run(int(which))
            findings = tuple(judge(opened, found_of(opened, record.id)))
            changes = changes_since(opened, record)
            show_run(out, record, findings, changes, limit=limit)
            out.result({"run": record, "findings": findings, "changes": changes})
            return
        if which:
            opened.store.hunts.hunt(which)
        runs = opened.store.hunts.runs(which or None, limit=limit or -1)
        told = [(one, changes_since(opened, one) if one.hunt else None) for one in runs]
    show_runs(out, told)
    out.result([{"run": one, "changes": changes} for one, changes in told])


@hunt.command()
@click.argument("name")
@with_output
def remove(out: Output, name: str) -> None:
    """Forget the saved hunt NAME and its runs."""
    with hub() as opened:
        runs = hunt_plans.remove(opened, name)
    out.good(f"hunt '{name}' and its {runs:,} runs are forgotten")
    out.result({"removed": name, "runs": runs})


@hunt.command()
@click.option("--all", "everything", is_flag=True, help="All indicators, whatever was hunted.")
@with_output
def new(out: Output, *, everything: bool) -> None:
    """Hunt now what `vedette run` hunts by itself: new indicators, and values newly seen."""
    with (
        hub() as opened,
        open_pool(opened, "vedette hunt new") as memory,
        out.progress("hunting new indicators"),
    ):
        hunted = hunt_new(opened, memory, everything=everything)
    show_hunted(out, hunted)
    out.result(hunted)
