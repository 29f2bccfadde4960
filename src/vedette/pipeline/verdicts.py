"""Would a live alert have caught it, on the sensors that there are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from vedette.buffers import Profile
from vedette.hunt.live import blind_spot, verdict
from vedette.model import Key
from vedette.pipeline.hub import Hub
from vedette.ruleset.engine import Target

NOT_LISTED = "no source lists it"


class Verdicts:
    """Knows the engines of all sensors, as they are now."""

    def __init__(self, hub: Hub) -> None:
        self._by_sensor: dict[str, frozenset[Profile]] = {}
        for record in hub.store.fleet.sensors():
            if record.proof:
                profile = Target.parse(record.proof["target"]).profile
                self._by_sensor[record.name] = frozenset({profile})
        # EVE that was read from a file may be of any engine.
        known = frozenset().union(*self._by_sensor.values())
        self._any = known or frozenset(hub.settings.bundle.profiles)

    def of(
        self, key: Key, field: str, published: datetime | None
    ) -> Callable[[str, datetime], str]:
        """Return the verdict on an indicator in a field, by sensor and last seen."""

        def judge(sensor: str, last_seen: datetime) -> str:
            return verdict(
                key.type,
                key.value,
                field,
                self._engines(sensor),
                published=published,
                last_seen=last_seen,
            )

        return judge

    def of_a_list(
        self,
        key: Key,
        field: str,
        sensor: str,
        last_seen: datetime,
        *,
        listed: bool,
        published: datetime | None,
    ) -> str:
        """Return the verdict on a value that somebody looked for, listed or not."""
        if not listed:
            return blind_spot(key.type, key.value, field, self._engines(sensor)) or NOT_LISTED
        return self.of(key, field, published)(sensor, last_seen)

    def _engines(self, sensor: str) -> frozenset[Profile]:
        return self._by_sensor.get(sensor, self._any)
