"""One more proof, when a person asks for it; the agent may run beside that."""

from __future__ import annotations

import msgspec

from vedette.agent.applying import Applier
from vedette.agent.collecting import Collector
from vedette.agent.settings import AgentSettings
from vedette.errors import SensorError
from vedette.sensor.elsewhere import prove_elsewhere
from vedette.sensor.held import prove_held
from vedette.sensor.proof import Proof
from vedette.sensor.reach import engine_of, reached
from vedette.sensor.settings import Delivery
from vedette.sensor.traffic import Traffic, prove_traffic


def prove_now(settings: AgentSettings, traffic: Traffic | None = None) -> Proof:
    """Ask the engine whether it holds what was brought into force last, whoever brought it.

    Args:
        settings: Of the agent.
        traffic: Also have one query for the canary's name raise an alert.

    Raises:
        SensorError: No generation is known here, or the engine cannot be asked.
    """
    members = settings.proof_members
    sensor = msgspec.structs.replace(settings.sensor, delivery=settings.delivery)
    if settings.delivery is not Delivery.SURICATA_UPDATE:
        if Applier(sensor, settings.state_dir).directory.current() is None:
            raise _nothing(settings)
        return prove_held(sensor, members=members, traffic=traffic)
    known = Collector(sensor, settings.state_dir, ()).recent()
    if not known:
        raise _nothing(settings)
    proof = prove_elsewhere(sensor, known, members=members)
    if traffic is None:
        return proof
    held = next(one for one in known if one.release.content_id == proof.content_id)
    with reached(sensor) as near, engine_of(near) as engine:
        return proof.with_check(prove_traffic(engine, sensor, held, traffic))


def _nothing(settings: AgentSettings) -> SensorError:
    return SensorError(
        f"no generation is known in {settings.state}",
        hint="Is the agent running, and does its hub announce one? See: vedette agent status",
    )
