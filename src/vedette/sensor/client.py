"""The command socket of a running engine, one typed method per command.

Hard rule: every failure is a SensorError with a hint. An answer is reported, never trusted:
:mod:`vedette.sensor.proof` decides what the engine holds.
"""

from __future__ import annotations

import re
import socket
import struct
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from msgspec import Struct

from vedette.errors import SensorError
from vedette.sensor.protocol import Answer, Conversation, EngineGoneError, Outcome

_PATH_MAX = 107
_BUSY_S = 2.0
_RELOADS_SCAN = 256


class RulesetStats(Struct, frozen=True):
    """Rules over all tenants."""

    rules_loaded: int
    rules_failed: int
    rules_skipped: int = 0


class Losses(NamedTuple):
    """Counters that mean missed detections."""

    packets: int
    """Packets since the start."""
    dropped: int
    """Packets that the kernel did not get rid of."""
    alerts: int
    """Alerts beyond ``packet-alert-max`` of one packet."""


class _Counters(Struct):
    """The part of ``dump-counters`` that matters here."""

    capture: dict[str, Any] = {}
    detect: dict[str, Any] = {}

    def losses(self) -> Losses:
        return Losses(
            int(self.capture.get("kernel_packets", 0)),
            int(self.capture.get("kernel_drops", 0)),
            int(self.detect.get("alert_queue_overflow", 0)),
        )


class FailedRule(Struct, frozen=True):
    """A rule that the engine could not load and goes on without."""

    rule: str
    filename: str = ""
    line: int = 0

    @property
    def sid(self) -> int:
        """Its sid, or 0 if it has none."""
        found = re.search(r"\bsid\s*:\s*(\d+)", self.rule)
        return int(found[1]) if found else 0


class _Tenant(Struct):
    last_reload: str


class SuricataSocket:
    """A connection to the engine; use it in a ``with`` statement.

    Args:
        path: ``unix-command.filename`` of suricata.yaml.
        timeout_s: How long to wait for one answer.
    """

    def __init__(self, path: Path, timeout_s: float = 10.0) -> None:
        """Do not connect yet."""
        self.path = path
        self.timeout_s = timeout_s
        self._socket: socket.socket | None = None
        self._talk = Conversation()

    def __enter__(self) -> Self:
        """Connect, unless that has been done."""
        return self if self._socket else self.connect()

    def connect(self) -> Self:
        """Connect and greet.

        Raises:
            EngineGoneError: There is no engine.
            SensorError: It may not be asked by us, or is something else.
        """
        self._talk = Conversation()
        self._socket = _connect(self.path, self.timeout_s)
        try:
            self._greet()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Hang up."""
        self._close()

    def _greet(self) -> None:
        if not self._exchange(self._talk.greet()).ok:
            raise SensorError(f"the engine at {self.path} does not speak protocol 0.2")

    # -- about the engine -----------------------------------------------------------------

    @property
    def pid(self) -> int:
        """Process id of the engine."""
        credentials = self._connected().getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        return int(struct.unpack("3i", credentials)[0])

    def version(self) -> tuple[int, int, int]:
        """The engine's version."""
        text = self.ask("version").text
        found = re.match(r"(\d+)\.(\d+)\.(\d+)", text)
        if not found:
            raise SensorError(f"the engine says its version is {text!r}")
        return int(found[1]), int(found[2]), int(found[3])

    def uptime_s(self) -> int:
        """Seconds since the engine has started."""
        return self.ask("uptime").decode(int)

    def config(self, key: str) -> str | None:
        """A setting as the engine runs with it, ``--set`` included; of a list, ``key.0``..."""
        answer = self.ask("conf-get", {"variable": key})
        return answer.text if answer.ok else None

    def losses(self) -> Losses:
        """What the engine lost since it started; nothing before its first statistics (8 s)."""
        answer = self.ask("dump-counters")
        return answer.decode(_Counters).losses() if answer.ok else Losses(0, 0, 0)

    def ruleset_stats(self) -> RulesetStats:
        """How many rules are loaded and how many failed."""
        tenants = self.ask("ruleset-stats").decode(list[RulesetStats])
        return RulesetStats(
            sum(t.rules_loaded for t in tenants),
            sum(t.rules_failed for t in tenants),
            sum(t.rules_skipped for t in tenants),
        )

    def failed_rules(self) -> list[FailedRule]:
        """Each rule that could not be loaded."""
        return self.ask("ruleset-failed-rules").decode(list[FailedRule])

    # -- datasets -------------------------------------------------------------------------

    def lookup(self, name: str, kind: str, datavalue: str) -> Outcome:
        """FOUND, NOT_FOUND or NO_SUCH_SET."""
        return self._dataset("dataset-lookup", name, kind, datavalue)

    def add(self, name: str, kind: str, datavalue: str) -> Outcome:
        """Add to a plain set. On a set with JSON this kills 8.0.7: use :meth:`add_json` there."""
        return self._dataset("dataset-add", name, kind, datavalue)

    def add_json(self, name: str, kind: str, datavalue: str, datajson: str) -> Outcome:
        """Add to a set with JSON (8.x). On a plain set the JSON would be lost without a word."""
        return self._dataset("dataset-add-json", name, kind, datavalue, {"datajson": datajson})

    def remove(self, name: str, kind: str, datavalue: str) -> Outcome:
        """Remove from a set."""
        return self._dataset("dataset-remove", name, kind, datavalue)

    def _dataset(
        self,
        command: str,
        name: str,
        kind: str,
        datavalue: str,
        more: Mapping[str, str] | None = None,
    ) -> Outcome:
        arguments = {"setname": name, "settype": kind, "datavalue": datavalue, **(more or {})}
        deadline = time.monotonic() + _BUSY_S
        while (outcome := self.ask(command, arguments).outcome) is Outcome.BUSY:
            if time.monotonic() > deadline:
                raise SensorError(
                    f"an entry of {name} stayed busy for {_BUSY_S:g} s: {command} given up",
                    hint="Traffic uses it without a pause; a reload does not need to wait for it.",
                )
            time.sleep(0.005)
        return outcome

    # -- reload ---------------------------------------------------------------------------

    def reload_time(self) -> str:
        """When the rules in force were loaded; changes when a reload has ended."""
        tenants = self.ask("ruleset-reload-time").decode(list[_Tenant])
        return " ".join(tenant.last_reload for tenant in tenants)

    def reloads(self, at_least: int = 0) -> int:
        """How many reloads have begun since the engine started.

        The engine keeps the configuration of the last one under ``detect-engine-reloads.N``. 0 also
        stands for "more than can be looked through".

        Args:
            at_least: A count seen before; saves looking for the smaller ones.
        """
        for start in dict.fromkeys((max(at_least - 1, 0), 0)):
            seen = (n for n in range(start, start + _RELOADS_SCAN) if self._began_reload(n))
            if (last := next(seen, None)) is not None:
                while self._began_reload(last + 1):
                    last += 1
                return last + 1
        return 0

    def _began_reload(self, number: int) -> bool:
        return self.config(f"detect-engine-reloads.{number}.default-rule-path") is not None

    def begin_reload(self) -> Outcome:
        """Ask for a reload and do not wait: DONE (begun), RELOADING or CANNOT_RELOAD."""
        return self.ask("ruleset-reload-nonblocking").outcome

    # -- the wire -------------------------------------------------------------------------

    def ask(self, command: str, arguments: Mapping[str, str] | None = None) -> Answer:
        """Send any command and return its answer.

        Raises:
            EngineGoneError: The engine hung up.
            SensorError: It does not answer in time, or the command is too long.
        """
        return self._exchange(self._talk.ask(command, arguments))

    def _exchange(self, line: bytes) -> Answer:
        connection = self._connected()
        try:
            connection.sendall(line)
            while (answer := self._talk.receive(connection.recv(1 << 16))) is None:
                pass
        except TimeoutError as error:
            raise SensorError(
                f"the engine did not answer within {self.timeout_s:g} s",
                hint="It may be loading rules with the blocking reload, or be stuck. Try again.",
            ) from error
        except OSError as error:
            raise EngineGoneError(f"the engine is gone: {error.strerror}") from error
        return answer

    def _connected(self) -> socket.socket:
        if self._socket is None:
            raise SensorError("not connected to the engine")
        return self._socket

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _connect(path: Path, timeout_s: float) -> socket.socket:
    if len(str(path).encode()) > _PATH_MAX:
        raise SensorError(
            f"the socket path {path} is longer than {_PATH_MAX} bytes",
            hint="Linux allows no more; set unix-command.filename to a shorter path.",
        )
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(timeout_s)
    try:
        connection.connect(str(path))
    except OSError as error:
        connection.close()
        raise _no_engine(path, error) from error
    return connection


def _no_engine(path: Path, error: OSError) -> SensorError:
    if isinstance(error, FileNotFoundError):
        return EngineGoneError(
            f"there is no socket {path}",
            hint="Is Suricata running, with unix-command enabled and this filename in its yaml?",
        )
    if isinstance(error, ConnectionRefusedError):
        return EngineGoneError(
            f"nobody listens on {path}",
            hint="Suricata has ended and left its socket behind; start it.",
        )
    if isinstance(error, PermissionError):
        return SensorError(
            f"no permission to use {path}",
            hint="Put the user that Vedette runs as into the group of the socket, or run as root.",
        )
    if isinstance(error, TimeoutError):
        return SensorError(
            f"the engine at {path} takes no more connections",
            hint="Another program holds its command socket; see who with: ss -xp",
        )
    return SensorError(f"cannot connect to {path}: {error.strerror}")
