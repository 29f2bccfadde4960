"""``vedette token``: who may fetch generations, report, and read metrics."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import click

from vedette.cli.auditing import who
from vedette.cli.common import hub, with_output
from vedette.cli.output import Output, moment
from vedette.config import parse_duration
from vedette.store.tokens import Scope, TokenRecord


@click.group()
def token() -> None:
    """Make, list and revoke the tokens that others ask the hub with."""


@token.command()
@click.option("--sensor", default="", metavar="NAME", help="Whose it is; none: of a tool.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice([scope.value for scope in Scope]),
    help="What it may do; can be given again.",
)
@click.option("--expires", metavar="TIME", help="After how long it opens nothing: 90d.")
@with_output
def add(out: Output, sensor: str, scopes: tuple[str, ...], expires: str | None) -> None:
    """Make a token and print it: it is shown this once, and kept nowhere.

    A tool that fetches without being a sensor (a mirror, a test) gets what the others get, after
    the canaries.
    """
    now = int(time.time())
    with hub() as opened:
        if sensor:
            opened.store.fleet.sensor(sensor)
        text = opened.store.tokens.add(
            sensor,
            map(Scope, scopes),
            by=who(),
            now=now,
            expires_at=now + parse_duration(expires) if expires else 0,
        )
    out.say(text)
    out.result({"token": text, "sensor": sensor, "scopes": sorted(scopes)})


@token.command("list")
@click.option("--sensor", metavar="NAME", help="Only those of this sensor.")
@click.option("--revoked", is_flag=True, help="Those that open nothing any more, too.")
@with_output
def list_command(out: Output, sensor: str | None, *, revoked: bool) -> None:
    """List tokens: whose they are, for what, when and from where they were used last."""
    now = int(time.time())
    with hub() as opened:
        every = opened.store.tokens.all(sensor)
    shown = [record for record in every if revoked or record.is_valid(now)]
    out.table(
        ("token", "sensor", "scopes", "made", "by", "used last", "from", "state"),
        [
            (
                record.id,
                record.sensor or "-",
                " ".join(sorted(record.scopes)),
                _moment(record.created_at),
                record.created_by,
                _moment(record.used_at),
                record.used_from or "-",
                _state(record, now),
            )
            for record in shown
        ],
    )
    if hidden := len(every) - len(shown):
        out.say(f"{hidden:,} more open nothing any more: --revoked")
    if not every:
        out.say("No tokens yet. See: vedette sensor enrol --help")
    out.result(shown)


@token.command()
@click.argument("token")
@with_output
def revoke(out: Output, token: str) -> None:
    """Make a token (its id, or all of it) open nothing, from the next request on."""
    name = token.removeprefix("vdt_")[:8]
    with hub() as opened:
        record = opened.store.tokens.revoke(name, by=who(), now=int(time.time()))
    out.good(f"token {record.id} opens nothing any more")
    if record.sensor:
        out.say(f"A new one for {record.sensor}: vedette sensor enrol {record.sensor} --again")
    out.result(record)


def _moment(at: int) -> str:
    return moment(datetime.fromtimestamp(at, UTC) if at else None)


def _state(record: TokenRecord, now: int) -> str:
    if record.revoked_at:
        return f"revoked {_moment(record.revoked_at)} by {record.revoked_by}"
    if not record.expires_at:
        return "valid"
    if record.expires_at <= now:
        return f"expired {_moment(record.expires_at)}"
    return f"valid until {_moment(record.expires_at)}"
