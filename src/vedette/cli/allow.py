"""``vedette allow`` and ``vedette deny``: what never alerts, what always does, and who said so."""

from __future__ import annotations

from shlex import quote
from typing import Any

import click

from vedette.cli.common import hub, with_output
from vedette.cli.output import Output
from vedette.cli.ruling_options import (
    APPLIED,
    day,
    decision_options,
    ending_options,
    indicators,
    reach,
    say_alerting,
    say_ruling,
    type_option,
    values_of,
)
from vedette.model import RulingKind
from vedette.pipeline.ruling import rule, unrule
from vedette.store import PastRuling

_SHOWN = 20
_TYPE = type_option("Only as an indicator of this type.")


@click.group()
def allow() -> None:
    """Names, addresses and values that may be met here: no alert, whatever a source says."""


@click.group()
def deny() -> None:
    """Names, addresses and values to alert on whatever the guard thinks of them."""


@allow.command("add")
@click.argument("values", nargs=-1, required=True)
@_TYPE
@click.option("--exact", is_flag=True, help="Without names below, addresses within.")
@decision_options
@with_output
def allow_add(out: Output, values: tuple[str, ...], **options: Any) -> None:
    """Never alert on VALUES (any spelling, defanged, networks; - reads them from stdin)."""
    _add(out, RulingKind.ALLOW, values, options)


@deny.command("add")
@click.argument("values", nargs=-1, required=True)
@_TYPE
@click.option("--exact", is_flag=True, help="Without names below, addresses within.")
@decision_options
@with_output
def deny_add(out: Output, values: tuple[str, ...], **options: Any) -> None:
    """Alert on VALUES that a source lists, past warning lists, prevalence and expiry."""
    _add(out, RulingKind.DENY, values, options)


def _add(out: Output, kind: RulingKind, values: tuple[str, ...], options: dict[str, Any]) -> None:
    with hub() as opened:
        decided = rule(opened, kind, values_of(values), **options)
    for made in decided.made:
        say_ruling(out, made)
    if decided.touched:
        out.say(f"It is about {indicators(decided.touched)}. {APPLIED}")
    if kind is RulingKind.DENY and decided.unlisted:
        out.warn("only what is listed is published, and no source lists:")
        for value in decided.unlisted:
            out.say(f"     {value}")
        out.say("     List it yourself, under a name of your own:")
        out.say(
            f"       echo {quote(decided.unlisted[0])} | vedette indicator import - --name ours"
            " --why TEXT"
        )
    elif not decided.touched:
        out.say("No source lists that now; it counts for what comes.")
    say_alerting(out, decided.alerting)
    for value, why in decided.powerless[:_SHOWN]:
        out.warn(f"{value} stays off the sensors: {why}")
    if len(decided.powerless) > _SHOWN:
        out.warn(f"and so do {len(decided.powerless) - _SHOWN:,} more")
    out.result(decided)


@allow.command("list")
@click.option("--all", "everything", is_flag=True, help="Also what ended, with who ended it.")
@with_output
def allow_list(out: Output, *, everything: bool) -> None:
    """List what is allowed, by whom, why and until when."""
    _list(out, RulingKind.ALLOW, everything=everything)


@deny.command("list")
@click.option("--all", "everything", is_flag=True, help="Also what ended, with who ended it.")
@with_output
def deny_list(out: Output, *, everything: bool) -> None:
    """List what is denied, by whom, why and until when."""
    _list(out, RulingKind.DENY, everything=everything)


def _list(out: Output, kind: RulingKind, *, everything: bool) -> None:
    with hub() as opened:
        past = opened.store.rulings.history(kinds=[kind])
        in_force = {ruling.id for ruling in opened.store.rulings.in_force(kinds=[kind])}
    shown = [one for one in past if everything or one.ruling.id in in_force]
    out.table(
        ("value", "type", "reach", "who", "since", "until", "why"),
        [
            (
                one.ruling.value,
                one.ruling.type or "any",
                reach(one.ruling),
                one.ruling.who,
                day(one.ruling.at),
                _end(one),
                one.ruling.why,
            )
            for one in shown
        ],
        last_gives_way=True,
    )
    if not shown:
        out.say(f"Nothing. Add with: vedette {kind.value} add VALUE --why TEXT")
    out.result(shown)


def _end(one: PastRuling) -> str:
    if one.ended_at:
        return f"ended {day(one.ended_at)} by {one.ended_by}: {one.ended_why}"
    return day(one.ruling.until)


@allow.command("remove")
@click.argument("values", nargs=-1, required=True)
@_TYPE
@ending_options
@with_output
def allow_remove(out: Output, values: tuple[str, ...], **options: Any) -> None:
    """Take VALUES off the list; that they were on it stays known."""
    _remove(out, RulingKind.ALLOW, values, options)


@deny.command("remove")
@click.argument("values", nargs=-1, required=True)
@_TYPE
@ending_options
@with_output
def deny_remove(out: Output, values: tuple[str, ...], **options: Any) -> None:
    """Take VALUES off the list; that they were on it stays known."""
    _remove(out, RulingKind.DENY, values, options)


def _remove(
    out: Output, kind: RulingKind, values: tuple[str, ...], options: dict[str, Any]
) -> None:
    with hub() as opened:
        decided = unrule(opened, kind, values_of(values), **options)
    for ended in decided.made:
        out.good(f"{ended.value} is no longer on the {kind.value} list")
    if decided.touched:
        out.say(f"It was about {indicators(decided.touched)}. {APPLIED}")
    out.result(decided)
