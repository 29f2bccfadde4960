"""The part of ``vedette run`` that looks whether sensors still hold what they were proved to hold.

A cheap look every few seconds, a proof each ``prove_every`` and whenever a look finds something;
what is red is repaired by another push, unless the sensor's ``on_drift`` says otherwise.
"""

from __future__ import annotations

import threading
import time

import structlog

from vedette.config import Settings, parse_duration
from vedette.errors import BusyError, SensorError
from vedette.pipeline.attempts import Attempts
from vedette.pipeline.delivering import (
    is_for_another_engine,
    keep_proof,
    note_failure,
    push_current,
    pushed_sensors,
    sensor_of,
)
from vedette.pipeline.hub import Hub
from vedette.pipeline.lagging import Lags
from vedette.pipeline.looping import Loop
from vedette.pipeline.side_by_side import SideBySide
from vedette.sensor.drift import Watch
from vedette.sensor.proof import Proof
from vedette.sensor.reach import directory_of
from vedette.sensor.settings import OnDrift, Sensor

log = structlog.get_logger(__name__)

_LOOK_S = 5.0


class _Watched:
    """One sensor that is looked at."""

    def __init__(self, sensor: Sensor, members: int) -> None:
        self.sensor = sensor
        self.watch = Watch(sensor, members=members)
        self.proved_at = -1e9
        """By the monotonic clock."""

    def prove(self, rhythm_s: float) -> tuple[Proof | None, str]:
        """Look, and prove if it is time or something was seen; with what was seen.

        Raises:
            SensorError: The engine cannot be asked.
        """
        seen = ""
        if time.monotonic() - self.proved_at < rhythm_s:
            look = self.watch.look()
            if not look.changed:
                return None, ""
            seen = look.why
        self.proved_at = time.monotonic()
        return self.watch.full(), seen


class Proving(Loop):
    """Looks and proves from entering to leaving; sensors do not wait for each other."""

    job = "prove"

    def __init__(self, settings: Settings, stop: threading.Event, lags: Lags | None = None) -> None:
        """Take the settings, the event that ends everything, and who knows how EVE is read."""
        self._lags = lags or Lags()
        self._rhythm_s = parse_duration(settings.run.prove_every)
        super().__init__(settings, stop, min(_LOOK_S, self._rhythm_s))
        self.first_s = self._every_s
        self._members = settings.push.proof_members
        self._jobs = SideBySide(settings, "prove")
        self._try = Attempts().make
        self._watched: dict[str, _Watched] = {}

    def __exit__(self, *_: object) -> None:
        """End, after the proofs that are under way."""
        super().__exit__()
        self._jobs.__exit__(None, None, None)

    def once(self, hub: Hub) -> None:
        """Look at all sensors that the hub reaches."""
        for sensor in pushed_sensors(hub):
            if sensor.name not in self._watched or self._watched[sensor.name].sensor != sensor:
                self._watched[sensor.name] = _Watched(sensor, self._members)
            self._jobs.begin("prove", sensor.name, self._attempt)

    def _attempt(self, hub: Hub, name: str) -> None:
        if not self.is_over:
            self._try("prove", name, self.look, hub, name)

    def look(self, hub: Hub, name: str) -> None:
        """Look at one sensor; what is red is repaired by another push, which proves again.

        Raises:
            SensorError: The engine cannot be asked.
        """
        watched = self._watched.setdefault(name, _Watched(sensor_of(hub, name), self._members))
        sensor = watched.sensor
        if directory_of(sensor).current() is None:
            return  # nothing was pushed to it yet
        try:
            with hub.delivering(name, wait_s=0.0):
                proof, seen = watched.prove(self._rhythm_s)
        except BusyError:
            return  # it is being pushed to, which proves
        except SensorError as error:
            note_failure(hub, sensor, error)
            raise
        if proof is not None:
            keep_proof(hub, sensor, proof, eve=self._lags.of(name))
            _repair(hub, sensor, proof, seen)


def _repair(hub: Hub, sensor: Sensor, proof: Proof, seen: str) -> None:
    name = sensor.name
    if proof.ok:
        if is_for_another_engine(hub, proof):
            log.info("sensor.upgraded", sensor=name, engine=proof.engine, was_for=proof.target)
            push_current(hub, name)
        return
    failed = [check.name for check in proof.failed]
    generation = proof.generation
    log.warning("sensor.drifted", sensor=name, generation=generation, failed=failed, seen=seen)
    if sensor.on_drift is OnDrift.REPORT:
        return
    pushed = push_current(hub, name)
    log.info("sensor.repaired", sensor=name, how=pushed.how, ok=pushed.proof.ok)
