"""Bring a release into force on a sensor: files, then the socket or a reload, then the proof.

Hard rule: the file is the truth, the socket is only faster. Whatever is in doubt (somebody else
reloads, the engine was started again, an answer is odd) ends in a reload and another proof.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import structlog
from msgspec import Struct

from vedette.buffers import Profile
from vedette.ruleset.engine import Target, profile_for
from vedette.sensor import reload
from vedette.sensor.check import check_rules
from vedette.sensor.client import SuricataSocket
from vedette.sensor.crossover import keep_speed, speed_of
from vedette.sensor.delta import Delta, SetChange, TooFar, plan
from vedette.sensor.install import Installed, RulesDirectory, State, looks
from vedette.sensor.owner import claim
from vedette.sensor.proof import Plan, Proof, holds, prove
from vedette.sensor.protocol import EngineGoneError, Outcome
from vedette.sensor.reach import directory_of, engine_of, reached
from vedette.sensor.release import Release
from vedette.sensor.reload import Activity, Mark
from vedette.sensor.settings import Sensor

log = structlog.get_logger(__name__)

_KEPT = 3
_RETRY_S = 0.2
_GONE = frozenset({Outcome.REMOVED, Outcome.NOT_REMOVED})
_THERE = frozenset({Outcome.ADDED, Outcome.ALREADY_THERE})


class Pushed(Struct, frozen=True, kw_only=True):
    """How a release came into force, and the proof (look at ``proof.ok``)."""

    sensor: str
    generation: int
    how: str
    """``nothing`` (it was in force), ``delta``, ``reload``, or ``restart`` (the engine's own)."""
    reason: str
    """Why not by less, or ``""``."""
    added: int = 0
    removed: int = 0
    install_s: float
    """Until the files were there."""
    live_s: float
    """From then until it was in force and proved."""
    proof: Proof


class _Step(NamedTuple):
    how: str
    reason: str = ""
    mark: Mark | None = None
    """None: it is not known which load of its rules the engine is in."""
    delta: Delta = Delta([])
    keeps_memcaps: bool = False


class _DeltaFailedError(Exception):
    """The socket did not take a change; a reload has to."""


def target_of(sensor: Sensor) -> Target:
    """Ask the engine what it can do, to choose the rules of a bundle.

    Raises:
        SensorError: The engine cannot be asked.
        UsageError: It is too old.
    """
    with (
        reached(sensor) as near,
        engine_of(near) as engine,
    ):
        profile = profile_for(engine.version())
    return Target(profile, context=sensor.context and profile is not Profile.V7_0)


def push(
    sensor: Sensor,
    release: Release,
    sources: Mapping[str, Path],
    *,
    hub: str = "",
    take_over: bool = False,
) -> Pushed:
    """Bring a release into force and prove it.

    Args:
        sensor: Where.
        release: What.
        sources: Where each of its files is now.
        hub: Instance id of the hub whose release it is; ``""``: of none.
        take_over: Also from another hub that pushed here before.

    Raises:
        BusyError: Another push is going on.
        SensorError: The directory is another hub's; the files cannot be installed or fail the test
            (the generation in force stays); or the engine cannot be reached (the files stay; it
            loads them when it starts).
    """
    started = time.monotonic()
    directory = directory_of(sensor)
    with reached(sensor) as near, directory.lock():
        claim(directory, hub, take_over=take_over)
        before = directory.current()
        installed = directory.install(release, sources)
        if before is None or installed.path != before.path:
            check_rules(near, installed)
            directory.switch(installed)
        install_s = time.monotonic() - started
        step, proof = _Push(near, directory, before, installed).run()
        directory.prune(_KEPT, before.path.name if before else "")
    pushed = Pushed(
        sensor=sensor.name,
        generation=release.generation,
        how=step.how,
        reason=step.reason,
        added=step.delta.added,
        removed=step.delta.removed,
        install_s=round(install_s, 3),
        live_s=round(time.monotonic() - started - install_s, 3),
        proof=proof,
    )
    log.info("sensor.pushed", sensor=sensor.name, how=step.how, reason=step.reason, ok=proof.ok)
    return pushed


class _Push:
    """One push, from installed files to the proof."""

    def __init__(
        self,
        sensor: Sensor,
        directory: RulesDirectory,
        before: Installed | None,
        installed: Installed,
    ) -> None:
        self._sensor = sensor
        self._directory = directory
        self._before = before
        self._installed = installed
        self._state = directory.state()
        self._looks = looks(installed)
        self._speed = speed_of(directory)

    def run(self) -> tuple[_Step, Proof]:
        step, proof = self._first()
        if not proof.ok and step.how != "reload":
            red = ", ".join(check.name for check in proof.failed[:3])
            with self._connect_patiently() as engine:
                step = self._reload(engine, f"after {step.how} the proof failed: {red}")
                proof = self._prove(engine, step)
        self._remember(step, proof)
        return step, proof

    def _first(self) -> tuple[_Step, Proof]:
        with self._connect() as engine:
            try:
                step = self._apply(engine)
                return step, self._prove(engine, step)
            except EngineGoneError:
                log.warning("engine.gone", sensor=self._sensor.name)
        with self._connect_patiently() as engine:
            step = _Step("restart", "the engine ended in the middle", reload.mark(engine))
            return step, self._prove(engine, step)

    def _apply(self, engine: SuricataSocket) -> _Step:
        since = self._state.mark if self._state else None
        start = reload.mark(engine, since)
        way = self._choose(engine, since, start)
        if isinstance(way, TooFar):
            return self._reload(engine, way.reason)
        if not way.changes:
            return _Step("nothing", "", start, keeps_memcaps=True)
        began = time.monotonic()
        try:
            for change in way.changes:
                _apply_change(engine, change)
        except _DeltaFailedError as error:
            reason = str(error)
        else:
            if reload.mark(engine, start) == start:
                self._learn_delta(way, time.monotonic() - began)
                return _Step("delta", "", start, way, keeps_memcaps=True)
            reason = "somebody else reloaded the rules at the same time"
        return self._reload(engine, reason)._replace(delta=way)

    def _reload(self, engine: SuricataSocket, reason: str) -> _Step:
        mark, seconds = reload.reload(engine, self._sensor.reload_timeout_s)
        self._speed = self._speed.after_reload(seconds)
        keep_speed(self._directory, self._speed)
        return _Step("reload", reason, mark)

    def _learn_delta(self, delta: Delta, seconds: float) -> None:
        speed = self._speed.after_delta(delta.added + delta.removed, seconds)
        if speed != self._speed:
            keep_speed(self._directory, speed)

    def _choose(self, engine: SuricataSocket, since: Mark | None, now: Mark) -> Delta | TooFar:
        """Nothing (an empty delta), a delta, or the reason for a reload."""
        if since is None or self._state is None:
            return TooFar("it is not known what the engine holds")
        happened = reload.activity(since, now)
        if happened in {Activity.RUNNING, Activity.UNKNOWN}:
            return TooFar("somebody else reloads the rules")
        same = self._state.content_id == self._installed.release.content_id
        same = same and self._state.target == self._installed.release.target
        if same and happened is Activity.NONE and holds(engine, self._installed.release):
            return Delta([])
        if self._before is None or not holds(engine, self._before.release):
            return TooFar("the engine does not hold the generation before")
        if happened is Activity.RELOADED and not self._directory.is_as_proved(self._before):
            return TooFar("the engine may have loaded files that somebody had changed")
        entries = sum(info.entries for info in self._installed.release.sets)
        limit = self._speed.limit(entries, self._sensor.delta_max)
        return plan(self._before, self._installed, self._memcaps(happened), limit)

    def _memcaps(self, happened: Activity) -> dict[str, int]:
        """Return what the engine loaded each set with, the least of what is possible."""
        ours = {info.name: info.memcap_bytes for info in self._installed.release.sets}
        if happened is Activity.NONE and self._state:
            return self._state.memcaps
        before = self._before.release.sets if self._before else ()
        return ours | {
            info.name: min(info.memcap_bytes, ours.get(info.name, info.memcap_bytes))
            for info in before
        }

    def _prove(self, engine: SuricataSocket, step: _Step) -> Proof:
        changes = step.delta.changes
        added = {c.info.name: [entry.datavalue for entry in c.added] for c in changes}
        removed = {
            c.info.name: sorted({e.datavalue for e in c.removed} - set(added[c.info.name]))
            for c in changes
        }
        asked = Plan(
            before=self._before.release if self._before else None, added=added, removed=removed
        )
        return prove(engine, self._sensor.name, self._installed, asked)

    def _remember(self, step: _Step, proof: Proof) -> None:
        if not proof.ok or step.mark is None:
            self._directory.remember(None)
            return
        release = self._installed.release
        memcaps = {info.name: info.memcap_bytes for info in release.sets}
        if step.keeps_memcaps and self._state:
            memcaps = {
                name: min(mine, self._state.memcaps.get(name, mine))
                for name, mine in memcaps.items()
            }
        self._directory.remember(
            State(
                content_id=release.content_id,
                target=release.target,
                mark=step.mark,
                memcaps=memcaps,
                before=self._before.path.name if self._before else "",
                files=self._looks,
            )
        )

    def _connect(self) -> SuricataSocket:
        """Connect now.

        Raises:
            SensorError: The engine is not there.
        """
        engine = engine_of(self._sensor)
        try:
            return engine.connect()
        except EngineGoneError as error:
            raise EngineGoneError(str(error), hint=self._installed_hint + error.hint) from error

    def _connect_patiently(self) -> SuricataSocket:
        """Wait for an engine that is starting; its socket opens when its rules are loaded."""
        deadline = time.monotonic() + self._sensor.restart_timeout_s
        while True:
            try:
                return self._connect()
            except EngineGoneError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_RETRY_S)

    @property
    def _installed_hint(self) -> str:
        generation = self._installed.release.generation
        return f"Generation {generation} is installed; the engine loads it when it starts. "


def _apply_change(engine: SuricataSocket, change: SetChange) -> None:
    name, kind = change.info.name, change.info.type
    for entry in change.removals:
        _expect(engine.remove(name, kind, entry.datavalue), name, _GONE)
    for entry in change.additions:
        if entry.datajson is None:
            outcome = engine.add(name, kind, entry.datavalue)
        else:
            outcome = engine.add_json(name, kind, entry.datavalue, entry.datajson)
        _expect(outcome, name, _THERE)


def _expect(outcome: Outcome, name: str, wanted: frozenset[Outcome]) -> None:
    if outcome not in wanted:
        raise _DeltaFailedError(f"the engine answered '{outcome}' to a change of {name}")
