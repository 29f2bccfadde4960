"""The roll-out in force: looked at every moment, and changed by people.

What comes next is decided in :mod:`vedette.pipeline.rollout_steps`; here it is read and written,
always under the lock ``rollout``.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
import structlog

from vedette.bundle.generation import Generation, open_generation, rollback
from vedette.config import parse_duration
from vedette.errors import BundleError, UsageError
from vedette.pipeline import rollout_steps as steps
from vedette.pipeline.announcing import (
    CANARY,
    InForce,
    add,
    announce_current,
    announce_inside,
    announcing,
    fallbacks,
    in_force,
)
from vedette.pipeline.hub import Hub
from vedette.pipeline.standing import bare_state, is_pushed, silent_after_s
from vedette.sensor.wire import State
from vedette.store import (
    AnnouncementRecord,
    HitRecord,
    RolloutRecord,
    StateRecord,
)

log = structlog.get_logger(__name__)

STOPPED = "stopped: "
"""How a reason begins that no person gave."""
_ROLLOUT = "vedette"
_MINUTE_S = 60
_AHEAD_MINUTES = 1
"""By so much a sensor's clock may be ahead of ours before its alerts are not believed."""
_HITS = 100_000


def roll(hub: Hub, now: int = 0) -> RolloutRecord | None:
    """Look at the roll-out in force once, and let it go on or stop it.

    Returns:
        What is in force then; None: nothing was ever announced.

    Raises:
        BusyError: Another process announces and does not come to an end.
        BundleError: What it has to go back to cannot be read.
        TrustError: There is no key to sign with.
    """
    now = now or int(time.time())
    told = in_force(hub)
    if told is None or told.rollout.state not in {"canary", "watch"}:
        return told.rollout if told else None
    if _step(hub, told, now) == steps.Step(told.rollout):
        return told.rollout
    with announcing(hub):
        told = in_force(hub)
        if told is None:
            return None
        after = _step(hub, told, now)
        if after.stop:
            return _stop(hub, told, after.stop, now, by=_ROLLOUT)
        _write(hub, told.rollout, after.rollout)
        return after.rollout


def _step(hub: Hub, told: InForce, now: int) -> steps.Step:
    return steps.step(told.rollout, facts(hub, told, now), limits(hub), now)


def _write(hub: Hub, before: RolloutRecord, after: RolloutRecord) -> None:
    if after == before:
        return
    hub.store.rollouts.change(after)
    if after.state != before.state:
        log.info("rollout.changed", serial=after.serial, was=before.state, state=after.state)


def limits(hub: Hub) -> steps.Limits:
    """Return the settings of ``[rollout]``."""
    chosen = hub.settings.rollout
    return steps.Limits(
        soak_s=parse_duration(chosen.soak),
        proof_timeout_s=parse_duration(chosen.proof_timeout),
        alerts_per_minute=chosen.alerts_per_minute,
        watch_s=parse_duration(chosen.watch),
    )


def facts(hub: Hub, told: InForce, now: int) -> list[steps.Fact]:
    """Return what is known of each sensor, as the roll-out needs it."""
    states = hub.store.reports.states()
    return [
        _fact(hub, told, name, settings, states.get(name), now=now)
        for name, settings in hub.store.fleet.settings().items()
    ]


def _fact(
    hub: Hub,
    told: InForce,
    sensor: str,
    settings: Mapping[str, Any],
    record: StateRecord | None,
    *,
    now: int,
) -> steps.Fact:
    state = bare_state(
        record,
        told.newest,
        asked_here=is_pushed(settings),
        now=now,
        silent_after_s=silent_after_s(hub),
    )
    holds = state is State.PROVED
    alerts: dict[int, int] = {}
    if record is not None and holds:
        begun = max(record.since, told.rollout.started_at)
        found = hub.store.reports.rates(sensor, since=begun)
        # What lies ahead was counted before our clock was put back, and is of another generation.
        last = now // _MINUTE_S + _AHEAD_MINUTES
        alerts = {_MINUTE_S * minute: n for minute, n in found.items() if minute <= last}
    return steps.Fact(
        sensor=sensor,
        is_canary=settings.get("ring") == CANARY,
        holds=holds,
        since=record.since if record else 0,
        alerts=alerts,
    )


def _stop(hub: Hub, told: InForce, why: str, now: int, *, by: str) -> RolloutRecord:
    """Put everybody back, or freeze it if that is wanted or there is nothing to go back to."""
    back = _way_back(hub) if hub.settings.rollout.on_stop == "rollback" or by != _ROLLOUT else None
    if back is None:
        after = steps.paused(told.rollout, f"{STOPPED}{why}")
        _write(hub, told.rollout, after)
    else:
        after = steps.stopped(told.rollout, why, now)
        add(
            hub,
            back,
            by,
            f"{STOPPED}{why}",
            at_ms=time.time_ns() // 1_000_000,
            then=lambda _: hub.store.rollouts.change_inside(after),
        )
    log.error(
        "rollout.stopped",
        generation=told.newest.generation,
        why=why,
        back_to=back.number if back else None,
        hint="vedette rollout show",
    )
    return after


def _way_back(hub: Hub) -> Generation | None:
    """Return a generation that is whole and was told before, and make it the current one."""
    for record in fallbacks(hub):
        try:
            return rollback(hub.settings.bundles, record.generation)
        except BundleError as error:
            log.warning("rollout.no_way_back", generation=record.generation, error=str(error))
    return None


# -- people -------------------------------------------------------------------------------


class Noisy(msgspec.Struct, frozen=True, kw_only=True):
    """An indicator and its alerts."""

    type: str
    value: str
    alerts: int
    """Of all groups that were seen since; those of before are counted with them."""
    hosts: int
    sensors: tuple[str, ...]
    is_new: bool
    """Whether it was seen for the first time since."""


class Let(NamedTuple):
    """What a person's decision led to."""

    rollout: RolloutRecord
    announced: int
    """Generation that was announced by it; 0: none."""


def pause(hub: Hub, why: str) -> RolloutRecord:
    """Freeze the roll-out; nothing newer is announced either, until :func:`resume`.

    Raises:
        UsageError: Nothing is rolled out yet, or it is held already.
        BusyError: Another process announces and does not come to an end.
    """
    with announcing(hub):
        rollout = _in_force(hub).rollout
        if rollout.is_held:
            raise UsageError(
                f"the roll-out is {rollout.state} already", hint="See: vedette rollout show"
            )
        after = steps.paused(rollout, why)
        _write(hub, rollout, after)
        return after


def resume(hub: Hub, who: str, *, again: bool = False, now: int = 0) -> Let:
    """Let a roll-out that is held go on, and announce what was built meanwhile.

    Args:
        hub: The open state directory.
        who: Decides that.
        again: Roll out once more what was stopped, canaries first.
        now: Epoch seconds; 0: the present.

    Raises:
        UsageError: Nothing is held, or nothing was stopped.
        BundleError: The generation is not on disk any more.
        TrustError: There is no key to sign with.
        BusyError: Another process announces and does not come to an end.
    """
    now = now or int(time.time())
    with announcing(hub):
        told = _in_force(hub)
        rollout = told.rollout
        if not rollout.is_held:
            raise UsageError("nothing is held", hint="See: vedette rollout show")
        if again and rollout.phase != "stopped":
            raise UsageError("nothing was stopped", hint="Without --again it just goes on.")
        after = steps.resumed(rollout, now)
        _write(hub, rollout, after)
        if again:
            stopped = hub.store.announcements.get(rollout.serial)
            number = stopped.generation if stopped else 0
            generation = rollback(hub.settings.bundles, number)
            announce_inside(hub, generation, who, f"resumed: generation {number} again")
            return Let(_in_force(hub).rollout, number)
    announced = announce_current(hub, who)
    last = hub.store.rollouts.last() or after
    return Let(last, announced.read().generation if announced else 0)


def promote(hub: Hub, now: int = 0) -> RolloutRecord:
    """Give what canaries have to everybody now.

    Raises:
        UsageError: Nothing is with canaries alone.
        BusyError: Another process announces and does not come to an end.
    """
    with announcing(hub):
        rollout = _in_force(hub).rollout
        if rollout.phase != "canary":
            raise UsageError(
                "no generation is with the canaries alone",
                hint="What is announced is told to all sensors already: vedette rollout show",
            )
        after = steps.spread(rollout, now or int(time.time()))
        _write(hub, rollout, after)
        return after


def stop(hub: Hub, who: str, why: str, now: int = 0) -> RolloutRecord:
    """Stop the roll-out and put everybody back.

    Raises:
        UsageError: It is over or was stopped.
        BundleError: What it has to go back to cannot be read.
        TrustError: There is no key to sign with.
        BusyError: Another process announces and does not come to an end.
    """
    with announcing(hub):
        told = _in_force(hub)
        if told.rollout.phase not in {"canary", "watch"}:
            raise UsageError(
                f"the roll-out is {told.rollout.state} already",
                hint="To put the fleet back to an older one: vedette bundle rollback N",
            )
        return _stop(hub, told, why, now or int(time.time()), by=who)


def _in_force(hub: Hub) -> InForce:
    told = in_force(hub)
    if told is None:
        raise UsageError("nothing was announced yet", hint="Run: vedette bundle build")
    return told


def waiting(hub: Hub) -> int:
    """Return the number of a generation that was built and is not announced; 0: there is none."""
    told, current = in_force(hub), open_generation(hub.settings.bundles)
    if told is None or current is None or current.number == told.newest.generation:
        return 0
    return current.number


class Overview(NamedTuple):
    """The roll-out in force, for people."""

    rollout: RolloutRecord
    newest: AnnouncementRecord
    """What is told to canaries, or to all."""
    others: AnnouncementRecord | None
    """What is told to the others."""
    of: int
    """The generation that is, or was, rolled out."""
    waiting: int
    """A generation that was built and waits; 0: none."""


def overview(hub: Hub) -> Overview | None:
    """Return how the roll-out stands; None: nothing was ever announced."""
    told = in_force(hub)
    if told is None:
        return None
    spreads = hub.store.announcements.get(told.rollout.serial) or told.newest
    return Overview(told.rollout, told.newest, told.others, spreads.generation, waiting(hub))


def noisiest(hub: Hub, rollout: RolloutRecord, *, limit: int = 10) -> list[Noisy]:
    """Return the indicators with most alerts among those seen since a roll-out began."""
    since = datetime.fromtimestamp(rollout.started_at, UTC)
    alerts: dict[tuple[str, str], list[HitRecord]] = {}
    for hit in hub.store.fleet.hits(since=since, origins=["live"], limit=_HITS):
        alerts.setdefault((hit.type, hit.value or hit.observed), []).append(hit)
    found = [
        Noisy(
            type=kind,
            value=value,
            alerts=sum(hit.count for hit in hits),
            hosts=len({hit.client for hit in hits}),
            sensors=tuple(sorted({hit.sensor for hit in hits})),
            is_new=all(hit.first_seen >= since for hit in hits),
        )
        for (kind, value), hits in alerts.items()
    ]
    return sorted(found, key=lambda one: (not one.is_new, -one.alerts))[:limit]
