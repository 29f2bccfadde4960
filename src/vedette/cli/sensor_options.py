"""Options of ``sensor add`` and ``sensor set``, and the settings that they mean."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import click

from vedette.errors import UsageError
from vedette.pipeline.announcing import CANARY
from vedette.sensor.settings import Delivery, OnDrift

F = TypeVar("F", bound=Callable[..., Any])

_OTHERS = "others"
_PLACES = ("socket", "rules", "eve")


def place_options(function: F) -> F:
    """Where a sensor is and what is done with it; what is not given is None."""
    options = (
        click.option("--socket", metavar="S", help="The engine's unix command socket."),
        click.option("--rules", metavar="DIR", help="A directory for Vedette's rules alone."),
        click.option("--eve", metavar="FILE", help="Its eve.json, for hits."),
        click.option("--ssh", metavar="HOST", help="Reach it by ssh: user@host, or a Host of it."),
        click.option(
            "--ssh-options", metavar="TEXT", help="More options of ssh: '-p 2222 -i KEY'."
        ),
        click.option(
            "--ring",
            type=click.Choice([CANARY, _OTHERS]),
            help="canary: it gets new generations first.",
        ),
        click.option(
            "--on-drift",
            type=click.Choice([member.value for member in OnDrift]),
            help="What to do when it does not hold what it should (default: repair).",
        ),
        click.option(
            "--context/--no-context",
            default=None,
            help="Context in the alert itself (8.x; more memory).",
        ),
        click.option(
            "--test-command", multiple=True, metavar="WORD", help="suricata -T ..., word by word."
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def settings_of(given: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a sensor after a command changed some.

    Args:
        given: Options by name; what is None (or empty words) changes nothing.
        before: Its settings so far.

    Raises:
        UsageError: They cannot mean anything together.
    """
    settings = {**before, **_given(given)}
    delivery = Delivery(settings.get("delivery", Delivery.LOCAL))
    if given.get("ssh") and delivery in {Delivery.LOCAL, Delivery.SSH}:
        delivery = Delivery.SSH
        settings["delivery"] = delivery.value
    if not delivery.is_pushed:
        return settings
    for name in ("socket", "rules"):
        if not settings.get(name):
            raise UsageError(
                f"--{name} is missing: the hub reaches this sensor itself",
                hint="For one with an agent, or that fetches: vedette sensor enrol --help",
            )
    for name in _PLACES:
        if settings.get(name):
            settings[name] = _place(name, str(settings[name]), is_far=delivery is Delivery.SSH)
    return settings


def _given(given: Mapping[str, Any]) -> dict[str, Any]:
    known = {name: value for name, value in given.items() if value is not None and value != ()}
    if "ring" in known:
        known["ring"] = CANARY if known["ring"] == CANARY else ""
    if "ssh_options" in known:
        try:
            known["ssh_options"] = shlex.split(known["ssh_options"])
        except ValueError as error:
            raise UsageError(
                f"--ssh-options: {error}", hint="Write them as a shell takes them."
            ) from error
    if "test_command" in known:
        known["test_command"] = list(known["test_command"])
    return known


def _place(name: str, text: str, *, is_far: bool) -> str:
    if not is_far:
        return str(Path(text).absolute())
    if not PurePosixPath(text).is_absolute():
        raise UsageError(
            f"--{name} {text!r} is no absolute path", hint="It is a path on the sensor's machine."
        )
    return text
