"""How sources, sensors, the roll-out and feedback stand, in the words in which people are told."""

from __future__ import annotations

from collections.abc import Iterator

from vedette.config import parse_duration
from vedette.notify.wording import Condition
from vedette.pipeline.hub import Hub
from vedette.pipeline.rolling import STOPPED, Overview, overview
from vedette.pipeline.standing import Standing, standings
from vedette.sensor.wire import State

_PATIENCE_S = 3_600
"""A MISP that cannot be told for less is no news: it gets everything when it answers."""


def conditions(hub: Hub, now: int) -> Iterator[Condition]:
    """Yield everything that can go wrong, whether it has or not."""
    yield from _sources(hub)
    yield from _sensors(hub, now)
    yield from _rollout(hub)
    yield from _feedback(hub, now)


def _sources(hub: Hub) -> Iterator[Condition]:
    for source in hub.store.sources():
        pull = source.last_pull
        if pull is None:
            continue
        state = pull.outcome if pull.outcome in {"failed", "held"} else ""
        titles = {
            "": f"source {source.name} is read again",
            "failed": f"source {source.name} cannot be read",
            "held": f"source {source.name} is held",
        }
        text = pull.error or f"{pull.entries:,} entries"
        yield Condition(
            kind="source",
            subject=source.name,
            state=state,
            title=titles[state],
            text=f"{text}; what it said before stays in force" if state else text,
            command=f"vedette source show {source.name}",
        )


def _sensors(hub: Hub, now: int) -> Iterator[Condition]:
    patience_s = parse_duration(hub.settings.rollout.proof_timeout)
    for one in standings(hub, now):
        condition = _sensor(one)
        if condition is not None and not _is_on_its_way(one, now, patience_s):
            yield condition


def _is_on_its_way(one: Standing, now: int, patience_s: int) -> bool:
    """Whether a sensor is behind, but not for so long that a person has to look."""
    if one.state is not State.BEHIND:
        return False
    # A serial is the time of its announcement in milliseconds, if no clock went back.
    return now - one.wanted_serial // 1_000 < patience_s


def _sensor(one: Standing) -> Condition | None:
    holds = f"generation {one.generation}"
    states = {
        State.PROVED: ("", f"sensor {one.name} holds {holds}"),
        State.FETCHED: ("", f"sensor {one.name} fetched {holds}"),
        State.BEHIND: ("behind", f"sensor {one.name} stays at {holds}"),
        State.DRIFTED: ("failed", f"sensor {one.name} does not hold {holds}"),
        State.REFUSED: ("refused", f"sensor {one.name} refuses what it is told"),
        State.SILENT: ("silent", f"sensor {one.name} does not answer"),
    }
    if one.state not in states:
        return None  # it is being set up
    state, title = states[one.state]
    return Condition(
        kind="proof",
        subject=one.name,
        state=state,
        title=title,
        text=one.why if state else "proved",
        command=f"vedette sensor show {one.name}",
    )


def _rollout(hub: Hub) -> Iterator[Condition]:
    """Tell of each roll-out that stopped by itself; what people do they know."""
    one = overview(hub)
    stopped = _stopped(one) if one else None
    if stopped:
        yield stopped
    for kind, subject in hub.store.news.told():
        if one and kind == "rollout" and (stopped is None or subject != stopped.subject):
            yield Condition(
                kind="rollout",
                subject=subject,
                state="",
                title="new generations are rolled out again",
                text=f"generation {one.newest.generation} is told",
                command="vedette rollout show",
            )


def _stopped(one: Overview) -> Condition | None:
    why = one.rollout.why.removeprefix(STOPPED)
    is_put_back = one.rollout.state == "stopped"
    is_frozen = one.rollout.state == "paused" and why != one.rollout.why
    if not (one.rollout.is_held and (is_put_back or is_frozen)):
        return None
    now = f"all sensors are told generation {one.newest.generation}" if is_put_back else "paused"
    return Condition(
        kind="rollout",
        subject=str(one.rollout.serial),
        state="stopped",
        title=f"the roll-out of generation {one.of} was stopped",
        text=f"{why}; {now}; newer ones wait",
        command="vedette rollout show",
    )


def _feedback(hub: Hub, now: int) -> Iterator[Condition]:
    for source in hub.settings.feedback.sources:
        one = hub.store.outbox.addressee(source, now)
        is_down = 0 < one.failing_since < now - _PATIENCE_S
        state = "forbidden" if one.forbidden else "failed" if is_down else ""
        title = "takes no sightings" if state else "takes sightings"
        yield Condition(
            kind="feedback",
            subject=source,
            state=state,
            title=f"MISP {source} {title}",
            text=f"{one.error}; {one.waiting:,} wait" if state else f"{one.waiting:,} wait",
            command="vedette feedback status",
        )
        if one.refused:
            yield Condition(
                kind="feedback",
                subject=f"{source}/refused",
                state=str(one.refused),
                title=f"MISP {source} refused sightings for good",
                text="; ".join(
                    f"{n:,}: {reason}" for reason, n in hub.store.outbox.refusals(source).items()
                ),
                command="vedette feedback status",
            )
