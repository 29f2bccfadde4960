"""A process of :mod:`vedette.testing.clickhouse_http`, to be started, killed and started again."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass
class ClickHouseNode:
    """A ClickHouse over HTTP on loopback, in a process of its own."""

    directory: Path
    user: str = "default"
    password: str = ""
    port: int = 0
    """0: a free one; kept when it is started again."""
    tls: str = ""
    """PEM file of a certificate and its key; empty: no TLS."""
    _process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """How vedette.toml names it, without a database."""
        scheme = "clickhouses" if self.tls else "clickhouse"
        return f"{scheme}://{self.user}@127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [sys.executable, "-m", "vedette.testing.clickhouse_http", str(self.directory)]
        command += ["--port", str(self.port), "--user", self.user, "--password", self.password]
        command += ["--tls", self.tls]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            command, stdout=subprocess.PIPE, text=True, env=environment
        )
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        self.port = int(self._process.stdout.readline())

    def kill(self) -> None:
        """End it at once, whatever it does (SIGKILL)."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self.kill()
