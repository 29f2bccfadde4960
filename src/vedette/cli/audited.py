"""Which commands change something, and which only ask: each command is in one of these tables.

A command that changes something is made to write who ran it; nothing of the hub is imported before.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, NamedTuple

import click

_SUBJECT = "vedette.audit.subject"


class Change(NamedTuple):
    """What a command changes."""

    what: str
    subject: str = "name"
    """The parameter that names what it is done to, or several, of which the first one given counts;
    ``""``: there is none."""


CHANGING: dict[str, Change] = {
    "allow add": Change("what never alerts", "values"),
    "allow remove": Change("what never alerts", "values"),
    "backup": Change("makes a copy of the database and of the keys", "file"),
    "bundle build": Change("what is published", ""),
    "bundle export": Change("carries a generation away", "path"),
    "bundle rollback": Change("what is published, and what the fleet is told", "generation"),
    "deny add": Change("what alerts whatever the guard thinks", "values"),
    "deny remove": Change("what alerts whatever the guard thinks", "values"),
    "feedback send": Change("what MISPs were told", ""),
    "hit mark": Change("what a hit is judged to be, and what MISP is told", "numbers"),
    "hit read": Change("which hits are known", "names"),
    "hunt new": Change("which retro hits are known", ""),
    "hunt remove": Change("the saved hunts"),
    "hunt run": Change("which runs of hunts are kept", "what"),
    "indicator hold": Change("what is withheld from the sensors", "values"),
    "indicator import": Change("what is listed", "name|file"),
    "indicator release": Change("what is withheld from the sensors", "values"),
    "key rotate": Change("which key signs, and which keys are trusted", ""),
    "notify test": Change("sends a message to every target", ""),
    "pool expire": Change("how much of the past is kept", ""),
    "pool ingest": Change("what is remembered", "places"),
    "rollout pause": Change("what the fleet is told", ""),
    "rollout promote": Change("what the fleet is told", ""),
    "rollout resume": Change("what the fleet is told", ""),
    "rollout stop": Change("what the fleet is told", ""),
    "run": Change("everything, by itself", ""),
    "sensor add": Change("the sensors"),
    "sensor enrol": Change("the sensors, and who may fetch and report"),
    "sensor push": Change("what a sensor holds", "names"),
    "sensor remove": Change("the sensors"),
    "sensor set": Change("the sensors"),
    "serve": Change("answers whoever has a token", ""),
    "source add list": Change("the sources", "name|location"),
    "source add misp": Change("the sources", "name|url"),
    "source add misp-feed": Change("the sources", "name|location"),
    "source add preset": Change("the sources"),
    "source add stix": Change("the sources", "name|location"),
    "source add taxii": Change("the sources", "name|url"),
    "source pull": Change("what is listed", "names"),
    "source remove": Change("the sources, and what they listed"),
    "source rules": Change("how a source is judged"),
    "source set": Change("the sources"),
    "token add": Change("who may fetch and report", "sensor"),
    "token revoke": Change("who may fetch and report", "token"),
    "warninglist update": Change("which warning lists are in force", "place"),
}
"""Commands that change something of the hub or of a sensor, or send something in its name."""

READING: frozenset[str] = frozenset(
    {
        "allow list",
        "audit",
        "bundle diff",
        "bundle show",
        "bundle verify",
        "coverage",
        "deny list",
        "feedback preview",
        "feedback status",
        "hit list",
        "hit show",
        "hunt list",
        "hunt show",
        "indicator list",
        "indicator show",
        "key export",
        "key show",
        "notify status",
        "pool export",
        "pool schema",
        "pool status",
        "rollout history",
        "rollout show",
        "sensor doctor",
        "sensor list",
        "sensor prove",
        "sensor show",
        "sighting export",
        "sighting list",
        "sighting show",
        "source list",
        "source presets",
        "source show",
        "source test",
        "token list",
        "warninglist check",
        "warninglist list",
    }
)
"""Commands that only ask; a proof that they get is kept like each one that ``vedette run`` gets."""

APART: dict[str, str] = {
    "agent": "stands on a sensor, without a hub; what it does is in its reports",
    "agent doctor": "stands on a sensor, without a hub",
    "agent prove": "stands on a sensor, without a hub",
    "agent status": "stands on a sensor, without a hub",
    "bundle import": "stands on a sensor, without a hub",
    "demo": "has a hub of its own, which it throws away",
    "init": "makes the hub; it writes a row when there is one",
    "restore": "makes the hub; it writes a row when there is one",
}
"""Commands that find no hub to write to, with the reason."""


def commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    """Yield every command below one (or itself) that does something, with its path: `sensor add`.

    Args:
        command: A command or a group of them.
        path: Its own; ``""`` for the root.
    """
    if not isinstance(command, click.Group):
        yield path, command
        return
    if command.invoke_without_command:
        yield path, command
    for name in sorted(command.commands):
        yield from commands(command.commands[name], f"{path} {name}".strip())


def attach(command: click.Command, path: str) -> None:
    """Have every changing command below one (or itself) write who ran it."""
    for full, one in commands(command, path):
        if full in CHANGING and one.callback is not None:
            one.callback = _audited(full, CHANGING[full], one.callback)


def is_about(subject: str) -> None:
    """Say what the running command is done to, where its arguments do not name it."""
    click.get_current_context().meta[_SUBJECT] = subject


def _audited(path: str, change: Change, callback: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(callback)
    def command(*args: Any, **kwargs: Any) -> Any:
        auditing = import_module("vedette.cli.auditing")
        context = click.get_current_context()
        given = (context.params.get(name) for name in change.subject.split("|"))
        number = auditing.begin(path, next(filter(None, given), None), context.params)
        try:
            result = callback(*args, **kwargs)
        except BaseException as error:
            auditing.end(number, error, context.meta.get(_SUBJECT, ""))
            raise
        auditing.end(number, None, context.meta.get(_SUBJECT, ""))
        return result

    return command
