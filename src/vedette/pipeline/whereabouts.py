"""On which sensors an indicator is: read from the files of the generations that they proved."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec import Struct

from vedette.buffers import ROWS, Profile
from vedette.bundle.generation import Generation, directory_of, open_generation
from vedette.bundle.holding import holds
from vedette.errors import BundleError
from vedette.model import IndicatorType, Key
from vedette.pipeline.hub import Hub
from vedette.ruleset.coverage import blind, in_eve
from vedette.ruleset.engine import Target
from vedette.store import Judged, SensorRecord


class OnSensor(Struct, frozen=True, kw_only=True):
    """Whether one sensor watches for an indicator."""

    sensor: str
    watches: bool
    generation: int
    """The last that it proved; 0: none."""
    proved_at: datetime | None
    is_proved: bool
    """Whether it held that generation when it was asked last."""
    why: str
    """Why not, or how."""


class Whereabouts:
    """Knows the generation in force and what the sensors said last."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._current = open_generation(hub.settings.bundles)
        self._sensors = hub.store.fleet.sensors()
        self._built = sorted(
            (record.change_seq, record.created_at) for record in hub.store.fleet.generations()
        )

    def is_compiled(self, key: Key) -> bool:
        """Whether the generation in force has it."""
        return self._current is not None and _holds(self._current, key)

    def blind(self, kind: IndicatorType) -> str:
        """Why no sensor can match a type; ``""``: one can, or nobody knows yet."""
        found = [_blind(record, kind) for record in self._sensors if record.proof]
        return "; ".join(dict.fromkeys(found)) if found and all(found) else ""

    def is_in_eve(self, kind: IndicatorType) -> bool:
        """Whether no rule of any sensor matches a type, but the hit reader does."""
        profiles = {_profile(record) for record in self._sensors if record.proof}
        return bool(profiles) and all(_in_eve(profile, kind) for profile in profiles)

    def unmatched(self, key: Key) -> str:
        """Why no rule can have it though it is let through; ``""``: nothing is known of that."""
        if self._current is None:
            return ""
        built_at = self._current.manifest.created_at
        published = self._hub.store.retro.published([key]).get(key)
        if published is None or published > built_at:
            return ""  # the generation is older than the indicator
        return "; ".join(self._current.manifest.unmatched)

    def why_waiting(self) -> str:
        """Why a generation may not have what the guard lets through."""
        if self._current is None:
            return "nothing was built yet"
        return f"not in generation {self._current.number}: the next build brings it"

    def since(self, key: Key, verdict: Judged | None) -> datetime | None:
        """When the first generation was built that has it, and had it ever since."""
        if not self.is_compiled(key):
            return None
        listed = self._hub.store.retro.published([key]).get(key)
        if verdict is None or not verdict.since:
            return listed
        judged = datetime.fromtimestamp(verdict.since, UTC)
        built = [at for _, at in self._built if at >= judged and (not listed or at >= listed)]
        return min(built, default=listed)

    def on_sensors(self, key: Key) -> list[OnSensor]:
        """Whether each sensor watches for it."""
        return [self._on(record, key) for record in self._sensors]

    def _on(self, record: SensorRecord, key: Key) -> OnSensor:
        if record.proof is None:
            return OnSensor(
                sensor=record.name,
                watches=False,
                generation=0,
                proved_at=None,
                is_proved=False,
                why="never proved: vedette sensor push",
            )
        number = int(record.proof["generation"])
        holding, why = False, _blind(record, key.type)
        if not why:
            holding, why = (
                (True, "matched in its EVE, not by a rule")
                if _in_eve(_profile(record), key.type)
                else self._in_generation(number, key)
            )
        if holding and not record.proof["ok"]:
            why += "; the last proof failed: vedette sensor doctor"
        return OnSensor(
            sensor=record.name,
            watches=holding and bool(record.proof["ok"]),
            generation=number,
            proved_at=datetime.fromisoformat(record.proof["at"]),
            is_proved=bool(record.proof["ok"]),
            why=why,
        )

    def _in_generation(self, number: int, key: Key) -> tuple[bool, str]:
        path = directory_of(self._hub.settings.bundles, number)
        if not path.is_dir():
            return False, f"generation {number} is not on disk any more"
        if _holds(Generation(path, number), key):
            return True, "holds it"
        return False, f"generation {number} does not have it"


def _profile(record: SensorRecord) -> Profile | None:
    return Target.parse(record.proof["target"]).profile if record.proof else None


def _in_eve(profile: Profile | None, kind: IndicatorType) -> bool:
    """Whether an engine has no keyword for a type, and the hit reader looks for it in EVE."""
    if profile is None or kind not in blind(profile):
        return False
    return any(in_eve(buffer) for dataset in ROWS[kind].datasets for buffer in dataset.buffers)


def _blind(record: SensorRecord, kind: IndicatorType) -> str:
    """Why a sensor cannot match a type at all."""
    profile = _profile(record)
    if profile is None or kind not in blind(profile):
        return ""
    why = f"Suricata {profile.value} has no keyword for {kind.value}"
    if not _in_eve(profile, kind):
        return why
    return "" if record.settings.get("eve") else f"{why}, and the sensor has no eve.json"


def _holds(generation: Generation, key: Key) -> bool:
    try:
        return holds(generation, key)
    except (BundleError, OSError):
        return False  # damaged: the doctor says so
