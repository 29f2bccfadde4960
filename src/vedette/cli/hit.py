"""``vedette hit``: indicators that met the network."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click

from vedette.cli.common import hub, with_output
from vedette.cli.output import Output
from vedette.config import parse_duration
from vedette.pipeline.delivering import sensors
from vedette.pipeline.watching import read_hits
from vedette.store import HitRecord


@click.group()
def hit() -> None:
    """Look at what the indicators met."""


@hit.command("list")
@click.option("--since", default="", metavar="AGE", help="Only last seen within 90s, 6h, 7d...")
@click.option("--sensor", default="", help="Only of this sensor.")
@click.option("--limit", default=100, show_default=True, help="At most so many.")
@with_output
def list_command(out: Output, since: str, sensor: str, limit: int) -> None:
    """List grouped hits with their context, the last seen first."""
    cut = datetime.now(UTC) - timedelta(seconds=parse_duration(since)) if since else None
    with hub() as opened:
        records = opened.store.fleet.hits(since=cut, sensor=sensor, limit=limit)
    show_hits(out, records)
    if not records:
        out.say("No hits. `vedette run` reads them all the time; `vedette hit read` does it now.")
    out.result(records)


def show_hits(out: Output, records: list[HitRecord]) -> None:
    """Print hits with what the sources say about each."""
    rows = []
    for record in records:
        context = record.contexts[0] if record.contexts else {}
        more = f" (+{len(record.contexts) - 1} more)" if len(record.contexts) > 1 else ""
        listed = f" (listed: {record.value})" if record.observed != record.value else ""
        rows.append(
            (
                record.last_seen,
                f"{record.observed or record.value}{listed}",
                record.buffer,
                record.client,
                record.count,
                record.sensor,
                f"{context.get('source', '-')}: {context.get('info') or '-'}{more}",
                context.get("tlp") or "-",
                ", ".join(context.get("tags", [])) or "-",
            )
        )
    out.table(
        ("last seen", "indicator", "buffer", "client", "count", "sensor", "event", "TLP", "tags"),
        rows,
    )


@hit.command()
@click.argument("names", nargs=-1)
@with_output
def read(out: Output, names: tuple[str, ...]) -> None:
    """Read the eve.json of sensors (all without NAMES) from where reading stopped."""
    reports = []
    with hub() as opened:
        for one in sensors(opened):
            if one.eve and (not names or one.name in names):
                with out.progress(f"reading {one.eve}"):
                    reports.append(read_hits(opened, one.name))
    for report in reports:
        out.good(
            f"{report.sensor}: {report.lines:,} lines, {report.hits:,} hits,"
            f" {report.new:,} of them new"
        )
        for name, n in report.counters.items():
            out.say(f"       {name}: {n:,}")
    if not reports:
        out.warn("no sensor has an eve.json; see: vedette sensor add --help")
    out.result(reports)
