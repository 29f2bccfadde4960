"""Some simulated sensors in one process: each is Vedette's agent beside an engine's command socket.

The agents are the real ones with all their threads, sockets and files; the engines are those that
the tests hold against real ones. Started by bench/fleet_proofs.py, which tells it in one line.
"""

from __future__ import annotations

import logging
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

import msgspec
import structlog

from vedette.agent.running import Agent
from vedette.agent.settings import AgentSettings
from vedette.sensor.settings import Sensor
from vedette.testing.fake_suricata import FakeSuricata


class Order(msgspec.Struct, kw_only=True):
    """Which sensors."""

    hub: str
    key: str
    place: str
    tokens: dict[str, str]
    """By the name of the sensor."""
    version: str


def main() -> None:
    """Run the sensors until standard input is closed."""
    order = msgspec.json.decode(sys.stdin.readline(), type=Order)
    quiet = structlog.make_filtering_bound_logger(logging.ERROR)
    structlog.configure(
        wrapper_class=quiet, logger_factory=structlog.PrintLoggerFactory(sys.stderr)
    )
    stop = threading.Event()
    with ExitStack() as stack:
        threads = []
        for name, token in order.tokens.items():
            place = Path(order.place) / name
            place.mkdir()
            rules = place / "rules"
            (place / "token").touch(mode=0o600)
            (place / "token").write_text(f"{token}\n")
            entry = rules / "current" / "vedette.rules"
            stack.enter_context(FakeSuricata(place / "s", entry, order.version))
            settings = AgentSettings(
                hub=order.hub,
                token_file=str(place / "token"),
                key=order.key,
                state=str(place / "state"),
                sensor=Sensor(name=name, socket=str(place / "s"), rules=str(rules)),
            )
            agent = stack.enter_context(Agent(settings))
            threads.append(threading.Thread(target=agent.run, args=(stop,)))
        for thread in threads:
            thread.start()
        sys.stdin.read()
        stop.set()
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    main()
