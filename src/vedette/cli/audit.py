"""``vedette audit``: who changed what, when and from where, and what followed from it."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from vedette.cli.choices import limit_of, moment_of
from vedette.cli.common import hub, with_output
from vedette.cli.output import Output
from vedette.store import Happened

_FINE = {True: "ok", False: "failed", None: ""}


@click.command()
@click.option("--subject", default="", metavar="NAME", help="Only of this sensor, source, token...")
@click.option("--since", default="", metavar="WHEN", help="An age (24h) or a time (UTC).")
@click.option(
    "--people", is_flag=True, help="Only what people and holders of tokens did, or tried to."
)
@click.option("--long", "is_long", is_flag=True, help="With the arguments of each command.")
@click.option("--limit", default=50, show_default=True, callback=limit_of)
@with_output
def audit(
    out: Output, subject: str, since: str, limit: int, *, people: bool, is_long: bool
) -> None:
    """Show who changed what, when and from where; and what Vedette did by itself.

    Commands, refused tokens, announcements, roll-outs and changes of sensors' states in one line of
    time, the newest first. Nothing in it can be changed or deleted.
    """
    moment = moment_of(since)
    with hub() as opened:
        found = opened.store.timeline.last(
            subject=subject,
            since=int(moment.timestamp()) if moment else 0,
            limit=limit,
            people=people,
        )
    heads = ("at (UTC)", "who", "from", "what", "subject", "result")
    rows = [
        (
            datetime.fromtimestamp(one.at, UTC),
            one.who,
            one.origin,
            one.what,
            one.subject,
            _result(one, is_long=is_long),
        )
        for one in found
    ]
    out.table(heads, rows, last_gives_way=True)
    if not found:
        out.say("Nothing." if subject or since else "Nothing was changed yet.")
    out.result(found)


def _result(one: Happened, *, is_long: bool) -> str:
    """Say how it ended, and why."""
    if one.kind == "deed" and one.ok is None:
        text = "began; it runs, or was killed"
    else:
        text = ": ".join(filter(None, (_FINE[one.ok], one.why)))
    arguments = one.detail.get("arguments", {}) if is_long else {}
    shown = " ".join(f"{name}={_shown(value)}" for name, value in arguments.items())
    return f"{text} ({shown})" if shown else text


def _shown(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
