"""How a sensor is reached: whatever the way, the rest sees a socket and a directory here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from vedette.eve.reader import Wait
from vedette.sensor.client import SuricataSocket
from vedette.sensor.install import RulesDirectory
from vedette.sensor.settings import Delivery, Sensor
from vedette.sensor.ssh import RemoteDirectory
from vedette.sensor.ssh_engine import ForwardedSocket
from vedette.sensor.ssh_eve import FarLog
from vedette.sensor.ssh_link import Link


class _Near(Sensor, frozen=True, kw_only=True):
    """A sensor whose socket is forwarded to this machine."""

    far: Sensor


def directory_of(sensor: Sensor) -> RulesDirectory:
    """Return the sensor's rules directory, wherever it is.

    Raises:
        UsageError: The settings of a sensor that is reached by ssh cannot mean anything.
    """
    if sensor.delivery is Delivery.SSH:
        return RemoteDirectory(sensor)
    return RulesDirectory(sensor.rules_path)


@contextmanager
def reached(sensor: Sensor) -> Iterator[Sensor]:
    """Make the engine's socket usable here; yields the sensor with that socket.

    Raises:
        SensorError: The sensor's machine cannot be reached.
    """
    if sensor.delivery is not Delivery.SSH:
        yield sensor
        return
    link = Link(sensor)
    link.open()
    yield _Near(**{**msgspec.structs.asdict(sensor), "socket": str(link.socket), "far": sensor})


def engine_of(near: Sensor) -> SuricataSocket:
    """Return the engine of a sensor that is reached; not connected yet.

    Over ssh its errors tell an engine that is gone from a connection that is gone.
    """
    if isinstance(near, _Near):
        return ForwardedSocket(near.far)
    return SuricataSocket(near.socket_path, near.timeout_s)


def eve_of(sensor: Sensor, wait: Wait) -> tuple[Path, Wait]:
    """Return where the sensor's eve.json can be read here, and how to wait for more of it.

    Args:
        sensor: With an ``eve``.
        wait: What to do when there is nothing new.
    """
    if sensor.delivery is not Delivery.SSH:
        return Path(sensor.eve), wait
    log = FarLog(sensor)
    return log.path, log.waiting(wait)
