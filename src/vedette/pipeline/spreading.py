"""The part of ``vedette run`` that brings what is announced to the sensors that the hub reaches.

It looks at the roll-out, announces what waits and pushes to whoever is behind, in a thread of its
own: a source that is pulled for an hour delays no stop and no roll back.
"""

from __future__ import annotations

import threading
import time

from vedette.bundle.generation import latest
from vedette.config import Settings, parse_duration
from vedette.pipeline.announcing import announce_current, in_force
from vedette.pipeline.attempts import Attempts
from vedette.pipeline.delivering import is_behind, push_current, pushed_sensors
from vedette.pipeline.hub import Hub
from vedette.pipeline.looping import Loop
from vedette.pipeline.rolling import roll
from vedette.pipeline.side_by_side import SideBySide

_TICK_S = 0.5


class Spreading(Loop):
    """Rolls out from entering to leaving. Call :meth:`wake` after a build."""

    job = "rollout"

    def __init__(self, settings: Settings, stop: threading.Event) -> None:
        """Take the settings, and the event that ends everything."""
        super().__init__(settings, stop, 0.0)
        self._woken = threading.Event()
        self._jobs = SideBySide(settings, "push")
        self._try = Attempts().make
        self._not_before: dict[str, float] = {}
        self._rhythm_s = parse_duration(settings.run.prove_every)

    def wake(self) -> None:
        """Let it look now."""
        self._woken.set()

    def __exit__(self, *_: object) -> None:
        """End, after the pushes that are under way."""
        self.wake()
        super().__exit__()
        self._jobs.__exit__(None, None, None)

    def once(self, hub: Hub) -> None:
        """Look, then sleep until there is something new or half a second has passed.

        Raises:
            StoreError: The database cannot be read; it is tried again.
        """
        try:
            if latest(hub.settings.bundles):
                self._try("announce", "", announce_current, hub)
                self._try("roll", "", roll, hub)
                self._try("announce", "", announce_current, hub)  # what has waited for that
                self._push_behind(hub)
        finally:
            self._woken.wait(_TICK_S)
            self._woken.clear()

    def _push_behind(self, hub: Hub) -> None:
        told = in_force(hub)
        for sensor in pushed_sensors(hub) if told else ():
            is_due = self._not_before.get(sensor.name, 0.0) <= time.monotonic()
            if is_due and is_behind(hub, sensor, told):
                self._jobs.begin("push", sensor.name, self._push)

    def _push(self, hub: Hub, name: str) -> None:
        if not self.is_over and not self._try("push", name, push_current, hub, name):
            self._not_before[name] = time.monotonic() + self._rhythm_s
