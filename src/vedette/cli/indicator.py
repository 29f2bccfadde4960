"""``vedette indicator``: what is known about one value, and what people decide about it."""

from __future__ import annotations

import click

from vedette.cli.common import hub, with_output
from vedette.cli.indicator_card import show_review
from vedette.cli.indicator_decide import hold_command, release_command
from vedette.cli.indicator_import import import_command
from vedette.cli.indicator_list import list_command
from vedette.cli.output import Output
from vedette.errors import UsageError
from vedette.pipeline.reviewing import review


@click.group()
def indicator() -> None:
    """Look at indicators: why one is on the sensors or not, which are held, which ever fired."""


@indicator.command()
@click.argument("value")
@with_output
def show(out: Output, value: str) -> None:
    """Show all about VALUE (any spelling, defanged too): who lists it, verdict, sensors, hits.

    It answers why an indicator is not on the sensors: each test of the guard, who decided what,
    which sensor holds it, and the command that changes it. Names above VALUE are shown as well.
    """
    if not value.strip():
        raise UsageError("there is nothing to look for", hint="Quote the value.")
    with hub() as opened:
        found = review(opened, value)
    show_review(out, found)
    out.result(found)


indicator.add_command(list_command)
indicator.add_command(release_command)
indicator.add_command(hold_command)
indicator.add_command(import_command)
