"""``vedette bundle rollback``: the whole fleet back to an older generation, in seconds."""

from __future__ import annotations

import time
from collections.abc import Sequence

import click

from vedette.bundle.generation import rollback
from vedette.cli.common import hub, with_output
from vedette.cli.output import Output
from vedette.cli.ruling_options import login
from vedette.cli.sensor_list import state_text
from vedette.cli.sensor_push import leave, push_all
from vedette.pipeline.announcing import announce
from vedette.pipeline.delivering import pushed_sensors
from vedette.pipeline.hub import Hub
from vedette.pipeline.standing import Standing, standings
from vedette.sensor.wire import State

_POLL_S = 0.2
_ABSENT = {State.SILENT, State.NEVER}


@click.command("rollback")
@click.argument("generation", type=int)
@click.option("--why", default="", metavar="TEXT", help="For whoever wonders.")
@click.option(
    "--wait",
    "wait_s",
    default=10,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for the proof of agents.",
)
@with_output
def rollback_command(out: Output, generation: int, why: str, wait_s: int) -> None:
    """Put all sensors back to an older generation, canaries and others, at once.

    Sensors that the hub reaches are pushed to now; agents hear of it within a second. It stays
    until a build publishes new content.
    """
    with hub() as opened:
        found = rollback(opened.settings.bundles, generation)
        reason = f"rollback: {why}" if why else "rollback"
        serial = announce(opened, found, login(), reason, at_once=True).read().serial
        out.good(f"generation {found.number} is current until a build publishes new content")
        out.say(
            "     What is wrong and still listed comes back with it. Until it is held or allowed:"
            " vedette rollout pause"
        )
        names = [one.name for one in pushed_sensors(opened)]
        pushed, failed = push_all(out, opened, names) if names else ([], [])
        others = _wait(opened, names, wait_s)
    _show_others(out, others)
    out.result(
        {
            "generation": found.number,
            "serial": serial,
            "pushed": pushed,
            "failed": failed,
            "others": [
                {"sensor": one.name, "state": one.state, "generation": one.generation}
                for one in others
            ],
        }
    )
    leave(failed, [one.proof for one in pushed])


def _wait(opened: Hub, pushed: Sequence[str], wait_s: int) -> list[Standing]:
    """Return how the sensors stand that were not pushed to, when they proved it or time is up."""
    deadline = time.monotonic() + wait_s
    while True:
        others = [one for one in standings(opened) if one.name not in pushed]
        waited_for = [one for one in others if one.state not in {State.PROVED, *_ABSENT}]
        if not waited_for or time.monotonic() >= deadline:
            return others
        time.sleep(_POLL_S)


def _show_others(out: Output, others: Sequence[Standing]) -> None:
    for one in others:
        text = f"{one.name}: {state_text(one.state)}, generation {one.generation or 'unknown'}"
        if one.state is State.PROVED:
            out.good(text)
        else:
            out.warn(f"{text}: {one.why}" if one.why else text)
