"""``vedette feedback``: what goes back to MISP."""

from __future__ import annotations

from datetime import UTC, datetime

import click
import msgspec

from vedette.cli.choices import limit_of
from vedette.cli.common import hub, with_output
from vedette.cli.output import Output, moment
from vedette.errors import SourceError
from vedette.pipeline.feeding_back import (
    MISNAMED,
    Fed,
    Standing,
    feed_back,
    preview,
    standing,
    trouble_with,
)

_NOBODY = "No MISP is told of hits. Name sources of the kind misp in [feedback] sources."


@click.group()
def feedback() -> None:
    """See and send what goes back to MISP: sightings, within the policy of [feedback]."""


@feedback.command()
@with_output
def status(out: Output) -> None:
    """Show for each MISP what waits, what was sent and what was refused."""
    with hub() as opened:
        found = standing(opened)
    for one in found:
        _show(out, one)
    if not any(one.is_told for one in found):
        out.say(_NOBODY)
    out.result(found)


def _show(out: Output, one: Standing) -> None:
    out.say(one.source, style="bold")
    state = one.state
    if one.trouble:
        _say_trouble(out, one.trouble)
    oldest = f", the oldest of {_time(state.oldest)}" if state.waiting else ""
    out.say(f"  allowed   {one.allowed}")
    out.say(f"  waiting   {state.waiting:,}{oldest}")
    out.say(f"  today     {state.left_today:,} of {one.max_per_day:,}")
    out.say(f"  sent      {state.sent:,}")
    out.say(f"  refused   {state.refused:,}")
    for reason, n in one.refusals.items():
        out.say(f"            {n:,}: {reason}")
    if state.error:
        out.bad(f"{_time(state.error_at)}: {state.error}")
        out.say(f"       {state.hint}")
        out.say(f"       next try {_time(state.retry_at)}, or now: vedette feedback send")
    if not one.is_told:
        out.warn("it is no longer in [feedback] sources: what waits stays here")


def _say_trouble(out: Output, trouble: str) -> None:
    out.bad(trouble)
    out.say(f"       {MISNAMED}")


def _time(at: int) -> str:
    return moment(datetime.fromtimestamp(at, UTC) if at else None)


@feedback.command()
@with_output
def send(out: Output) -> None:
    """Send now what waits, also to a MISP that failed lately."""
    with hub() as opened, out.progress("sending sightings"):
        fed = feed_back(opened, anyway=True)
        nobody = not opened.settings.feedback.sources
    for one in fed:
        _report(out, one)
    if nobody:
        out.say(_NOBODY)
    elif not fed:
        out.say("Nothing waits.")
    out.result(fed)
    if any(one.error for one in fed):
        click.get_current_context().exit(SourceError.exit_code)


def _report(out: Output, one: Fed) -> None:
    if one.error:
        out.bad(f"{one.source}: {one.error}")
        out.say(f"       {one.hint}")
    if one.sent or not one.error:
        out.good(f"{one.source}: {one.sent:,} sent, {one.waiting:,} wait")
    for reason, n in one.refused.items():
        out.warn(f"{n:,} will never be sent: {reason}")
    if one.limit_reached:
        out.warn("the limit of today is reached ([feedback] max_per_day); the rest goes tomorrow")


@feedback.command("preview")
@click.option("--limit", default=20, show_default=True, callback=limit_of, help="At most so many.")
@with_output
def preview_command(out: Output, limit: int) -> None:
    """Show exactly what would leave next: requests with their JSON; nothing is sent."""
    with hub() as opened:
        found = {
            source: preview(opened, source, limit=limit)
            for source in opened.settings.feedback.sources
        }
        troubles = {source: trouble_with(opened, source) for source in found}
    for source, requests in found.items():
        if troubles[source]:
            _say_trouble(out, troubles[source])
        for one in requests:
            out.say(f"to {source}: {one['method']} {one['path']}", style="bold")
            document = msgspec.json.format(msgspec.json.encode(one["body"]), indent=2).decode()
            for line in document.splitlines():
                out.say(line)
        if not (requests or troubles[source]):
            out.say(f"to {source}: nothing waits")
    if not found:
        out.say(_NOBODY)
    out.result(found)
