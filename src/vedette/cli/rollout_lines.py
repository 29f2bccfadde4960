"""The roll-out in a few lines, for whoever looks at sensors."""

from __future__ import annotations

from datetime import UTC, datetime

from vedette.cli.output import Output
from vedette.pipeline.rolling import Overview
from vedette.pipeline.standing import ago


def show_news(out: Output, one: Overview) -> None:
    """Print what a person should know of the roll-out before anything else; often nothing."""
    rollout = one.rollout
    if rollout.state == "stopped" and rollout.is_held:
        out.bad(f"the roll-out of generation {one.of} was stopped: {rollout.why}")
        out.say(f"     All sensors are told generation {one.newest.generation}.")
        out.say(
            "     What alerted most: vedette rollout show. A wrong indicator: vedette indicator"
            " hold VALUE --why TEXT"
        )
        out.say(f"     {_next(one)}")
    elif rollout.state == "paused":
        out.warn(
            f"the roll-out of generation {one.of} is paused: {rollout.why or 'no reason given'}"
        )
        out.say(f"     {_next(one)}")
    elif rollout.state == "canary":
        others = f"generation {one.others.generation}" if one.others else "nothing yet"
        out.warn(f"generation {one.of} is with the canaries; the others are told {others}")
        if one.waiting:
            out.say(f"     Generation {one.waiting} waits until that is over.")


def _next(one: Overview) -> str:
    waits = f"Generation {one.waiting} is built and waits: " if one.waiting else "To go on: "
    return f"{waits}vedette rollout resume"


def phase_text(one: Overview) -> str:
    """Return what is going on, in a few words."""
    return {
        "canary": "with the canaries",
        "watch": "told to all sensors, and watched",
        "done": "told to all sensors",
        "stopped": "stopped",
        "paused": f"paused ({one.rollout.was})",
        "superseded": "superseded",
    }[one.rollout.state]


def span(since: int) -> str:
    """Return how long ago an epoch second was."""
    return ago(datetime.now(UTC).timestamp() - since)
