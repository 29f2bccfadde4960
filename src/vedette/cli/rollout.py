"""``vedette rollout``: how a new generation spreads, and a hand on the brake."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click
import msgspec

from vedette.cli.common import hub, with_output
from vedette.cli.output import Output, moment
from vedette.cli.rollout_lines import phase_text, show_news, span
from vedette.cli.ruling_options import login
from vedette.cli.sensor_list import generation_text, shortened, state_text
from vedette.pipeline import rolling
from vedette.pipeline.rolling import Noisy, Overview
from vedette.pipeline.standing import Standing, standings


@click.group()
def rollout() -> None:
    """See and steer how new generations spread: canaries first, then the others."""


@rollout.command()
@with_output
def show(out: Output) -> None:
    """Show the roll-out in force, how each sensor stands, and what alerts most."""
    with hub() as opened:
        one = rolling.overview(opened)
        found = standings(opened)
        noisy = rolling.noisiest(opened, one.rollout) if one else []
        limits = rolling.limits(opened)
    if one is None:
        out.say("Nothing was announced yet. Run: vedette bundle build")
        out.result(None)
        return
    show_news(out, one)
    out.say(
        f"generation {one.of}: {phase_text(one)}, since {span(_since(one))}",
        style="bold",
    )
    _show_progress(out, one, limits.soak_s)
    _show_sensors(out, found)
    _show_noisy(out, noisy)
    out.result(_document(one, found, noisy))


def _since(one: Overview) -> int:
    return one.rollout.ended_at if one.rollout.state == "stopped" else one.rollout.started_at


def _show_progress(out: Output, one: Overview, soak_s: int) -> None:
    rollout_, others = one.rollout, one.others
    out.say(f"  announced {moment(_utc(one.newest.at))} by {one.newest.who}: {one.newest.why}")
    if rollout_.phase == "canary":
        proved = f"all proved for {span(rollout_.proved_at)}" if rollout_.proved_at else "not all"
        out.say(f"  canaries: {proved}; needed {soak_s} s without a break")
        out.say(f"  the others: {f'generation {others.generation}' if others else 'nothing yet'}")
    elif rollout_.state == "stopped":
        until = "" if rollout_.is_held else " until a build publishes new content"
        out.say(f"  all sensors are told generation {one.newest.generation}{until}")
    elif rollout_.spread_at:
        out.say(f"  told to all sensors {moment(_utc(rollout_.spread_at))}")
    if one.waiting and not rollout_.is_held:
        out.say(f"  built and not announced: generation {one.waiting}")


def _show_sensors(out: Output, found: Sequence[Standing]) -> None:
    rows = [
        (
            one.name,
            one.ring or "-",
            state_text(one.state),
            generation_text(one),
            max(one.alerts.values(), default=0),
            shortened(one.why) or "-",
        )
        for one in found
    ]
    columns = ("sensor", "ring", "state", "generation", "most alerts a minute", "why")
    out.table(columns, rows, last_gives_way=True)


def _show_noisy(out: Output, noisy: Sequence[Noisy]) -> None:
    if not noisy:
        return
    out.say("Most alerts among what was seen since it began:")
    rows = [
        (
            one.type,
            one.value,
            one.alerts,
            one.hosts,
            "yes" if one.is_new else "no",
            ", ".join(one.sensors),
        )
        for one in noisy
    ]
    out.table(("type", "indicator", "alerts", "hosts", "new", "sensors"), rows)


def _document(one: Overview, found: Sequence[Standing], noisy: Sequence[Noisy]) -> dict[str, Any]:
    rollout_ = one.rollout
    return {
        "generation": one.of,
        "serial": rollout_.serial,
        "state": rollout_.state,
        "was": rollout_.was,
        "why": rollout_.why,
        "held": rollout_.is_held,
        "told": one.newest.generation,
        "told_others": one.others.generation if one.others else None,
        "waiting": one.waiting or None,
        "started_at": _utc(rollout_.started_at),
        "proved_at": _utc(rollout_.proved_at),
        "spread_at": _utc(rollout_.spread_at),
        "ended_at": _utc(rollout_.ended_at),
        "sensors": [
            {
                "name": sensor.name,
                "ring": sensor.ring,
                "state": sensor.state,
                "why": sensor.why,
                "generation": sensor.generation,
                "wanted": sensor.wanted,
                "alerts": sensor.alerts,
            }
            for sensor in found
        ],
        "noisiest": noisy,
    }


def _utc(at: int) -> datetime | None:
    return datetime.fromtimestamp(at, UTC) if at else None


@rollout.command()
@click.option("--why", default="", metavar="TEXT", help="For whoever wonders.")
@with_output
def pause(out: Output, why: str) -> None:
    """Freeze it: sensors keep what they are told, and nothing newer is announced until resume."""
    with hub() as opened:
        after = rolling.pause(opened, why or f"by {login()}")
    out.good("paused: nothing newer is told to anybody")
    out.say("To go on: vedette rollout resume")
    out.result(msgspec.to_builtins(after))


@rollout.command()
@click.option("--again", is_flag=True, help="Roll out once more what was stopped.")
@with_output
def resume(out: Output, *, again: bool) -> None:
    """Go on after a pause or a stop, and announce what was built meanwhile."""
    with hub() as opened:
        let = rolling.resume(opened, login(), again=again)
        one = rolling.overview(opened)
    if let.announced:
        out.good(f"generation {let.announced} is announced")
    elif one and one.rollout.state == "stopped":
        out.good(
            f"generation {one.newest.generation} stays until a build publishes new content;"
            f" generation {one.of} once more: vedette bundle rollback {one.of}"
        )
        out.say(
            "What is wrong and still listed comes back with that build. To hold it: vedette"
            " indicator hold VALUE --why TEXT"
        )
    elif one:
        out.good(f"generation {one.of}: {phase_text(one)}")
    out.result({"announced": let.announced or None, "rollout": msgspec.to_builtins(let.rollout)})


@rollout.command()
@with_output
def promote(out: Output) -> None:
    """Give what the canaries have to all sensors now, without waiting."""
    with hub() as opened:
        after = rolling.promote(opened)
        one = rolling.overview(opened)
    out.good(f"generation {one.of if one else '?'} is told to all sensors")
    out.result(msgspec.to_builtins(after))


@rollout.command()
@click.option("--why", default="", metavar="TEXT", help="For whoever wonders.")
@with_output
def stop(out: Output, why: str) -> None:
    """Stop it and put all sensors back to the generation before; `resume` lets newer ones go."""
    with hub() as opened:
        after = rolling.stop(opened, login(), why or f"by {login()}")
        one = rolling.overview(opened)
    if after.state == "stopped" and one:
        out.good(f"stopped; all sensors are told generation {one.newest.generation}")
    else:
        out.warn("there is nothing to go back to: paused")
    out.say("Newer generations wait for: vedette rollout resume")
    out.result(msgspec.to_builtins(after))


@rollout.command("history")
@click.option("--limit", default=20, show_default=True, help="So many.")
@with_output
def history_command(out: Output, limit: int) -> None:
    """List roll-outs: what was told when, by whom, and what became of it."""
    with hub() as opened:
        rollouts = {one.serial: one for one in opened.store.rollouts.history(limit=limit)}
        announced = opened.store.announcements.history(limit=limit)
    rows = [
        (
            moment(_utc(one.at)),
            one.generation,
            one.who,
            one.why,
            rollouts[one.serial].state if one.serial in rollouts else "put back",
            moment(_utc(rollouts[one.serial].spread_at)) if one.serial in rollouts else "at once",
            str(one.serial),
        )
        for one in announced
    ]
    out.table(("announced", "generation", "by", "why", "state", "to all", "serial"), rows)
    out.result(
        [
            {
                "serial": one.serial,
                "generation": one.generation,
                "at": _utc(one.at),
                "who": one.who,
                "why": one.why,
                "rollout": msgspec.to_builtins(rollouts[one.serial])
                if one.serial in rollouts
                else None,
            }
            for one in announced
        ]
    )
