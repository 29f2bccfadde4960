"""``vedette notify``: who is told of what needs a person."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import click

from vedette.cli.common import hub, with_output
from vedette.cli.output import Output, moment
from vedette.config import Settings
from vedette.notify.sending import send
from vedette.pipeline.notifying import targets_of
from vedette.store.messages import Message


def _say_nobody(out: Output, settings: Settings) -> None:
    file = settings.notify.targets_file
    why = f"{file} names no target." if file else "[notify] targets_file is not set."
    out.say(f"Nobody is told of anything: {why}")


@click.group()
def notify() -> None:
    """Messages to people: webhooks, mail, chats."""


@notify.command()
@with_output
def test(out: Output) -> None:
    """Send a message to each target, and say which of them took it."""
    with hub() as opened:
        targets = targets_of(opened.settings)
        settings = opened.settings
    message = Message(
        kind="hit",
        title="Vedette: a test",
        body="This is what a message looks like.\n  Nothing happened.\n  vedette notify status",
        is_bad=False,
        at=int(time.time()),
    )
    errors: dict[str, str] = {}
    for target in targets:
        with out.progress(f"telling {target.name}"):
            errors[target.name] = send(target, message)
        if error := errors[target.name]:
            out.bad(f"{target.name}: {error}")
        else:
            out.good(f"{target.name} took it")
    if not targets:
        _say_nobody(out, settings)
    out.result(errors)
    if any(errors.values()):
        click.get_current_context().exit(1)


@notify.command()
@with_output
def status(out: Output) -> None:
    """Show for each target what it has, what waits and what failed, and the last messages."""
    with hub() as opened:
        targets = targets_of(opened.settings)
        states = {one.name: opened.store.messages.state(one.id) for one in targets}
        last = opened.store.messages.last()
        waiting = opened.store.news.waiting()
        settings = opened.settings
    if targets:
        out.table(
            ("target", "waiting", "delivered", "given up", "error"),
            [
                (name, one.waiting, one.delivered, one.given_up, one.error)
                for name, one in states.items()
            ],
            last_gives_way=True,
        )
    else:
        _say_nobody(out, settings)
    if waiting:
        out.say(f"{waiting:,} indicators have news that was not told yet")
    for message in last:
        out.say(f"{moment(datetime.fromtimestamp(message.at, UTC))}  {message.title}")
    out.result({"targets": states, "untold": waiting, "messages": last})
