"""A hub with a list and a fleet, and ``vedette serve`` over it as a process of its own."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from bench.cost import BenchError
from bench.names import flat, made_up
from bench.subject import Vedette
from vedette.bundle.generation import Generation, open_generation
from vedette.config import Settings
from vedette.pipeline.hub import Hub
from vedette.store.tokens import Scope


class ServedHub:
    """Publishes a generation of domains, and serves it to sensors with tokens.

    Args:
        place: A directory that is not there yet.
        size: How many domains.
        sensors: How many sensors.
    """

    def __init__(self, place: Path, size: int, sensors: int) -> None:
        """Build the first generation."""
        self._vedette = Vedette(place)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.port = taken.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        with self._vedette.config.open("a") as config:
            config.write(f'[serve]\nlisten = "127.0.0.1:{self.port}"\n')
        self._names = flat(size)
        self._list = self._vedette.config.with_name("names.txt")
        self._round = 0
        self._vedette.build_from(self._names)
        self.tokens: dict[str, str] = {}
        """By the name of the sensor."""
        self.pull_s = 0.0
        """What the last pull took, which is no part of what is measured."""
        with Hub(self.settings) as hub:
            for number in range(sensors):
                name = f"sensor-{number:03}"
                hub.store.fleet.add_sensor(name, {"delivery": "agent"})
                self.tokens[name] = hub.store.tokens.add(
                    name, set(Scope), by="bench", now=int(time.time())
                )

    @property
    def settings(self) -> Settings:
        """What Vedette reads."""
        return self._vedette.settings

    def change(self, changes: int) -> None:
        """Publish a generation in which half as many domains are new, and as many are gone."""
        self._round += 1
        half = changes // 2
        new = [f"new-{name}" for name in islice(made_up(self._round), half)]
        self._names = self._names[half:] + new
        self._list.write_text("".join(f"{name}\n" for name in self._names))
        started = time.time()
        self._vedette.run("source", "pull")
        self.pull_s = time.time() - started
        self._vedette.run("bundle", "build")

    def generation(self) -> Generation:
        """Return what is published."""
        generation = open_generation(self.settings.bundles)
        if generation is None:
            raise BenchError("nothing is published")
        return generation

    @contextmanager
    def serving(self) -> Iterator[int]:
        """Run ``vedette serve``; yields its process."""
        command = [sys.executable, "-m", "vedette", "--config", str(self._vedette.config), "serve"]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            try:
                self._until_it_answers()
                yield process.pid
            finally:
                process.terminate()

    def _until_it_answers(self) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise BenchError("vedette serve does not answer")
