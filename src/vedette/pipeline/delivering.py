"""Bring the current generation to sensors and keep what they answered."""

from __future__ import annotations

import msgspec

from vedette.bundle.generation import Generation, open_generation
from vedette.config import parse_duration
from vedette.errors import BundleError, VedetteError
from vedette.pipeline.hub import Hub
from vedette.sensor.doctor import Finding, diagnose
from vedette.sensor.held import prove_held
from vedette.sensor.proof import Proof
from vedette.sensor.push import Pushed, push, target_of
from vedette.sensor.reach import directory_of
from vedette.sensor.release import Release
from vedette.sensor.settings import Sensor
from vedette.store import SensorRecord


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
    }
    return msgspec.convert(fields, type=Sensor)


def sensors(hub: Hub) -> list[Sensor]:
    """All sensors of the store, by name."""
    return [_sensor(hub, record) for record in hub.store.fleet.sensors()]


def current_generation(hub: Hub) -> Generation:
    """The published generation.

    Raises:
        BundleError: Nothing was built yet, or it is damaged.
    """
    generation = open_generation(hub.settings.bundles)
    if generation is None:
        raise BundleError("nothing is published yet", hint="Run: vedette bundle build")
    return generation


def push_current(hub: Hub, name: str) -> Pushed:
    """Install the published generation on a sensor, bring it into force and prove it.

    Raises:
        BundleError: Nothing is published, or not for this engine.
        SensorError: The files cannot be installed or the engine cannot be reached.
        BusyError: Another push or proof of this sensor is running.
    """
    sensor = sensor_of(hub, name)
    generation = current_generation(hub)
    manifest = generation.manifest
    release = Release.from_manifest(manifest, str(target_of(sensor)))
    with hub.delivering(name):
        pushed = push(sensor, release, generation.sources(release.target))
    _keep(hub, pushed.proof)
    return pushed


def prove_current(hub: Hub, name: str) -> Proof:
    """Ask a sensor again whether it holds what was pushed last.

    Raises:
        SensorError: Nothing was pushed yet, or the engine cannot be asked.
        BusyError: A push is running.
    """
    sensor = sensor_of(hub, name)
    with hub.delivering(name):
        proof = prove_held(sensor, members=hub.settings.push.proof_members)
    _keep(hub, proof)
    return proof


def is_behind(hub: Hub, sensor: Sensor) -> bool:
    """Whether the published generation is not the one installed on a sensor."""
    generation = open_generation(hub.settings.bundles)
    if generation is None:
        return False
    installed = directory_of(sensor).current()
    return installed is None or installed.release.content_id != generation.manifest.content_id


def is_for_another_engine(hub: Hub, proof: Proof) -> bool:
    """Whether the engine can do more (or less) by now than the rules it was proved with.

    Raises:
        SensorError: The engine cannot be asked.
    """
    return str(target_of(sensor_of(hub, proof.sensor))) != proof.target


def _keep(hub: Hub, proof: Proof) -> None:
    with hub.store.guarded():
        body = msgspec.json.encode(proof)
        hub.store.fleet.add_proof(proof.sensor, proof.at, proof.generation, proof.ok, body)


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
    return diagnose(sensor, config=config, sets=sets)
