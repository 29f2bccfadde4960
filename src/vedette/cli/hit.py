"""``vedette hit``: indicators that met the network."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click
import msgspec

from vedette.cli import hit_card
from vedette.cli.choices import limit_of
from vedette.cli.common import error_document, hub, with_output
from vedette.cli.output import Output, moment
from vedette.config import parse_duration
from vedette.errors import UsageError, VedetteError
from vedette.hits.severity import severity_of
from vedette.pipeline.delivering import sensors
from vedette.pipeline.receiving import Reading
from vedette.pipeline.watching import read_hits
from vedette.store import HitRecord

_CONTEXTS_SHOWN = 3


@click.group()
def hit() -> None:
    """Look at what the indicators met."""


hit.add_command(hit_card.show_command)
hit.add_command(hit_card.mark_command)


@hit.command("list")
@click.option("--since", default="", metavar="AGE", help="Only last seen within 90s, 6h, 7d...")
@click.option("--sensor", default="", help="Only of this sensor.")
@click.option("--limit", default=100, show_default=True, callback=limit_of, help="At most so many.")
@click.option("--retro", is_flag=True, help="Only those that a hunt found in the past.")
@click.option("--live", is_flag=True, help="Only those that were met as they happened.")
@click.option("--status", type=hit_card.STATUSES, help="Only those that a person called this.")
@with_output
def list_command(
    out: Output,
    since: str,
    sensor: str,
    limit: int,
    *,
    retro: bool,
    live: bool,
    status: str | None,
) -> None:
    """List grouped hits with their context, the last seen first."""
    cut = datetime.now(UTC) - timedelta(seconds=parse_duration(since)) if since else None
    if retro and live:
        raise UsageError(
            "--retro and --live exclude each other", hint="Without them, all hits are listed."
        )
    origins = ("retro",) if retro else ("live", "eve") if live else ()
    with hub() as opened:
        records = opened.store.fleet.hits(
            since=cut, sensor=sensor, origins=origins, status=status or "", limit=limit
        )
    show_hits(out, records, numbered=True)
    if not records and retro:
        out.say("No retro hits. `vedette run` hunts what is new; `vedette hunt new` does it now.")
    elif not records:
        out.say("No hits. `vedette run` reads them all the time; `vedette hit read` does it now.")
    out.result(
        [
            {**msgspec.to_builtins(record), "severity": severity_of(record.contexts)}
            for record in records
        ]
    )


def show_hits(out: Output, records: list[HitRecord], *, numbered: bool = False) -> None:
    """Print hits as cards: what, where and by whom, and what the sources say about it."""
    for record in records:
        shown = record.observed or record.value or "(the alert does not say which value)"
        listed = f"  listed: {record.value}" if record.value not in ("", shown) else ""
        judged = "" if record.status == "new" else f"  {record.status}"
        number = f"  hit {record.id}" if numbered else ""
        severe = f"  {level}" if (level := severity_of(record.contexts)) else ""
        out.say(
            f"{moment(record.last_seen)}  {shown}{listed}{number}{severe}{judged}", style="bold"
        )
        times = "once" if record.count == 1 else f"{record.count:,} times"
        since = "" if record.count == 1 else f" since {moment(record.first_seen)}"
        out.say(
            f"  {record.type} in {record.buffer}, by {record.client} to {record.server},"
            f" on sensor {record.sensor}, {times}{since}"
        )
        if record.origin == "retro":
            _show_past(out, record)
        for context in record.contexts[:_CONTEXTS_SHOWN]:
            event = f"  event {context['event']}" if context["event"] else ""
            out.say(f"  {context['source']}: {context['info'] or '-'}{event}")
            tags = ", ".join(context["tags"]) or "-"
            out.say(f"    TLP {context['tlp'] or '-'}   tags {tags}")
            if context["url"]:
                out.say(f"    {context['url']}")
        if len(record.contexts) > _CONTEXTS_SHOWN:
            out.say(f"  and {len(record.contexts) - _CONTEXTS_SHOWN} more sources or events")
        if not record.contexts:
            out.say("  no source lists it any more")


def _show_past(out: Output, record: HitRecord) -> None:
    """Say what is special about a hit that a hunt found."""
    if record.hosts:
        seen = f"seen by {record.hosts:,} hosts" if record.hosts > 1 else "seen by this host alone"
    else:
        seen = "by whom else is no longer known"
    out.say(f"  found by a hunt; {seen}")
    out.say(f"  live alert: {record.live}")


@hit.command()
@click.argument("names", nargs=-1)
@with_output
def read(out: Output, names: tuple[str, ...]) -> None:
    """Read the eve.json of sensors (all without NAMES) from where reading stopped."""
    reports: list[Reading] = []
    failed: list[VedetteError] = []
    with hub() as opened:
        for name in names or [one.name for one in sensors(opened) if one.eve]:
            try:
                with out.progress(f"reading the events of {name}"):
                    reports.append(read_hits(opened, name))
            except VedetteError as error:
                failed.append(error)
                out.bad(f"{name}: {error}")
                out.say(f"       {error.hint}")
    for report in reports:
        out.good(
            f"{report.sensor}: {report.lines:,} lines, {report.hits:,} hits,"
            f" {report.new:,} of them new"
        )
        for name, n in report.counters.items():
            out.say(f"       {name}: {n:,}")
    if not (reports or failed):
        out.warn("no sensor has an eve.json; see: vedette sensor add --help")
    out.result({"read": reports, "failed": [error_document(error) for error in failed]})
    if failed:
        click.get_current_context().exit(failed[0].exit_code)
