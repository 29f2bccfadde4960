"""How a sensor is reached: whatever the way, the rest sees a socket and a directory here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from vedette.sensor.install import RulesDirectory
from vedette.sensor.settings import Sensor


def directory_of(sensor: Sensor) -> RulesDirectory:
    """Return the sensor's rules directory, wherever it is."""
    return RulesDirectory(sensor.rules_path)


@contextmanager
def reached(sensor: Sensor) -> Iterator[Sensor]:
    """Make the engine's socket usable here; yields the sensor with that socket.

    Raises:
        SensorError: The sensor's machine cannot be reached.
    """
    yield sensor
