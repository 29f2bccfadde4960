"""What a running engine says of itself, for whoever looks at a sensor from afar."""

from __future__ import annotations

from vedette.sensor.client import SuricataSocket
from vedette.sensor.crossover import speed_of
from vedette.sensor.install import RulesDirectory
from vedette.sensor.reach import directory_of, engine_of, reached
from vedette.sensor.settings import Sensor
from vedette.sensor.wire import EngineState


def engine_state(engine: SuricataSocket, directory: RulesDirectory | None = None) -> EngineState:
    """Ask an engine, and add what was measured at the pushes to it.

    Args:
        engine: Connected.
        directory: Its rules directory; None: nothing was pushed to it by us.

    Raises:
        SensorError: It cannot be asked.
    """
    speed = speed_of(directory) if directory else None
    lost = engine.losses()
    return EngineState(
        version=".".join(map(str, engine.version())),
        uptime_s=engine.uptime_s(),
        packets=lost.packets,
        dropped=lost.dropped,
        alerts_lost=lost.alerts,
        reloaded_at=engine.reload_time(),
        reload_s=speed.last_reload_s if speed else -1.0,
        entries_per_s=speed.entries_per_s if speed else -1.0,
    )


def state_of_engine(sensor: Sensor) -> EngineState:
    """Ask the engine of a sensor.

    Raises:
        SensorError: It cannot be asked.
    """
    with (
        reached(sensor) as near,
        engine_of(near) as engine,
    ):
        return engine_state(engine, directory_of(sensor))
