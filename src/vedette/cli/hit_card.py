"""``vedette hit show`` and ``vedette hit mark``: everything about a hit, and what a person says."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime

import click

from vedette.cli.common import hub, with_output
from vedette.cli.output import Output, moment
from vedette.cli.ruling_options import login
from vedette.errors import UsageError
from vedette.pipeline.marking import Card, Marked, card_of
from vedette.pipeline.marking import mark as mark_hits
from vedette.store import HitRecord, Status

STATUSES = click.Choice([one.value for one in Status])
_KINDS = {0: "seen", 1: "false positive"}
_SIGHTINGS_SHOWN = 20


@click.command("show")
@click.argument("number", type=int, metavar="ID")
@with_output
def show_command(out: Output, number: int) -> None:
    """Show everything about a hit: context, what people say, what MISP was told."""
    with hub() as opened:
        card = card_of(opened, number)
    if card is None:
        raise UsageError(f"there is no hit {number}", hint="See: vedette hit list")
    _show(out, card)
    out.result(card)


def _show(out: Output, card: Card) -> None:
    hit = card.hit
    shown = hit.observed or hit.value or "(the alert does not say which value)"
    out.say(f"hit {hit.id}  {shown}  {hit.status}", style="bold")
    for name, text in (
        ("indicator", f"{hit.value} ({hit.type})" if hit.value else f"one of {hit.type}"),
        ("seen in", f"{hit.buffer} on sensor {hit.sensor}"),
        ("client", hit.client),
        ("server", hit.server),
        ("first seen", moment(hit.first_seen)),
        ("last seen", moment(hit.last_seen)),
        ("times", f"{hit.count:,}"),
        ("found", _found(hit)),
    ):
        out.say(f"  {name:<11} {text}")
    _show_contexts(out, hit)
    for mark in card.marks:
        note = f": {mark.note}" if mark.note else ""
        out.say(f"  {moment(mark.at)}  {mark.who}: {mark.status}{note}")
    _show_sightings(out, card)


def _found(hit: HitRecord) -> str:
    if hit.origin != "retro":
        return "by an alert" if hit.origin == "live" else "by reading the sensor's events"
    hosts = f"{hit.hosts:,} hosts showed it" if hit.hosts else "by whom else is no longer known"
    return f"by a hunt in the past; {hosts}; live alert: {hit.live}"


def _show_contexts(out: Output, hit: HitRecord) -> None:
    if not hit.contexts:
        out.say("  no source lists it any more")
    for claim in hit.contexts:
        out.say(f"  {claim['source']}: {claim['info'] or '-'}")
        about = [
            ("event", claim["event"]),
            ("attribute", claim["ref"]),
            ("by", claim["organisation"]),
            ("TLP", claim["tlp"]),
            ("threat level", claim["threat_level"]),
            ("date", claim["date"]),
            ("tags", ", ".join(claim["tags"])),
            ("comment", claim["comment"]),
            ("see", claim["url"]),
        ]
        for name, text in about:
            if text:
                out.say(f"    {name:<13} {text}")


def _show_sightings(out: Output, card: Card) -> None:
    for one in card.sightings[:_SIGHTINGS_SHOWN]:
        said = one.sighting
        at = moment(datetime.fromtimestamp(said.at, UTC))
        why = f": {one.reason}" if one.reason else ""
        kind = _KINDS.get(said.type, str(said.type))
        out.say(f"  told {said.source}: {kind} {at} as '{said.says}', {one.state}{why}")
    if len(card.sightings) > _SIGHTINGS_SHOWN:
        out.say(f"  and {len(card.sightings) - _SIGHTINGS_SHOWN:,} more sightings")


@click.command("mark")
@click.argument("numbers", type=int, nargs=-1, required=True, metavar="ID...")
@click.argument("status", type=STATUSES)
@click.option("--note", default="", metavar="TEXT", help="Why; others will ask.")
@click.option("--by", default="", metavar="NAME", help="Who says so (default: your login).")
@with_output
def mark_command(out: Output, numbers: tuple[int, ...], status: str, *, note: str, by: str) -> None:
    """Say what hits are: new, investigating, confirmed or false-positive.

    MISP is told of a false positive (a sighting of type 1), if it is told at all.
    """
    with hub() as opened:
        done = mark_hits(opened, numbers, Status(status), who=by or login(), note=note)
        told = opened.settings.feedback.sources
    noun = "hit is" if len(done.hits) == 1 else "hits are"
    out.good(f"{len(done.hits):,} {noun} {status}")
    if status == Status.FALSE_POSITIVE.value:
        _say_false(out, done, told=bool(told))
    if done.withdrawn:
        out.say(f"     {done.withdrawn:,} false-positive sightings had not left yet and will not")
    if done.stays:
        out.warn(
            f"{done.stays:,} false-positive sightings have left: MISP keeps them; delete them there"
        )
    out.result(done)


def _say_false(out: Output, done: Marked, *, told: bool) -> None:
    if done.told:
        out.say(f"     MISP will be told: {done.told:,} false-positive sightings")
    elif not told:
        out.say("     No MISP is told: [feedback] sources is empty")
    if done.indicators:
        out.say("     It goes on alerting. To end that, for good or until somebody looks at it:")
    for value in done.indicators[:3]:
        out.say(f"       vedette allow add {shlex.quote(value)} --exact --why TEXT")
        out.say(f"       vedette indicator hold {shlex.quote(value)} --why TEXT")
