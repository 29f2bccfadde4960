"""Bring to sensors what they are told to hold, and keep what they answered.

Only sensors that the hub itself reaches are pushed to (on this machine, through SSH); the others
fetch what they are told.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

import msgspec

from vedette.bundle.generation import Generation, open_generation
from vedette.config import parse_duration
from vedette.errors import BundleError, SensorError, UsageError, VedetteError
from vedette.pipeline.announcing import InForce, announce_current, in_force
from vedette.pipeline.hearing import keep_report
from vedette.pipeline.hub import Hub
from vedette.pipeline.standing import is_pushed, report_of
from vedette.sensor.doctor import Finding, diagnose
from vedette.sensor.engine_state import state_of_engine
from vedette.sensor.held import prove_held
from vedette.sensor.proof import Proof
from vedette.sensor.protocol import EngineGoneError
from vedette.sensor.push import Pushed, push, target_of
from vedette.sensor.reach import directory_of
from vedette.sensor.release import Release
from vedette.sensor.settings import Delivery, Sensor
from vedette.sensor.ssh_said import UnreachableError
from vedette.sensor.traffic import Traffic
from vedette.sensor.wire import Delivered, EngineState, EveState, Report, State
from vedette.store import AnnouncementRecord, SensorRecord, StateRecord

_BY = "hub"


def sensor_of(hub: Hub, name: str) -> Sensor:
    """A sensor of the store, with the push settings of vedette.toml.

    Raises:
        UsageError: There is none of that name.
    """
    return _sensor(hub, hub.store.fleet.sensor(name))


def _sensor(hub: Hub, record: SensorRecord) -> Sensor:
    rhythm = hub.settings.push
    fields = {
        "delta_max": rhythm.delta_max,
        "timeout_s": float(parse_duration(rhythm.socket_timeout)),
        "reload_timeout_s": float(parse_duration(rhythm.reload_timeout)),
        **record.settings,
        "name": record.name,
        "mirror": str(hub.settings.state_dir / "mirrors"),
    }
    return msgspec.convert(fields, type=Sensor)


def sensors(hub: Hub) -> list[Sensor]:
    """All sensors of the store, by name."""
    return [_sensor(hub, record) for record in hub.store.fleet.sensors()]


def pushed_sensors(hub: Hub) -> list[Sensor]:
    """The sensors that the hub itself reaches, by name."""
    records = hub.store.fleet.sensors()
    return [_sensor(hub, record) for record in records if is_pushed(record.settings)]


def current_generation(hub: Hub) -> Generation:
    """The published generation.

    Raises:
        BundleError: Nothing was built yet, or it is damaged.
    """
    generation = open_generation(hub.settings.bundles)
    if generation is None:
        raise BundleError("nothing is published yet", hint="Run: vedette bundle build")
    return generation


def told_to(hub: Hub, sensor: Sensor) -> AnnouncementRecord | None:
    """Return what a sensor is told; None: nothing yet."""
    now = in_force(hub)
    return now.told_to({"ring": sensor.ring}) if now else None


def _generation_for(hub: Hub, sensor: Sensor) -> Generation:
    """Return the generation that a sensor is told.

    Raises:
        BundleError: Nothing is published, or for canaries only so far, or it cannot be read.
    """
    current_generation(hub)
    told = told_to(hub, sensor)
    if told is None and announce_current(hub) is not None:  # published by an older Vedette
        told = told_to(hub, sensor)
    if told is None:
        raise BundleError(
            f"nothing is published for sensor '{sensor.name}' yet: canaries are first",
            hint="See: vedette rollout show; not to wait: vedette rollout promote",
        )
    generation = open_generation(hub.settings.bundles, told.generation)
    if generation is None:  # pragma: no cover - a number is found or an error
        raise BundleError(f"there is no generation {told.generation}")
    return generation


def push_current(hub: Hub, name: str, *, take_over: bool = False) -> Pushed:
    """Install what a sensor is told, bring it into force and prove it.

    Args:
        hub: The open state directory.
        name: The sensor.
        take_over: Also if another hub pushed there before.

    Raises:
        UsageError: There is no such sensor, or it fetches by itself.
        BundleError: Nothing is published, or not for this engine.
        SensorError: The files cannot be installed or the engine cannot be reached.
        BusyError: Another push or proof of this sensor is running.
    """
    sensor = _reachable(hub, name)
    generation = _generation_for(hub, sensor)
    started = datetime.now(UTC)
    try:
        release = Release.from_manifest(generation.manifest, str(target_of(sensor)))
        with hub.delivering(name):
            pushed = push(
                sensor,
                release,
                generation.sources(release.target),
                hub=hub.store.outbox.instance(),
                take_over=take_over,
            )
    except SensorError as error:
        note_failure(hub, sensor, error)
        raise
    delivered = Delivered(
        generation=pushed.generation,
        how=pushed.how,
        reason=pushed.reason,
        added=pushed.added,
        removed=pushed.removed,
        install_s=pushed.install_s,
        live_s=pushed.live_s,
        at=started,
    )
    keep_proof(hub, sensor, pushed.proof, delivered=delivered if pushed.how != "nothing" else None)
    return pushed


def prove_current(hub: Hub, name: str, *, traffic: Traffic | None = None) -> Proof:
    """Ask a sensor again whether it holds what was pushed last.

    Args:
        hub: The open state directory.
        name: The sensor.
        traffic: Also have one DNS query for the canary's name raise an alert; on this machine.

    Raises:
        UsageError: There is no such sensor, or its agent proves.
        SensorError: Nothing was pushed yet, or the engine cannot be asked.
        BusyError: A push is running.
    """
    sensor = _reachable(hub, name)
    try:
        with hub.delivering(name):
            members = hub.settings.push.proof_members
            proof = prove_held(sensor, members=members, traffic=traffic)
    except SensorError as error:
        note_failure(hub, sensor, error)
        raise
    keep_proof(hub, sensor, proof)
    return proof


def _reachable(hub: Hub, name: str) -> Sensor:
    sensor = sensor_of(hub, name)
    if sensor.delivery.is_pushed:
        return sensor
    does = {
        Delivery.AGENT: "its agent fetches, proves and reports",
        Delivery.STICK: "generations are carried there: vedette bundle export",
    }.get(sensor.delivery, f"{sensor.delivery} fetches by itself")
    raise UsageError(
        f"the hub does not reach sensor '{name}' itself: {does}",
        hint=f"What it said last: vedette sensor show {name}",
    )


def is_behind(hub: Hub, sensor: Sensor, now: InForce | None = None) -> bool:
    """Whether what a sensor is told is not what is installed on it.

    Args:
        hub: The open state directory.
        sensor: Which.
        now: What is in force, for whoever knows.
    """
    now = now or in_force(hub)
    told = now.told_to({"ring": sensor.ring}) if now else None
    if told is None:
        return False
    installed = directory_of(sensor).current()
    return installed is None or installed.release.content_id != told.content_id


def is_for_another_engine(hub: Hub, proof: Proof) -> bool:
    """Whether the engine can do more (or less) by now than the rules it was proved with.

    Raises:
        SensorError: The engine cannot be asked.
    """
    return str(target_of(sensor_of(hub, proof.sensor))) != proof.target


def keep_proof(
    hub: Hub,
    sensor: Sensor,
    proof: Proof,
    *,
    delivered: Delivered | None = None,
    eve: EveState | None = None,
) -> None:
    """Report for a sensor what its engine answered just now.

    Args:
        hub: The open state directory.
        sensor: Which.
        proof: The answers.
        delivered: How it got what it holds, if that was just now.
        eve: How reading of its eve.json goes, for whoever knows.
    """
    told, before = told_to(hub, sensor), hub.store.reports.state_of(sensor.name)
    last = report_of(before) if before else None
    has_drifted = not proof.holds and (before is None or before.state != State.DRIFTED)
    is_repaired = proof.holds and before is not None and before.state == State.DRIFTED
    holds_told = told is not None and told.content_id == proof.content_id
    report = Report(
        at=datetime.now(UTC),
        by=_BY,
        delivery=sensor.delivery,
        state=State.PROVED if proof.holds else State.DRIFTED,
        why=proof.why,
        serial=told.serial if told and holds_told else before.serial if before else 0,
        generation=proof.generation,
        content_id=proof.content_id,
        proof=proof,
        delivered=delivered,
        engine=_engine(sensor, proof, last),
        eve=eve,
        drifts=(last.drifts if last else 0) + has_drifted,
        repaired_at=datetime.now(UTC) if is_repaired else None,
    )
    with hub.store.guarded():
        keep_report(hub, sensor.name, report, "", time.time())


def _engine(sensor: Sensor, proof: Proof, last: Report | None) -> EngineState:
    """Ask the engine for its figures; the last ones if it does not say them."""
    try:
        return state_of_engine(sensor)
    except SensorError:
        known = last.engine if last else EngineState()
        return msgspec.structs.replace(known, version=proof.engine)


def note_failure(hub: Hub, sensor: Sensor, error: SensorError) -> None:
    """Keep that a sensor could not be asked, or not be brought what it is told.

    An engine that never answered yet is only being set up: that is for whoever does it.
    """
    before = hub.store.reports.state_of(sensor.name)
    if before is None:
        return
    gone = isinstance(error, EngineGoneError | UnreachableError)
    report = _after_failure(sensor, before, str(error), gone=gone)
    with hub.store.guarded():
        keep_report(hub, sensor.name, report, "", time.time())


def _after_failure(sensor: Sensor, before: StateRecord, why: str, *, gone: bool) -> Report:
    last = report_of(before)
    return Report(
        at=datetime.now(UTC),
        by=_BY,
        delivery=sensor.delivery,
        state=State.SILENT if gone else State(before.state),
        why=why,
        serial=before.serial,
        generation=before.generation,
        content_id=before.content_id,
        engine=last.engine if last else EngineState(),
        drifts=last.drifts if last else 0,
    )


def diagnose_sensor(hub: Hub, name: str, *, config: str = "") -> list[Finding]:
    """Look at a sensor's engine and configuration for what costs detection.

    Args:
        hub: The open state directory.
        name: The sensor.
        config: Its suricata.yaml, if it is not where the running engine says.
    """
    sensor = sensor_of(hub, name)
    try:
        sets = current_generation(hub).manifest.sets
    except VedetteError:
        sets = ()
    findings = diagnose(sensor, config=config, sets=sets)
    if before := hub.store.reports.state_of(name):
        last = _after_failure(sensor, before, _why(before), gone=False)
        report = msgspec.structs.replace(last, findings=tuple(findings))
        with hub.store.guarded():
            keep_report(hub, name, report, "", time.time())
    return findings


def _why(record: StateRecord) -> str:
    report = report_of(record)
    return report.why if report else ""
