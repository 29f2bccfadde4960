"""A real OpenSSH server for tests, on a port of loopback, with keys and accounts of its own.

As root it has a passwd of its own, which only it and what it starts can see (a mount namespace):
so it can have a restricted account, and no login costs what root's shell does when it starts.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

SSHD = Path("/usr/sbin/sshd")
_START_S = 10.0
_UID, _NAME = 64_111, "sensor"
HOST = "probe"
"""The Host of :attr:`SshServer.config`."""


class SshServer:
    """One server, from entering to leaving.

    Args:
        directory: Of its own, with a short path.
        settings: More lines of sshd_config; the first of a name counts.
        restricted: As root: log in as a user without rights; else as who we are.
        key_options: Of our key in authorized_keys (``restrict,port-forwarding``).
        before: A command of the shell that root runs in the server's namespace before it starts.
    """

    def __init__(
        self,
        directory: Path,
        *,
        settings: Sequence[str] = (),
        restricted: bool = False,
        key_options: str = "",
        before: str = "",
    ) -> None:
        """Write keys and configuration.

        Raises:
            FileNotFoundError: There is no sshd on this machine.
        """
        if reason := missing():
            raise FileNotFoundError(reason)
        self.path = directory
        self.restricted = restricted
        self._before = before
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)
        self.home = directory / "home"
        self.home.mkdir()
        if restricted:
            for path in (directory, directory.parent):
                path.chmod(0o711)  # a temporary directory lets only its owner through
            os.chown(self.home, _UID, _UID)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        for name in ("host", "client"):
            self.make_key(name)
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {self._public('host')}\n")
        self.trust("client", key_options)
        lines = [
            *settings,
            f"Port {self.port}",
            "ListenAddress 127.0.0.1",
            f"HostKey {directory / 'host'}",
            f"AuthorizedKeysFile {directory / 'authorized_keys'}",
            f"PidFile {directory / 'sshd.pid'}",
            "PermitRootLogin yes",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "StrictModes no",
            "UsePAM no",
        ]
        (directory / "sshd_config").write_text("".join(f"{line}\n" for line in lines))
        self.write_config()

    @property
    def config(self) -> Path:
        """The client's ssh_config."""
        return self.path / "ssh_config"

    @property
    def known_hosts(self) -> Path:
        """Host keys that the client trusts."""
        return self.path / "known_hosts"

    @property
    def uid(self) -> int:
        """Of the account that is logged in as."""
        return _UID if self.restricted else os.geteuid()

    @property
    def way(self) -> dict[str, object]:
        """Settings of a sensor that is reached through this server."""
        return {
            "name": "probe",
            "delivery": "ssh",
            "ssh": HOST,
            "ssh_options": ("-F", str(self.config)),
            "mirror": str(self.path / "mirrors"),
            "restart_timeout_s": 5.0,
        }

    def make_key(self, name: str) -> None:
        """Make a key of that name, in the place of the one before."""
        for path in (self.path / name, self.path / f"{name}.pub"):
            path.unlink(missing_ok=True)
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test"]
        subprocess.run([*command, "-f", str(self.path / name)], check=True)  # noqa: S603

    def trust(self, name: str, options: str = "") -> None:
        """Let in whoever has the key of that name, and nobody else."""
        line = f"{options} {self._public(name)}\n".lstrip()
        (self.path / "authorized_keys").write_text(line)

    def write_config(self, *more: str) -> None:
        """Write the client's ssh_config."""
        lines = [
            f"Host {HOST}",
            "HostName 127.0.0.1",
            f"Port {self.port}",
            f"User {_NAME}" if os.geteuid() == 0 else "",
            f"IdentityFile {self.path / 'client'}",
            "IdentitiesOnly yes",
            f"UserKnownHostsFile {self.known_hosts}",
            "GlobalKnownHostsFile none",
            *more,
        ]
        self.config.write_text("".join(f"{line}\n" for line in lines))

    def _public(self, name: str) -> str:
        return " ".join((self.path / f"{name}.pub").read_text().split()[:2])

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End it and all its connections."""
        self.stop()

    def start(self) -> None:
        """Start it and wait until it listens.

        Raises:
            RuntimeError: It did not start.
        """
        command = [str(SSHD), "-D", "-f", str(self.path / "sshd_config")]
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # where it locks its unprivileged half in
            command = ["unshare", "--mount", "sh", "-ec", self._namespace(), "sh", *command]
        log = self.path / "sshd.log"
        with log.open("ab") as console:
            self._process = subprocess.Popen(  # noqa: S603
                [*command, "-E", str(log)], stdout=console, stderr=console, start_new_session=True
            )
        deadline = time.monotonic() + _START_S
        while not self._listens():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError(f"sshd did not start:\n{log.read_text()}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Kill it and all its connections."""
        if self._process is not None:
            self.cut()
            self._process.kill()
            self._process.wait()
            self._process = None

    def cut(self, how: int = signal.SIGKILL) -> int:
        """Kill (or stop) all connections that stand now; returns how many there were."""
        if self._process is None:
            return 0
        sessions = _children(self._process.pid)
        for session in sessions:
            for pid in (session, *_children(session)):
                with suppress(ProcessLookupError):
                    os.kill(pid, how)
        return len(sessions)

    def cut_later(self, after_s: float) -> Callable[[], None]:
        """Kill all connections in a while; returns what waits for that."""
        timer = threading.Timer(after_s, self.cut)
        timer.start()
        return timer.join

    def connections(self) -> int:
        """How many connections stand now."""
        return len(_children(self._process.pid)) if self._process else 0

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _namespace(self) -> str:
        line = f"{_NAME}:x:{self.uid}:{self.uid}::{self.home}:/bin/sh\n"
        (self.path / "passwd").write_text(Path("/etc/passwd").read_text() + line)
        passwd = f"mount --bind '{self.path / 'passwd'}' /etc/passwd"
        return f'{self._before}\n{passwd}\nexec "$@"'


def _children(pid: int) -> list[int]:
    try:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(child) for child in found.split()]


def missing() -> str:
    """Return what keeps a server from running here, or ``""``."""
    return "" if SSHD.exists() else "no sshd (run: tools/apt.sh openssh-server)"
