"""``vedette indicator release`` and ``hold``: what a person decides about listed indicators."""

from __future__ import annotations

import click

from vedette.cli.common import hub, with_output
from vedette.cli.output import Output
from vedette.cli.ruling_options import (
    APPLIED,
    day,
    decision_options,
    say_alerting,
    type_option,
    values_of,
)
from vedette.errors import UsageError
from vedette.model import RulingKind
from vedette.pipeline.hub import Hub
from vedette.pipeline.ruling import Decided, held, hold, release, release_all
from vedette.store import Wanted

_SHOWN = 20


@click.command("release")
@click.argument("values", nargs=-1)
@click.option("--file", default="", metavar="FILE", help="More of them, one a line.")
@click.option("--all", "everything", is_flag=True, help="All that are held, or of what follows.")
@click.option("--reason", default="", help="With --all: held by this test, or for this reason.")
@click.option("--source", default="", help="With --all: listed by this source.")
@type_option("With --all: of this type.")
@click.option("--yes", is_flag=True, help="With --all: do not ask.")
@decision_options
@with_output
def release_command(
    out: Output,
    values: tuple[str, ...],
    *,
    file: str,
    everything: bool,
    reason: str,
    source: str,
    kind: str,
    yes: bool,
    who: str,
    why: str,
    until: int,
) -> None:
    """Publish VALUES that are held or dropped by a warning list (- reads them from stdin)."""
    if everything == bool(values or file):
        raise UsageError("say either values or --all", hint="See: vedette indicator list --held")
    with hub() as opened:
        if everything:
            wanted = Wanted(reason=reason, source=source, type=kind)
            decided = _release_all(opened, wanted, yes=yes, who=who, why=why, until=until)
        else:
            texts = values_of(values, file)
            decided = release(opened, texts, who=who, why=why, until=until)
    _show(out, RulingKind.RELEASE, decided, until)


def _release_all(
    opened: Hub, wanted: Wanted, *, yes: bool, who: str, why: str, until: int
) -> Decided:
    some = held(opened, wanted)
    if not some:
        raise UsageError("nothing like that is held", hint="See: vedette indicator list --held")
    if not yes:
        worst = max(some, key=lambda one: one.hosts)
        if worst.hosts:
            click.echo(f"{worst.value} alone was met by {worst.hosts:,} of our hosts.", err=True)
        click.confirm(f"Publish {len(some):,} held indicators?", abort=True, err=True)
    return release_all(opened, some, who=who, why=why, until=until)


@click.command("hold")
@click.argument("values", nargs=-1)
@click.option("--file", default="", metavar="FILE", help="More of them, one a line.")
@decision_options
@with_output
def hold_command(
    out: Output, values: tuple[str, ...], *, file: str, who: str, why: str, until: int
) -> None:
    """Keep VALUES from the sensors until they are released (- reads them from stdin)."""
    if not (values or file):
        raise UsageError("say which indicators", hint="See: vedette indicator list")
    with hub() as opened:
        decided = hold(opened, values_of(values, file), who=who, why=why, until=until)
    _show(out, RulingKind.HOLD, decided, until)


def _show(out: Output, kind: RulingKind, decided: Decided, until: int) -> None:
    done = "released" if kind is RulingKind.RELEASE else "held"
    for ruling in decided.made[:_SHOWN]:
        out.good(f"{done} {ruling.type} {ruling.value}, {day(until)}")
    if len(decided.made) > _SHOWN:
        out.good(f"and {len(decided.made) - _SHOWN:,} more")
    for text, why in decided.refused[:_SHOWN]:
        out.bad(f"{text}: {why}")
    if len(decided.refused) > _SHOWN:
        out.bad(f"and {len(decided.refused) - _SHOWN:,} more that cannot be {done}")
    if decided.made:
        out.say(APPLIED)
    say_alerting(out, decided.alerting)
    out.result(decided)
    if decided.refused:
        click.get_current_context().exit(UsageError.exit_code)
