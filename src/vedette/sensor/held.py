"""Prove again what was pushed, without changing anything."""

from __future__ import annotations

from contextlib import suppress

import msgspec

from vedette.errors import SensorError
from vedette.sensor.client import SuricataSocket
from vedette.sensor.difference import difference
from vedette.sensor.evidence import TRAFFIC
from vedette.sensor.install import Installed, RulesDirectory, State
from vedette.sensor.proof import Check, Plan, Proof, prove
from vedette.sensor.reach import directory_of, engine_of, reached
from vedette.sensor.release import entry_of, file_name, is_lookable
from vedette.sensor.reload import Activity, activity, mark
from vedette.sensor.settings import Sensor
from vedette.sensor.traffic import Traffic, prove_traffic

_CHANGES_MAX = 20_000
_NOT_THE_ENGINE = frozenset({"files", TRAFFIC})
"""Checks that may be red while the engine holds everything."""


def prove_held(
    sensor: Sensor, *, members: int = 100, seed: int | None = None, traffic: Traffic | None = None
) -> Proof:
    """Ask the engine whether it holds the generation that is installed, and not the one before.

    Args:
        sensor: Where.
        members: Random members of each dataset that must be found.
        seed: For the same choice again.
        traffic: Also have one query for the canary's name raise an alert.

    Raises:
        SensorError: Nothing is installed, or the engine cannot be asked.
    """
    directory = directory_of(sensor)
    installed_on(sensor, directory)
    with (
        reached(sensor) as near,
        engine_of(near) as engine,
    ):
        proof = prove_on(engine, sensor, directory, Plan(members=members, seed=seed))
        if traffic:
            installed = installed_on(sensor, directory)
            proof = proof.with_check(prove_traffic(engine, sensor, installed, traffic))
        return proof


def installed_on(sensor: Sensor, directory: RulesDirectory) -> Installed:
    """Return the generation in force.

    Raises:
        SensorError: There is none.
    """
    installed = directory.current()
    if installed is None:
        raise SensorError(
            f"no generation is installed in {sensor.rules}",
            hint=f"Push one: vedette sensor push {sensor.name}",
        )
    return installed


def prove_on(
    engine: SuricataSocket, sensor: Sensor, directory: RulesDirectory, plan: Plan
) -> Proof:
    """Prove over a connection that is open (see :func:`prove_held`).

    What was known of an engine that does not hold what it should is forgotten: the next push
    does not build on it, but reloads.

    Args:
        engine: Connected.
        sensor: Where.
        directory: Its rules directory.
        plan: How much is asked; what was before and what was withdrawn is filled in.
    """
    installed = installed_on(sensor, directory)
    state = directory.state()
    before = directory.generation(state.before) if state else None
    plan = msgspec.structs.replace(
        plan,
        before=before.release if before else None,
        removed=withdrawn(before, installed) if before else {},
    )
    proof = prove(engine, sensor.name, installed, plan)
    if state and (doubt := _doubt(engine, directory, installed, state)):
        proof = proof.with_check(doubt)
    if state and {check.name for check in proof.failed} - _NOT_THE_ENGINE:
        with suppress(SensorError):  # whoever may only read can still prove
            directory.remember(None)
    return proof


def _doubt(
    engine: SuricataSocket, directory: RulesDirectory, installed: Installed, state: State
) -> Check | None:
    """Return a red check if the engine may have loaded other files than those that are there."""
    if not state.files or state.content_id != installed.release.content_id:
        return None  # an older Vedette wrote it down, or it is not about these files
    now = mark(engine, state.mark)
    if activity(state.mark, now) is Activity.NONE or directory.is_as_proved(installed):
        return None
    return Check(
        name="files.loaded",
        ok=False,
        expected="nobody wrote to the files between their last proof and a load by somebody else",
        got="somebody did",
        detail="Whether the engine loaded what was published cannot be known by samples. Push"
        " again: it will be reloaded.",
        kind="indirect",
    )


def withdrawn(before: Installed, installed: Installed) -> dict[str, list[str]]:
    """Return the entries that the generation before had, by dataset; not if they are too many."""
    removed = {}
    new = {info.name: info for info in installed.release.sets if is_lookable(info)}
    for old in before.release.sets:
        info = new.get(old.name)
        if info is None or old.sha256 == info.sha256 or old.type != info.type:
            continue
        files = before.path / file_name(old), installed.path / file_name(info)
        try:
            found = difference(*files, limit=_CHANGES_MAX)
            if found:
                added = {entry_of(info, line).datavalue for line in found.added}
                gone = {entry_of(old, line).datavalue for line in found.removed}
                removed[info.name] = sorted(gone - added)
        except (OSError, SensorError):
            continue  # a file was changed; of those in force, the check of the files says so
    return removed
