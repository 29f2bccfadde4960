"""What becomes of a roll-out, given what sensors report: pure, a function of facts and the time.

Hard rule: the others are told a generation only after all canaries have proved it for the whole
soak, without a break, or a person said so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from vedette.store import RolloutRecord

_MINUTE_S = 60
_SEEN_S = 3 * _MINUTE_S
"""A generation that was everywhere for so long has shown in whole minutes what it does."""


class Fact(NamedTuple):
    """What is known of one sensor."""

    sensor: str
    is_canary: bool
    holds: bool
    """Whether it is proved, now, to hold what is rolled out."""
    since: int
    """When the state that it is in began, by our clock; epoch seconds."""
    alerts: Mapping[int, int] = {}
    """By the epoch second (of our clock) at which a minute begins."""


class Limits(NamedTuple):
    """The settings of ``[rollout]``, in seconds."""

    soak_s: int
    proof_timeout_s: int
    alerts_per_minute: int
    """0: no limit."""
    watch_s: int


class Step(NamedTuple):
    """What comes next."""

    rollout: RolloutRecord
    stop: str = ""
    """Why it has to be stopped; ``""``: it has not."""


def step(rollout: RolloutRecord, facts: Sequence[Fact], limits: Limits, now: int) -> Step:
    """Return the roll-out as it is from now on, or why it has to stop."""
    if rollout.state not in {"canary", "watch"}:
        return Step(rollout)
    told = [one for one in facts if one.is_canary or rollout.state == "watch"]
    if why := _flood(rollout, told, limits):
        return Step(rollout, why)
    if rollout.state == "watch":
        is_over = now - max(rollout.spread_at, rollout.resumed_at) >= limits.watch_s
        return Step(replace(rollout, state="done", ended_at=now) if is_over else rollout)
    return _canary(rollout, told, limits, now)


def _canary(rollout: RolloutRecord, canaries: list[Fact], limits: Limits, now: int) -> Step:
    lacking = [one for one in canaries if not one.holds]
    if lacking:
        begun = max(rollout.started_at, rollout.resumed_at)
        late = [one for one in lacking if now - max(begun, one.since) >= limits.proof_timeout_s]
        if late:
            names = ", ".join(one.sensor for one in late[:3])
            minutes = limits.proof_timeout_s / _MINUTE_S
            return Step(rollout, f"not proved on {names} within {minutes:g} minutes")
        return Step(replace(rollout, proved_at=0))
    proved_at = max([rollout.started_at, *(one.since for one in canaries)])
    if canaries and now - max(proved_at, rollout.resumed_at) < limits.soak_s:
        return Step(replace(rollout, proved_at=proved_at))
    return Step(spread(replace(rollout, proved_at=proved_at), now))


def spread(rollout: RolloutRecord, now: int) -> RolloutRecord:
    """Let the others have it from now on."""
    return replace(rollout, state="watch", was="", spread_at=now)


def _flood(rollout: RolloutRecord, told: list[Fact], limits: Limits) -> str:
    """Return which sensor alerts too much, counted in minutes that began after it was proved."""
    begun = max(rollout.started_at, rollout.resumed_at)
    worst = max(
        (
            (alerts, one.sensor)
            for one in told
            if one.holds
            for at, alerts in one.alerts.items()
            if at >= max(begun, one.since)
        ),
        default=(0, ""),
    )
    if not limits.alerts_per_minute or worst[0] <= limits.alerts_per_minute:
        return ""
    return f"{worst[0]:,} alerts a minute on {worst[1]}, limit {limits.alerts_per_minute:,}"


def stopped(rollout: RolloutRecord, why: str, now: int) -> RolloutRecord:
    """Return the roll-out after everybody was put back."""
    return replace(rollout, state="stopped", was="", ended_at=now, resumed_at=0, why=why)


def paused(rollout: RolloutRecord, why: str) -> RolloutRecord:
    """Freeze the roll-out as it is; of one that is over, what would come next."""
    phase = rollout.phase
    # What was stopped stays stopped: nobody shall ever be put back to it.
    was = "done" if phase in {"paused", "superseded"} else phase
    return replace(rollout, state="paused", was=was, why=why)


def resumed(rollout: RolloutRecord, now: int) -> RolloutRecord:
    """Let it go on. What happened before does not stop it again, and the soak begins anew."""
    if rollout.state == "stopped":
        return replace(rollout, resumed_at=now)
    return replace(rollout, state=rollout.was or "done", was="", resumed_at=now, why="")


def ways_back(history: Sequence[RolloutRecord], now: int) -> list[int]:
    """Return the serials that a stop of the first roll-out may go back to, the best first.

    Where it is with canaries alone, that is what the others have. Where it is everywhere, that is
    the newest one that was everywhere for some minutes: one that was built just before it may hold
    the same fault.

    Args:
        history: Roll-outs, the newest first.
        now: Epoch seconds.
    """
    if not history:
        return []
    previous = [history[0].previous] if history[0].previous else []
    if history[0].phase == "canary":
        return previous
    seen = next(_seen(history[1:], now), None)
    return [*([seen.serial] if seen else []), *previous]


def _seen(history: Sequence[RolloutRecord], now: int) -> Iterator[RolloutRecord]:
    for one in history:
        was_everywhere = one.spread_at > 0 and one.phase != "stopped"
        was_decided = one.spread_at == one.started_at == one.ended_at
        if was_everywhere and (was_decided or now - one.spread_at >= _SEEN_S):
            yield one
