"""A real Redis for tests, alone on a port of loopback, without anything on the disk."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from redis import Redis

PASSWORD = "not-in-any-log"  # noqa: S105 - of a server that lives for a test
_START_S = 10.0


class RedisServer:
    """One server, from entering to leaving; it can be stopped and started meanwhile."""

    def __init__(self, directory: Path, password: str = PASSWORD) -> None:
        """Take a directory for what a restart has to find again; no password: all may come."""
        self._password = password
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]

    @property
    def url(self) -> str:
        """Its address, with the password."""
        user = f":{self._password}@" if self._password else ""
        return f"redis://{user}127.0.0.1:{self.port}/0"

    def __enter__(self) -> Self:
        """Start it.

        Raises:
            FileNotFoundError: There is no redis-server on this machine.
            RuntimeError: It did not start.
        """
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self.stop()

    def start(self) -> None:
        """Start it, with what it held when it was stopped."""
        program = shutil.which("redis-server")
        if program is None:
            raise FileNotFoundError("no redis-server (run: tools/apt.sh redis-server)")
        options = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "requirepass": self._password,
            "dir": str(self._directory),
            "save": "",
            "appendonly": "yes",
        }
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        self._process = subprocess.Popen(  # noqa: S603 - ours
            [program, *words], stdout=subprocess.DEVNULL
        )
        deadline = time.monotonic() + _START_S
        while True:
            try:
                self.client().ping()
            except Exception as error:
                if time.monotonic() > deadline:
                    raise RuntimeError("redis-server did not start") from error
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def client(self) -> Redis:
        """Return a connection."""
        from redis import Redis  # noqa: PLC0415 - of the extra

        return Redis(host="127.0.0.1", port=self.port, password=self._password, protocol=2)
