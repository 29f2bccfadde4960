"""How sensors stand now: what was said of each, beside what it is told to hold. Nothing is stored.

Hard rule: what is old is called old. An agent that was not heard of for three of its rounds is
silent, whatever its last word was.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import msgspec

from vedette.config import parse_duration
from vedette.pipeline.announcing import InForce, in_force
from vedette.pipeline.hub import Hub
from vedette.sensor.proof import Proof
from vedette.sensor.settings import Delivery
from vedette.sensor.wire import EngineState, Report, State
from vedette.store import AnnouncementRecord, SensorRecord, StateRecord

_NEVER = {
    Delivery.LOCAL: "nothing came into force there yet: vedette sensor doctor NAME",
    Delivery.SSH: "nothing came into force there yet: vedette sensor doctor NAME",
    Delivery.AGENT: "its agent never reported. Start it there; the command is lost? vedette sensor"
    " enrol NAME --again",
    Delivery.STICK: "it is on no network, so that nothing can be heard of it",
}
_NEVER_FETCHED = "it never fetched. Paste there what this prints: vedette sensor enrol NAME --again"
_ROUNDS = 3
_SILENT_MIN_S = 180


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """One sensor with all that is known of it."""

    name: str
    state: State
    why: str
    """For people; ``""`` when proved."""
    since: datetime | None
    """When this state began; None: never."""
    delivery: Delivery
    ring: str
    heard_at: datetime | None
    """When the last word came, by our clock."""
    heard_s: float
    """How long ago; -1: never."""
    heard_from: str
    clock_s: float
    """Its clock less ours."""
    generation: int
    """Held; 0: none that is known."""
    wanted: int
    """Told; 0: none yet."""
    serial: int
    """Of the announcement that it accepted last."""
    wanted_serial: int
    alerts: dict[str, int]
    """Of our rules by minute (ISO time, UTC), the last ten."""
    report: Report | None
    """The last one; its proof is in ``proof``."""
    proof: dict[str, Any] | None
    settings: dict[str, Any]
    created_at: datetime


def state_now(
    record: StateRecord | None,
    wanted: AnnouncementRecord | None,
    *,
    asked_here: bool,
    now: int,
    silent_after_s: int = _SILENT_MIN_S,
) -> tuple[State, str]:
    """Return in which state a sensor is now, and why.

    Args:
        record: The last that was said.
        wanted: What it is told.
        asked_here: The hub asks its engine itself, whenever it looks.
        now: Epoch seconds.
        silent_after_s: What an agent may be quiet for.
    """
    state = bare_state(
        record, wanted, asked_here=asked_here, now=now, silent_after_s=silent_after_s
    )
    if record is None:
        return state, "nothing was ever heard of it"
    if state is State.SILENT and record.state != State.SILENT:
        return state, f"not heard of for {ago(now - record.at)}"
    report = report_of(record)
    why = report.why if report else ""
    if wanted is not None and state is State.BEHIND and record.state != State.BEHIND:
        fetched = record.state == State.FETCHED
        problem = f": {why}" if why and not fetched else ""
        has = f"{'fetched' if fetched else 'holds'} generation {record.generation}"
        return state, f"{has}, told {wanted.generation}{problem}"
    return state, why


def bare_state(
    record: StateRecord | None,
    wanted: AnnouncementRecord | None,
    *,
    asked_here: bool,
    now: int,
    silent_after_s: int,
) -> State:
    """Return in which state a sensor is now, for whoever does not ask why."""
    if record is None:
        return State.NEVER
    state = State(record.state)
    if not asked_here and state is not State.FETCHED and now - record.at > silent_after_s:
        return State.SILENT
    holds_other = wanted is not None and record.content_id != wanted.content_id
    if holds_other and state in {State.PROVED, State.FETCHED}:
        return State.BEHIND
    return state


def report_of(record: StateRecord) -> Report | None:
    """Return what a sensor said last; None: a newer Vedette wrote it."""
    with suppress(msgspec.DecodeError):
        return msgspec.json.decode(record.report, type=Report)
    return None


def ago(seconds: float) -> str:
    """Return a span of time for people: ``40 s``, ``12 min``, ``5 h``, ``3 days``."""
    for unit, size, up_to in (("s", 1, 120), ("min", 60, 7_200), ("h", 3_600, 172_800)):
        if seconds < up_to:
            return f"{max(0, seconds) / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} days"


def delivery_of(settings: Mapping[str, Any]) -> Delivery:
    """Return how generations come to a sensor."""
    return Delivery(settings.get("delivery", Delivery.LOCAL))


def is_pushed(settings: Mapping[str, Any]) -> bool:
    """Whether the hub itself reaches its engine."""
    return delivery_of(settings).is_pushed


def silent_after_s(hub: Hub) -> int:
    """Return for how long an agent may be quiet."""
    return max(_SILENT_MIN_S, _ROUNDS * parse_duration(hub.settings.run.prove_every))


def standings(hub: Hub, now: int = 0) -> list[Standing]:
    """Return how each sensor stands, by name."""
    now = now or int(time.time())
    told, states = in_force(hub), hub.store.reports.states()
    return [
        _standing(hub, record, states.get(record.name), _told_to(told, record.settings), now)
        for record in hub.store.fleet.sensors()
    ]


def ahead(hub: Hub) -> list[str]:
    """Return the sensors that accepted a later announcement than any that this database knows.

    It was restored from an older copy; what it announces next is later still.
    """
    last = hub.store.announcements.last()
    newest = last.serial if last else 0
    states = hub.store.reports.states().values()
    return sorted(one.sensor for one in states if one.serial > newest)


def standing(hub: Hub, name: str, now: int = 0) -> Standing:
    """Return how one sensor stands.

    Raises:
        UsageError: There is none of that name.
    """
    record = hub.store.fleet.sensor(name)
    state = hub.store.reports.state_of(name)
    wanted = _told_to(in_force(hub), record.settings)
    return _standing(hub, record, state, wanted, now or int(time.time()))


def _told_to(told: InForce | None, settings: Mapping[str, Any]) -> AnnouncementRecord | None:
    return told.told_to(settings) if told else None


def _standing(
    hub: Hub,
    sensor: SensorRecord,
    record: StateRecord | None,
    wanted: AnnouncementRecord | None,
    now: int,
) -> Standing:
    settings = sensor.settings
    delivery = delivery_of(settings)
    record = record or _of_proof(sensor)
    limit = silent_after_s(hub)
    state, why = state_now(
        record, wanted, asked_here=delivery.is_pushed, now=now, silent_after_s=limit
    )
    if state is State.NEVER:
        why = _NEVER.get(delivery, _NEVER_FETCHED)
    since = record.since if record else 0
    if record and state is State.SILENT and record.state != State.SILENT:
        since = record.at + limit
    rates = hub.store.reports.rates(sensor.name, since=now - 600)
    return Standing(
        name=sensor.name,
        state=state,
        why=why,
        since=_moment(since),
        delivery=delivery,
        ring=str(settings.get("ring", "")),
        heard_at=_moment(record.at if record else 0),
        heard_s=float(now - record.at) if record else -1.0,
        heard_from=record.origin if record else "",
        clock_s=record.clock_s if record else 0.0,
        generation=record.generation if record else 0,
        wanted=wanted.generation if wanted else 0,
        serial=record.serial if record else 0,
        wanted_serial=wanted.serial if wanted else 0,
        alerts={_minute(minute): alerts for minute, alerts in rates.items()},
        report=report_of(record) if record else None,
        proof=sensor.proof,
        settings=settings,
        created_at=sensor.created_at,
    )


def _of_proof(sensor: SensorRecord) -> StateRecord | None:
    """Return what the last proof says, where an older Vedette kept nothing else."""
    if sensor.proof is None:
        return None
    proof = msgspec.convert(sensor.proof, type=Proof)
    report = Report(
        at=proof.at,
        by="hub",
        delivery=Delivery.LOCAL,
        state=State.PROVED if proof.ok else State.DRIFTED,
        why=proof.why,
        generation=proof.generation,
        content_id=proof.content_id,
        engine=EngineState(version=proof.engine),
    )
    at = int(proof.at.timestamp())
    return StateRecord(
        sensor=sensor.name,
        at=at,
        since=at,
        state=report.state,
        generation=proof.generation,
        content_id=proof.content_id,
        report=msgspec.json.encode(report),
    )


def _moment(at: int) -> datetime | None:
    return datetime.fromtimestamp(at, UTC) if at else None


def _minute(minute: int) -> str:
    return datetime.fromtimestamp(60 * minute, UTC).strftime("%Y-%m-%dT%H:%MZ")
