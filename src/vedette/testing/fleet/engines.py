"""An engine that can be killed, and that somebody starts again as systemd would."""

from __future__ import annotations

import signal
import time
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, Protocol

from vedette.testing.engine import Engine, EngineError
from vedette.testing.fleet.nursery import ENGINE, Child, Nursery
from vedette.testing.fleet.raw import RawSocket

_READY_S = 60.0
_POLL_S = 0.01
_RELOAD_S = 0.08


class Outage(NamedTuple):
    """A time in which nobody could expect an answer, because the campaign had seen to that."""

    began: float
    ended: float


class EngineBox(Protocol):
    """What both kinds can do."""

    profile: str
    """Which rules are for it: ``7.0``, ``8.0.7``."""
    socket: Path
    """Where it itself listens."""
    outages: list[Outage]
    journal: Path | None
    """Of all that it held; None: it must be asked."""

    def start(self) -> None:
        """Start it and wait until it answers."""
        ...

    def kill(self) -> None:
        """End it with SIGKILL; it stays dead until it is started."""
        ...

    def send(self, number: int) -> None:
        """Send it a signal."""
        ...

    @property
    def is_alive(self) -> bool:
        """Whether its process runs."""
        ...

    def close(self) -> None:
        """End it for good."""
        ...


class _Box:
    def __init__(self) -> None:
        self.outages: list[Outage] = []
        self._down_since = time.monotonic()

    def _has_ended(self) -> None:
        self._down_since = time.monotonic()

    def _is_back(self, socket: Path) -> None:
        deadline = time.monotonic() + _READY_S
        while True:
            try:
                with RawSocket(socket) as engine:
                    engine.ask("version")
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_POLL_S)
            else:
                break
        self.outages.append(Outage(self._down_since, time.monotonic()))


class FakeBox(_Box):
    """The fake engine in a process of its own."""

    def __init__(self, nursery: Nursery, home: Path, rules: Path, version: str) -> None:
        """Start nothing yet."""
        super().__init__()
        self.profile = "7.0" if version.startswith("7") else "8.0.7"
        self.socket = home / "engine.socket"
        self.journal: Path | None = home / "journal"
        self._nursery = nursery
        self._log = home / "engine.log"
        self._arguments = [str(self.socket), str(rules), version, str(_RELOAD_S), str(self.journal)]
        self._child: Child | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._child = self._nursery.start(self._arguments, self._log, program=ENGINE)
        self._is_back(self.socket)

    def kill(self) -> None:
        """End it."""
        self._has_ended()
        if self._child:
            self._child.close()

    def send(self, number: int) -> None:
        """Send it a signal."""
        if self._child:
            self._child.kill(number)

    @property
    def is_alive(self) -> bool:
        """Whether its process runs."""
        return self._child is not None and self._child.is_alive

    def close(self) -> None:
        """End it for good."""
        self.kill()


class RealBox(_Box):
    """A real Suricata on loopback."""

    def __init__(self, engine: Engine, rules_directory: Path) -> None:
        """Start nothing yet."""
        super().__init__()
        self.profile = "7.0" if engine.version[0] == 7 else "8.0.7"  # noqa: PLR2004 - a version
        self.journal: Path | None = None
        self._stack = ExitStack()
        entry = str(rules_directory / "current" / "vedette.rules")
        self._live = self._stack.enter_context(engine.live(rules_directory, entry, start=False))
        self.socket = self._live.socket

    def start(self) -> None:
        """Start it and wait until it has loaded its rules and captures."""
        self._live.start()
        self._live.wait_started()
        self._is_back(self.socket)

    def kill(self) -> None:
        """End it."""
        self._has_ended()
        if self.is_alive:
            self._live.kill()

    def send(self, number: int) -> None:
        """Send it a signal."""
        if self.is_alive and self._live.process:
            self._live.process.send_signal(number)

    @property
    def is_alive(self) -> bool:
        """Whether its process runs."""
        try:
            return self._live.exit_code() is None
        except EngineError:
            return False

    def close(self) -> None:
        """End it for good."""
        self.send(signal.SIGCONT)
        self._stack.close()
