"""``vedette sighting``: what the network has shown, and what is new on it."""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import click

from vedette.cli.choices import fields_of, limit_of, moment_of
from vedette.cli.common import hub, with_output
from vedette.cli.output import Output
from vedette.cli.sighting_card import show_card
from vedette.cli.sighting_table import show_emptiness, show_new, show_sightings
from vedette.errors import UnusableValueError, UsageError
from vedette.model import IndicatorType
from vedette.normalize import normalize, refang
from vedette.normalize.observed import address as observed_address
from vedette.pipeline import exporting
from vedette.pipeline.looking import look_up
from vedette.pipeline.memory import Memory
from vedette.pipeline.naming import name
from vedette.pipeline.pooling import open_pool
from vedette.pool.records import NewSighting, Sighting, Wanted

_WHO_SHOWN = 20

_FILTERS = (
    click.option("--since", default="", metavar="AGE|TIME", help="Seen since (24h, 2026-11-24)."),
    click.option("--until", default="", metavar="AGE|TIME", help="Seen before."),
    click.option(
        "--field",
        "fields",
        multiple=True,
        metavar="F",
        help="Only in this field (tls.sni), or in all of a protocol (tls); repeatable.",
    ),
    click.option("--host", default="", metavar="IP", help="Only by or to this address."),
    click.option("--sensor", default="", metavar="NAME", help="Only on this sensor."),
    click.option("--contains", default="", metavar="TEXT", help="Only with this in the value."),
    click.option("--below", default="", metavar="NAME", help="Only this name and names below it."),
    click.option("--new", "is_new", is_flag=True, help="Only the first time ever on this network."),
    click.option("--learning", is_flag=True, help="With --new: of the learning period, too."),
)


def _filtered(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_FILTERS):
        function = option(function)
    return function


def _wanted(filters: dict[str, Any], *, limit: int = 0, latest: bool = False) -> Wanted:
    """Make a question of the options.

    Raises:
        UsageError: A field does not exist, a time is none, or two options contradict each other.
    """
    if filters["learning"] and not filters["is_new"]:
        raise UsageError("--learning says something only with --new", hint="Add --new.")
    return Wanted(
        fields=fields_of(filters["fields"]),
        since=moment_of(filters["since"]),
        until=moment_of(filters["until"]),
        host=_address(filters["host"]),
        sensor=filters["sensor"],
        contains=filters["contains"],
        below=_name(filters["below"]),
        learning=filters["learning"],
        latest=latest,
        limit=limit,
    )


def _name(text: str) -> str:
    """Return a name as it would be kept, out of any spelling."""
    try:
        return normalize(IndicatorType.DOMAIN, text).value if text else ""
    except UnusableValueError:
        return refang(text).lower()


def _address(text: str) -> str:
    """Return an address as it would be kept.

    Raises:
        UsageError: It is none.
    """
    if not text:
        return ""
    address = observed_address(refang(text))
    try:
        ipaddress.ip_address(address)
    except ValueError as error:
        raise UsageError(
            f"'{text}' is no address", hint="--host takes one IPv4 or IPv6 address."
        ) from error
    return address


@click.group()
def sighting() -> None:
    """Ask the network's memory what it has seen."""


@sighting.command("list")
@_filtered
@click.option(
    "--limit", default=50, show_default=True, callback=limit_of, help="At most so many; 0: all."
)
@with_output
def list_command(out: Output, limit: int, **filters: Any) -> None:
    """List values that the network has shown, the last seen first.

    With --new those that it had never shown before, the last found first. AGE and TIME are of
    the events; with --new, of the moment at which the value came in.
    """
    wanted = _wanted(filters, limit=limit, latest=True)
    with hub() as opened, open_pool(opened) as memory:
        records = list(_records(memory, wanted, is_new=filters["is_new"]))
        coverage = memory.coverage()
    if filters["is_new"]:
        show_new(out, [one for one in records if isinstance(one, NewSighting)], coverage, wanted)
    else:
        show_sightings(out, [one for one in records if isinstance(one, Sighting)])
    if not records:
        show_emptiness(out, coverage, wanted)
    elif limit and len(records) >= limit:
        out.say(f"There may be more: this is the limit of {limit:,} (--limit 0 for all).")
    out.result({"sightings": records, "coverage": coverage})


def _records(memory: Memory, wanted: Wanted, *, is_new: bool) -> Iterator[exporting.Record]:
    yield from memory.new(wanted) if is_new else memory.sightings(wanted)


@sighting.command()
@click.argument("value")
@click.option("--below", is_flag=True, help="Names below it, too.")
@click.option(
    "--who",
    "who_limit",
    default=_WHO_SHOWN,
    show_default=True,
    callback=limit_of,
    help="Rows of who.",
)
@with_output
def show(out: Output, value: str, who_limit: int, *, below: bool) -> None:
    """Show everything about VALUE (any spelling, defanged too): since when, how often, who.

    That it was never seen is an answer, too: exit code 0, and how much of the past it covers.
    """
    with hub() as opened, open_pool(opened) as memory:
        named = name(value, below=below, skip=opened.settings.pool.skip)
        card = look_up(opened.store, memory, named)
    show_card(out, card, named, who_limit)
    out.result(card)


@sighting.command()
@_filtered
@click.option(
    "--format",
    "form",
    type=click.Choice(["ndjson", "csv", "discovery"]),
    default="ndjson",
    show_default=True,
    help="discovery: events as Stamus' scout shows them.",
)
@click.option("--output", default="", metavar="FILE", help="Where to (whole or not at all).")
@click.option(
    "--cursor", default="", metavar="FILE", help="With --new: go on where the last export ended."
)
@click.option("--defuse", is_flag=True, help="CSV: put ' before what a spreadsheet would run.")
@with_output
def export(
    out: Output, form: str, output: str, cursor: str, *, defuse: bool, **filters: Any
) -> None:
    """Write sightings for another tool, all that fit; new ones in the order they came in."""
    if cursor and not filters["is_new"]:
        raise UsageError("a cursor is a place among the new sightings", hint="Add --new.")
    if out.as_json and not output:
        raise UsageError(
            "--json is about the export, whose records go to standard output too",
            hint="Add --output FILE, or leave out --json: NDJSON is JSON.",
        )
    wanted = _wanted(filters)
    after = exporting.read_cursor(Path(cursor)) if cursor else None
    table = exporting.Csv(defuse=defuse)
    kind: type[exporting.Record] = NewSighting if filters["is_new"] else Sighting
    forms: dict[str, Callable[[Iterable[exporting.Record]], Iterator[bytes]]] = {
        "ndjson": exporting.ndjson,
        "csv": partial(table.lines, kind=kind),
        "discovery": exporting.discovery,
    }
    with (
        hub() as opened,
        open_pool(opened) as memory,
        out.progress("writing sightings") as ticker,
    ):
        found = memory.new(wanted, after) if filters["is_new"] else memory.sightings(wanted)
        counted = exporting.Counted(found, ticker.tick)
        _write(forms[form](counted), output)
    if cursor and counted.cursor:
        exporting.write_cursor(Path(cursor), counted.cursor)
    if output:
        out.good(f"{counted.count:,} sightings in {output}")
    if table.formulas and not defuse:
        click.echo(
            f"{table.formulas:,} cells begin with = + - or @: a spreadsheet would run them"
            " (--defuse puts a ' in front)",
            err=True,
        )
    out.result({"written": counted.count, "output": output, "format": form})


def _write(chunks: Iterator[bytes], output: str) -> None:
    if output:
        exporting.write(Path(output), chunks)
        return
    for chunk in chunks:
        sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()
