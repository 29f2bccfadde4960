"""One connection to a sensor's machine, kept for a while and shared by all who need it.

Hard rule: no setting of a sensor is ever part of a command line of the other side. What runs there
is a constant; the script and its quoted arguments come over its standard input.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import secrets
import shlex
import socket
import stat
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import structlog

from vedette.errors import SensorError, UsageError
from vedette.sensor.settings import Sensor
from vedette.sensor.ssh_said import Trouble, UnreachableError, unreachable

log = structlog.get_logger(__name__)

KEPT_S = 300
"""How long a connection that nobody uses stays open."""
_PATH_MAX = 107
_SSH_ADDS = 17  # ssh binds a socket under a longer name first
_CLEAN = re.compile(r"[A-Za-z0-9_./,+=@-]+")
_DESTINATION = re.compile(r"[A-Za-z0-9_.\[][A-Za-z0-9_.:@%/\[\]+-]*")
_ALIVE_S, _ALIVE_TRIES = 5, 3
_SETTLE_S = 30.0
_OWN_FAILURE = 255
_RUN = "exec sh -c 'eval \"$(dd bs=1 count={size} 2>/dev/null)\"'"
_SET_UP = "LC_ALL=C PATH=$PATH:/usr/local/bin:/usr/local/sbin:/usr/sbin:/sbin\nexport LC_ALL PATH\n"

Feed = Callable[[BinaryIO], None]
"""Writes what the script reads from its standard input."""


class ThereError(SensorError):
    """The machine was reached, and what was asked of it failed there."""

    def __init__(self, message: str, code: int, output: bytes, said: str) -> None:
        super().__init__(message, hint=hint_of(said))
        self.code = code
        self.output = output
        self.said = said


_HINTS = (
    ("No space left", "The disk of the sensor is full. Free some space there and push again; the"),
    ("quota exceeded", "The account's quota on the sensor is used up. Free some space; the"),
    ("Read-only", "That file system of the sensor is read-only; choose another directory; the"),
    ("ermission denied", "The account must own that directory: see `vedette sensor doctor`; the"),
    ("not found", "A program is missing on the sensor: see `vedette sensor doctor`; the"),
)


def hint_of(said: str) -> str:
    """Return what to do about an error of the other side."""
    begun = next((hint for words, hint in _HINTS if words in said), "")
    return f"{begun} generation in force there is untouched." if begun else ""


class Link:
    """The way to one sensor's machine. Making one touches nothing.

    Args:
        sensor: Of delivery ``ssh``.

    Raises:
        UsageError: Its ``ssh`` cannot be a destination, or its socket no path.
    """

    def __init__(self, sensor: Sensor) -> None:
        self.host = sensor.ssh
        self.name = sensor.name
        self._options = sensor.ssh_options
        self._there = sensor.socket
        self._timeout_s = sensor.timeout_s
        if not _DESTINATION.fullmatch(self.host):
            raise UsageError(
                f"{self.host!r} is no destination for ssh",
                hint="Give user@host, or a Host of ssh_config, as the sensor's ssh.",
            )
        if self._there and (not self._there.startswith("/") or "\0" in self._there):
            raise UsageError(f"the socket {self._there!r} is no absolute path")
        said = "\0".join((self.host, *self._options, "\0", self._there))
        self._key = hashlib.sha256(said.encode()).hexdigest()[:16]

    # -- the connection -------------------------------------------------------------------

    @property
    def socket(self) -> Path:
        """Where the engine's socket is on this machine, as long as the connection stands."""
        return _place() / f"{self._key}.engine"

    def is_open(self) -> bool:
        """Whether there is a connection now."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(1)
            try:
                probe.connect(str(self._control))
            except OSError:
                return False
            return True

    def open(self) -> None:
        """Connect, unless there is a connection.

        Raises:
            UnreachableError: It cannot be reached.
            SensorError: There is no private place for the sockets of a connection.
        """
        if self.is_open():
            return
        with self._alone():
            if self.is_open():
                return
            with suppress(FileNotFoundError):
                self._control.unlink()
            self._connect()
        log.debug("ssh.connected", sensor=self.name)

    def close(self) -> None:
        """End the connection for all who use it; it is made again when needed."""
        if self.is_open():
            subprocess.run(  # noqa: S603 - arguments, no shell
                self._command("-O", "exit"), capture_output=True, timeout=_SETTLE_S, check=False
            )

    @property
    def _control(self) -> Path:
        return _place() / f"{self._key}.ssh"

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep another process from connecting at the same time: its sockets have the same name."""
        descriptor = os.open(_place() / f"{self._key}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _connect(self) -> None:
        options = ["ControlMaster=yes", f"ControlPersist={KEPT_S}", "ExitOnForwardFailure=yes"]
        options += ["StreamLocalBindUnlink=yes", "StreamLocalBindMask=0177"]
        command = self._command("-f", "-N", *_settings(options), *self._forward())
        with tempfile.TemporaryFile() as said:
            code = self._wait(command, None, said, said, self._timeout_s + _SETTLE_S)
            if code != 0:
                raise unreachable(self.host, _text(said))

    def _forward(self) -> list[str]:
        if not self._there:
            return []
        if _CLEAN.fullmatch(self._there):
            return ["-L", f"{self.socket}:{self._there}"]
        # ssh would expand a $ in it, but not one in a value of the environment (since 8.4).
        return ["-L", f"{self.socket}:/${{VEDETTE_SOCKET}}"]

    def _escaped(self) -> str:
        """Return the engine's socket without its first slash, as ssh takes it for itself."""
        text = self._there[1:]
        for special, instead in (("\\", "\\\\"), (":", "\\:"), ("%", "%%")):
            text = text.replace(special, instead)
        return text

    def _command(self, *more: str) -> list[str]:
        options = [
            "BatchMode=yes",
            f"ConnectTimeout={max(int(self._timeout_s), 1)}",
            f"ServerAliveInterval={_ALIVE_S}",
            f"ServerAliveCountMax={_ALIVE_TRIES}",
            "ForwardAgent=no",
            "ForwardX11=no",
            "PermitLocalCommand=no",
            "RequestTTY=no",
            "EscapeChar=none",
            f"ControlPath={self._control}",
        ]
        return ["ssh", *_settings(options), *more, *self._options, "--", self.host]

    # -- what runs over it ----------------------------------------------------------------

    def run(
        self,
        script: str,
        *arguments: str,
        feed: Feed | None = None,
        timeout_s: float = 60.0,
        what: str = "",
    ) -> bytes:
        """Run a script of the POSIX shell there and return what it printed.

        Args:
            script: A constant of ours.
            arguments: Its ``$1``, ``$2``...; any text without NUL.
            feed: Writes its standard input.
            timeout_s: For all of it.
            what: "cannot ..." of the error.

        Raises:
            UnreachableError: The machine cannot be reached, or the connection was lost meanwhile.
            ThereError: The script failed; with what it printed so far.
        """
        self.open()
        words = " ".join(shlex.quote(word) for word in ("set", "--", *arguments))
        begun = secrets.token_hex(8)
        program = f"{words}\n{_SET_UP}echo {begun}\n{script}".encode(errors="surrogateescape")
        command = [
            *self._command(*_settings(["ControlMaster=no"])),
            _RUN.format(size=len(program)),
        ]

        def write(stdin: BinaryIO) -> None:
            stdin.write(program)
            if feed is not None:
                feed(stdin)

        with tempfile.TemporaryFile() as printed, tempfile.TemporaryFile() as complained:
            code = self._wait(command, write, printed, complained, timeout_s)
            said = _text(complained)
            printed.seek(0)
            noise, has_begun, output = printed.read().partition(f"{begun}\n".encode())
        if code == _OWN_FAILURE or code < 0:
            raise unreachable(self.host, said, Trouble.LOST)
        if not has_begun:
            raise self._does_not_run(noise, said, code)
        if code != 0:
            lines = said.splitlines() or [f"exit code {code}"]
            reason = next((line for line in lines if hint_of(line)), lines[-1])
            message = f"cannot {what or 'do that'} on {self.host}: {reason}"
            raise ThereError(message, code, output, said)
        return output

    def _does_not_run(self, printed: bytes, said: str, code: int) -> SensorError:
        """Return the error for a login that does something else than what we send."""
        lines = [*said.splitlines(), *printed.decode(errors="replace").splitlines()]
        return SensorError(
            f"the account on {self.host} does not run what we send:"
            f" {next((line for line in lines if line.strip()), f'exit code {code}')}",
            hint="It needs /bin/sh as its shell, and its key in authorized_keys no command=, nor"
            " sshd_config a ForceCommand for it.",
        )

    def _wait(
        self,
        command: Sequence[str],
        feed: Feed | None,
        printed: BinaryIO,
        complained: BinaryIO,
        timeout_s: float,
    ) -> int:
        try:
            process = subprocess.Popen(  # noqa: S603 - arguments, no shell
                command,
                stdin=subprocess.PIPE if feed else subprocess.DEVNULL,
                stdout=printed,
                stderr=complained,
                env={**os.environ, "LC_ALL": "C", "VEDETTE_SOCKET": self._escaped()},
            )
        except FileNotFoundError as error:
            raise UnreachableError(Trouble.NO_SSH, self.host, "there is no ssh") from error
        late = threading.Event()

        def end() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(timeout_s, end)
        timer.daemon = True
        timer.start()
        try:
            with process:
                if feed and process.stdin:
                    with suppress(BrokenPipeError):  # the script ended early: it says why
                        feed(process.stdin)  # type: ignore[arg-type]
                    with suppress(BrokenPipeError):
                        process.stdin.close()
                code = process.wait()
        except BaseException:
            process.kill()
            raise
        finally:
            timer.cancel()
        if late.is_set():
            said = f"nothing came for {timeout_s:g} s"
            raise UnreachableError(Trouble.SILENT, self.host, said)
        return code


def _settings(options: Sequence[str]) -> list[str]:
    return [part for option in options for part in ("-o", option)]


def _text(file: BinaryIO) -> str:
    file.seek(0)
    return file.read().decode(errors="replace").strip()


def _place() -> Path:
    """Return the private directory for sockets; it is made if need be.

    Raises:
        SensorError: It is not ours alone.
    """
    uid = os.geteuid()
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    choices = [Path(runtime) / "vedette"] if runtime.startswith("/") else []
    choices.append(Path(tempfile.gettempdir()) / f"vedette-ssh-{uid}")
    choices.append(Path(f"/tmp/vedette-ssh-{uid}"))  # noqa: S108 - checked below
    place = next((path for path in choices if _is_usable(path)), choices[-1])
    place.mkdir(mode=0o700, exist_ok=True)
    status = place.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != uid or status.st_mode & 0o077:
        raise SensorError(
            f"{place} is not a directory of ours alone",
            hint="Whoever can write there could put himself between Vedette and its sensors. Remove"
            " it, or set XDG_RUNTIME_DIR to a private directory.",
        )
    return place


def _is_usable(path: Path) -> bool:
    """Whether ssh can put its sockets there: short, and nothing that it would expand."""
    length = len(str(path).encode()) + len("/0123456789abcdef.engine") + _SSH_ADDS
    return length <= _PATH_MAX and bool(_CLEAN.fullmatch(str(path))) and path.parent.is_dir()
