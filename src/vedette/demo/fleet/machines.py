"""The machines of the fleet demo, all on this one: processes, each with a directory of its own."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from vedette.errors import SensorError
from vedette.files import write_atomically
from vedette.sensor.client import SuricataSocket
from vedette.sensor.reload import reload
from vedette.sensor.settings import Delivery
from vedette.testing.engine import Engine, Live

_VEDETTE = (sys.executable, "-m", "vedette")
_RELOAD_S = 60.0
_UPDATE_EVERY_S = 2.0
_END_S = 20
_SID = re.compile(rb"\bsid:(\d+)")
_SETTINGS = """\
[run]
interval = "1s"
prove_every = "5s"

[serve]
listen = "127.0.0.1:{port}"

[pool]
enabled = false
"""


def hub_settings() -> str:
    """Return a vedette.toml with short intervals, and a port that is free."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return _SETTINGS.format(port=port)


class _Machine:
    """Processes that end with it; what they say is in ``NAME.log``."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.stack = ExitStack()

    def __enter__(self) -> Self:
        """Start what belongs to it."""
        self.home.mkdir(parents=True, exist_ok=True)
        with self.stack:
            self.start()
            self.stack = self.stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End all of it."""
        self.stack.close()

    def start(self) -> None:
        """Start what belongs to it."""

    def begin(self, name: str, *command: str) -> None:
        """Start a process."""
        with (self.home / f"{name}.log").open("ab") as said:
            process = subprocess.Popen(command, stdout=said, stderr=said)  # noqa: S603 - ours
        self.stack.callback(_end, process)


class HubMachine(_Machine):
    """``vedette run`` and ``vedette serve`` on one state directory."""

    def start(self) -> None:
        """Start both."""
        for verb in ("run", "serve"):
            self.begin(verb, *_VEDETTE, *self._config, verb)

    @property
    def _config(self) -> tuple[str, str]:
        return "--config", str(self.home / "vedette.toml")

    def vedette(self, *arguments: str) -> str:
        """Run a command of the hub.

        Raises:
            SensorError: It failed; the text is its own.
        """
        return _run(*_VEDETTE, *self._config, *arguments)

    def enrol(self, name: str, delivery: Delivery) -> dict[str, Any]:
        """Enrol a sensor and return what is to be pasted there."""
        printed = self.vedette("sensor", "enrol", name, "--delivery", delivery, "--json")
        document: dict[str, Any] = json.loads(printed)
        return document


class SensorMachine(_Machine):
    """An engine with its agent; if suricata-update delivers, with that, too.

    Args:
        home: Its directory.
        engine: To run on loopback.
        enrolled: What ``vedette sensor enrol`` printed.
    """

    def __init__(self, home: Path, engine: Engine, enrolled: dict[str, Any]) -> None:
        super().__init__(home)
        self._engine = engine
        self._enrolled = enrolled
        self._fetches = enrolled["delivery"] == Delivery.SURICATA_UPDATE
        self._ended = threading.Event()

    def start(self) -> None:
        """Start the engine, then whatever brings it generations."""
        for name in ("rules", "agent"):
            (self.home / name).mkdir(exist_ok=True)
        write_atomically(
            self.home / "agent.token",
            [f"{self._enrolled['token']}\nkey {self._enrolled['key']}\n".encode()],
            mode=0o600,
        )
        rules = "suricata.rules" if self._fetches else "current/vedette.rules"
        if self._fetches:
            self.disable_nothing()
            self._add_source()
            self._update()
        self.live: Live = self.stack.enter_context(self._engine.live(self.home / "rules", rules))
        self.begin("agent", *self._agent())
        if self._fetches:
            thread = threading.Thread(target=self._update_for_ever, name="suricata-update")
            thread.start()
            self.stack.callback(thread.join)
            self.stack.callback(self._ended.set)

    def _agent(self) -> list[str]:
        options = {
            "hub": self._enrolled["url"],
            "token-file": self.home / "agent.token",
            "state": self.home / "agent",
            "name": self._enrolled["sensor"],
            "socket": self.live.socket,
            "rules": self.home / "rules",
            "eve": self.live.eve,
            "delivery": self._enrolled["delivery"],
        }
        pairs = [text for name, value in options.items() for text in (f"--{name}", str(value))]
        return [*_VEDETTE, "agent", *pairs]

    # -- what somebody does by hand -----------------------------------------------------------

    def edit_a_dataset(self) -> None:
        """Take the first name out of a dataset, and have the engine read that."""
        files = sorted((self.home / "rules/current").glob("*domain*.lst"), key=_size)
        lines = files[-1].read_bytes().splitlines(keepends=True)
        files[-1].write_bytes(b"".join(lines[1:]))
        self._reload()

    def disable_a_rule(self) -> int:
        """Have suricata-update comment out one of our rules; return its sid."""
        rules = [line for line in self._rules_text().splitlines() if b"domain" in line]
        found = next(match for match in map(_SID.search, rules) if match)
        write_atomically(self._disable_conf, [found[1] + b"\n"])
        return int(found[1])

    def disable_nothing(self) -> None:
        """Have it comment out nothing."""
        write_atomically(self._disable_conf, [b""])

    @property
    def _disable_conf(self) -> Path:
        return self.home / "disable.conf"

    # -- suricata-update ----------------------------------------------------------------------

    def _update_for_ever(self) -> None:
        """Do what a timer does on such a machine, only more often."""
        while not self._ended.wait(_UPDATE_EVERY_S):
            before = self._rules_text()
            self._update()
            if self._rules_text() != before:
                self._reload()

    def _add_source(self) -> None:
        """Paste what ``sensor enrol`` said."""
        self._suricata_update(
            *("add-source", "vedette"),
            f"{self._enrolled['url']}/suricata-%(__version__)s/vedette.tar.gz",
            *("--http-header", f"Authorization: Bearer {self._enrolled['token']}"),
        )

    def _update(self) -> None:
        self._suricata_update(
            *("update", "--output", str(self.home / "rules"), "--now"),
            *("--suricata", str(self._engine.binary), "--suricata-conf", str(self._engine.yaml)),
            *("--disable-conf", str(self._disable_conf), "--no-test", "--no-reload"),
        )

    def _suricata_update(self, verb: str, *arguments: str) -> None:
        program = str(Path(sys.executable).with_name("suricata-update"))
        _run(program, verb, "--data-dir", str(self.home / "update"), *arguments)

    def _rules_text(self) -> bytes:
        return (self.home / "rules/suricata.rules").read_bytes()

    def _reload(self) -> None:
        with SuricataSocket(self.live.socket) as engine:
            reload(engine, _RELOAD_S)


def _size(path: Path) -> int:
    return path.stat().st_size


def _run(*command: str) -> str:
    done = subprocess.run(  # noqa: S603 - the commands are ours
        command, capture_output=True, text=True, timeout=_RELOAD_S, check=False, env=_environment()
    )
    if done.returncode != 0:
        raise SensorError(f"{command[0]} failed: {done.stdout}{done.stderr}")
    return done.stdout


def _environment() -> dict[str, str]:
    return {**os.environ, "NO_COLOR": "1"}


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
