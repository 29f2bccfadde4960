"""The machine of the hub and that of the sensor: directories, processes, and what is done there."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from vedette.testing.fleet.nursery import Child, Nursery

SENSOR = "s1"
_TOML = """\
[run]
interval = "1s"
prove_every = "5s"

[serve]
listen = "127.0.0.1:{port}"

[pool]
enabled = false

[guard]
enabled = false
"""
_AGENT_TOML = """\
hub = "http://127.0.0.1:{port}"
token_file = "{token}"
state = "{state}"
rhythm = "1s"
look_every = "1s"
proof_members = 20

[sensor]
name = "s1"
socket = "{socket}"
rules = "{rules}"
delta_max = {delta_max}
timeout_s = 1.5
reload_timeout_s = 20.0
restart_timeout_s = 8.0
"""
_COMMAND_S = 40.0
_START_S = 30.0


class HubPlace:
    """A hub: its directory, ``vedette serve``, and the commands of its operator.

    Args:
        home: Its directory.
        nursery: Starts its processes.
        template: A hub that is copied here.
    """

    def __init__(self, home: Path, nursery: Nursery, template: Path | None = None) -> None:
        """Make the directory; start nothing."""
        self.home = home
        self.nursery = nursery
        self.port = free_port()
        self.server: Child | None = None
        self._running: set[Child] = set()
        self._lock = threading.Lock()
        self._server_lock = threading.Lock()
        home.mkdir(parents=True, exist_ok=True)
        if template:
            shutil.copytree(template, home, symlinks=True, dirs_exist_ok=True)
            self.read_own_feeds(template)
        self.write_config()

    def read_own_feeds(self, other: Path) -> None:
        """Let the sources of a copied hub lead to the files of this one."""
        with closing(sqlite3.connect(self.state / "vedette.db")) as db, db:
            db.execute(
                "UPDATE source SET settings=replace(settings, ?, ?)",
                (f"{other}/", f"{self.home}/"),
            )

    def write_config(self) -> None:
        """Write vedette.toml."""
        (self.home / "vedette.toml").write_text(_TOML.format(port=self.port))

    @property
    def state(self) -> Path:
        """Its state directory."""
        return self.home / "state"

    @property
    def bundles(self) -> Path:
        """Its generations."""
        return self.state / "bundles"

    def start(self) -> None:
        """Start ``vedette serve``, unless it runs, and wait until it listens or has failed."""
        with self._server_lock:
            if self.is_alive:
                return
            self.server = self.nursery.start(
                ["--config", str(self.home / "vedette.toml"), "serve"], self.home / "serve.log"
            )
            deadline = time.monotonic() + _START_S
            while time.monotonic() < deadline and self.server.is_alive:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                        return
                time.sleep(0.02)

    @property
    def is_alive(self) -> bool:
        """Whether it serves."""
        return self.server is not None and self.server.is_alive

    def kill(self, *, commands: bool = True) -> None:
        """Kill the server, and what its operator runs at this moment."""
        with self._server_lock:
            if self.server:
                self.server.close()
        if commands:
            with self._lock:
                for child in self._running:
                    child.kill()

    def command(self, *arguments: str) -> tuple[int | None, str]:
        """Run a command; return its exit code (None: it was killed) and what it printed."""
        log = self.home / f"command-{time.monotonic_ns()}.log"
        child = self.nursery.start(["--config", str(self.home / "vedette.toml"), *arguments], log)
        with self._lock:
            self._running.add(child)
        try:
            code = child.wait(_COMMAND_S)
        finally:
            with self._lock:
                self._running.discard(child)
            child.close()
        printed = log.read_text(errors="replace") if log.exists() else ""  # killed before a word
        with (self.home / "commands.log").open("a") as kept:
            kept.write(f"$ {' '.join(arguments)} -> {code}\n{printed}\n")
        for path in log.parent.glob(f"{log.name}*"):
            path.unlink()
        return code, printed

    def ask(self, *arguments: str) -> Any:  # noqa: ANN401 - whatever the command prints
        """Run a command with ``--json`` and return its document; None if it failed."""
        code, printed = self.command(*arguments, "--json")
        try:
            return json.loads(printed) if code == 0 else None
        except ValueError:
            return None

    def publish(self, domains: Iterable[str], addresses: Iterable[str], *more: str) -> bool:
        """Change the feeds, pull them and build; return whether all of that went well."""
        for name, values in (("domains.txt", domains), ("addresses.txt", addresses)):
            new = self.home / f"{name}.new"
            new.write_text("".join(f"{value}\n" for value in values))
            new.replace(self.home / name)
        if self.command("source", "pull", "domains", "addresses", "--accept")[0] != 0:
            return False
        return self.command("bundle", "build", "--accept", *more)[0] == 0

    def close(self) -> None:
        """End all of it."""
        self.kill()


class SensorPlace:
    """An agent: its directories and its process.

    Args:
        home: Its directory.
        disk: Where its state and its rules are.
        nursery: Starts its process.
        port: Where it finds the hub.
        token: The lines of its token file.
        delta_max: The most changes that it brings over the socket.
    """

    def __init__(
        self, home: Path, disk: Path, nursery: Nursery, *, port: int, token: str, delta_max: int
    ) -> None:
        """Make the directories; start nothing."""
        self.home = home
        self.disk = disk
        self.nursery = nursery
        self.agent: Child | None = None
        self.lives: list[tuple[float, float]] = []
        self._born = 0.0
        home.mkdir(parents=True, exist_ok=True)
        for path in (self.rules, self.state):
            path.mkdir(parents=True, exist_ok=True)
        secret = home / "agent.token"
        secret.write_text(token)
        secret.chmod(0o600)
        text = _AGENT_TOML.format(
            port=port,
            token=secret,
            state=self.state,
            socket=self.socket,
            rules=self.rules,
            delta_max=delta_max,
        )
        (home / "agent.toml").write_text(text)

    @property
    def socket(self) -> Path:
        """Where the agent finds the engine: a link, which can vanish."""
        return self.home / "s"

    @property
    def rules(self) -> Path:
        """The rules directory."""
        return self.disk / "rules"

    @property
    def state(self) -> Path:
        """The agent's state directory."""
        return self.disk / "agent"

    @property
    def log(self) -> Path:
        """What the agent says."""
        return self.home / "agent.log"

    def lead_to(self, target: Path | None) -> None:
        """Let the link lead to a socket; None: away with it."""
        new = self.home / "s.new"
        new.unlink(missing_ok=True)
        if target is None:
            self.socket.unlink(missing_ok=True)
            return
        new.symlink_to(target)
        new.replace(self.socket)

    def start(self) -> None:
        """Start the agent."""
        self._born = time.monotonic()
        self.agent = self.nursery.start(
            ["agent", "--config", str(self.home / "agent.toml"), "--json"], self.log
        )

    @property
    def is_alive(self) -> bool:
        """Whether the agent runs."""
        return self.agent is not None and self.agent.is_alive

    def kill(self) -> None:
        """Kill it."""
        if self.agent:
            self.agent.close()
            self.lives.append((self._born, time.monotonic()))

    def status(self) -> dict[str, Any]:
        """Return what the agent wrote last of itself."""
        try:
            report = json.loads((self.state / "status.json").read_bytes())["report"]
            return report if isinstance(report, dict) else {}
        except (OSError, ValueError, KeyError):
            return {}

    def close(self) -> None:
        """End it."""
        self.kill()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


class SmallDisk:
    """A file system of its own, which can be full.

    Args:
        path: Where it is mounted.
        megabytes: Its size.
    """

    def __init__(self, path: Path, megabytes: int) -> None:
        """Mount it."""
        self.path = path
        self._ballast = path / ".ballast"
        path.mkdir(parents=True, exist_ok=True)
        options = f"size={megabytes}m,mode=0755"
        subprocess.run(  # noqa: S603 - the path is ours
            ["mount", "-t", "tmpfs", "-o", options, "vedette-campaign", str(path)],  # noqa: S607
            check=True,
            capture_output=True,
        )

    @staticmethod
    def why_not() -> str:
        """Return why there can be none here; empty: there can."""
        if os.geteuid() != 0:
            return "mounting a small disk needs root"
        return "" if shutil.which("mount") else "there is no mount(8)"

    def fill(self, left: int) -> None:
        """Leave so many bytes."""
        free = shutil.disk_usage(self.path).free
        with self._ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, free - left))

    def free(self) -> None:
        """Take away what fills it."""
        self._ballast.unlink(missing_ok=True)

    def close(self) -> None:
        """Unmount it."""
        command = ["umount", "-l", str(self.path)]
        subprocess.run(command, check=False, capture_output=True)  # noqa: S603
