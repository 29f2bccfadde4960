"""Prove again what was pushed, without changing anything."""

from __future__ import annotations

from vedette.errors import SensorError
from vedette.sensor.difference import difference
from vedette.sensor.install import Installed
from vedette.sensor.proof import Plan, Proof, prove
from vedette.sensor.reach import directory_of, engine_of, reached
from vedette.sensor.release import entry_of, file_name, is_lookable
from vedette.sensor.settings import Sensor

_CHANGES_MAX = 20_000


def prove_held(sensor: Sensor, *, members: int = 100, seed: int | None = None) -> Proof:
    """Ask the engine whether it holds the generation that is installed, and not the one before.

    Args:
        sensor: Where.
        members: Random members of each dataset that must be found.
        seed: For the same choice again.

    Raises:
        SensorError: Nothing is installed, or the engine cannot be asked.
    """
    directory = directory_of(sensor)
    installed = directory.current()
    if installed is None:
        raise SensorError(
            f"no generation is installed in {sensor.rules}",
            hint=f"Push one: vedette sensor push {sensor.name}",
        )
    state = directory.state()
    before = directory.generation(state.before) if state else None
    plan = Plan(
        members=members,
        seed=seed,
        before=before.release if before else None,
        removed=_removed(before, installed) if before else {},
    )
    with (
        reached(sensor) as near,
        engine_of(near) as engine,
    ):
        return prove(engine, sensor.name, installed, plan)


def _removed(before: Installed, installed: Installed) -> dict[str, list[str]]:
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
        except OSError:
            continue  # the check of the files says so
        if found:
            added = {entry_of(info, line).datavalue for line in found.added}
            gone = {entry_of(old, line).datavalue for line in found.removed}
            removed[info.name] = sorted(gone - added)
    return removed
