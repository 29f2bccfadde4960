"""``vedette sensor enrol``: a sensor that fetches its generations itself."""

from __future__ import annotations

import time
from typing import Any

import click

from vedette.cli.auditing import who
from vedette.cli.common import hub, with_output
from vedette.cli.output import Output
from vedette.pipeline.enrolling import FETCHING, Block, enrol
from vedette.sensor.settings import Delivery


@click.command("enrol")
@click.argument("name")
@click.option(
    "--delivery",
    type=click.Choice([way.value for way in FETCHING]),
    help="Who fetches, and brings it into force (default: agent; with --again: as before).",
)
@click.option("--ring", type=click.Choice(["canary"]), help="Get new generations first.")
@click.option(
    "--engine",
    default="7.0",
    show_default=True,
    metavar="PROFILE",
    help="Of Scirius' probes: 7.0, 8.0, 8.0.7.",
)
@click.option("--again", is_flag=True, help="Make a new token, and revoke the old ones.")
@with_output
def enrol_command(out: Output, name: str, **given: Any) -> None:
    """Add a sensor that fetches its generations itself, and print what to paste there.

    The token in it is shown this once. Whoever has it can fetch and report as this sensor, until:
    vedette token revoke
    """
    with hub() as opened:
        enrolled = enrol(
            opened,
            name,
            Delivery(given["delivery"]) if given["delivery"] else None,
            by=who(),
            now=int(time.time()),
            ring=given["ring"] or "",
            engine=given["engine"],
            again=given["again"],
        )
    if given["again"]:
        out.good(f"sensor '{name}' has a new token; {enrolled.revoked} old ones open nothing more")
    else:
        out.good(f"added sensor '{name}', which fetches by {enrolled.delivery}")
    for block in enrolled.blocks:
        _show(out, block)
    for warning in enrolled.warnings:
        out.warn(warning)
    out.result(enrolled)


def _show(out: Output, block: Block) -> None:
    """Print what is pasted as it is, however narrow the terminal: a folded line would not work."""
    if out.as_json:
        return
    click.echo()
    if block.about:
        click.secho(f"# {block.about}", bold=True)
    click.echo(block.text)
