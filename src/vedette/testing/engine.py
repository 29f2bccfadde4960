"""A real Suricata for tests, as ``tools/engines.sh`` unpacks it: check, read a capture, run live.

The engine runs on its unmodified default suricata.yaml; only paths are overridden. Each run has its
own directory for logs and its own socket, so that runs do not disturb each other.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn
from unittest import SkipTest

from vedette.buffers import Profile

_LEVEL = re.compile(r"(?:^|\] )(Error|Warning|E|W): ")


class EngineError(AssertionError):
    """The engine did not do what a test needs of it."""


@dataclass(frozen=True)
class CheckResult:
    """What ``suricata -T`` said."""

    rc: int
    log_lines: list[str]
    warnings: list[str]
    errors: list[str]


@dataclass
class Live:
    """An engine that runs on loopback and can be asked, killed and started again."""

    command: list[str]
    path: Path
    """Its own directory: logs, EVE, socket."""
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def socket(self) -> Path:
        """Where it answers commands."""
        return self.path / "suricata-command.socket"

    @property
    def eve(self) -> Path:
        """Its eve.json."""
        return self.path / "eve.json"

    @property
    def log(self) -> Path:
        """Its suricata.log."""
        return self.path / "suricata.log"

    @property
    def pid(self) -> int:
        """Its process, as long as it runs."""
        return self._started().pid

    def exit_code(self) -> int | None:
        """None as long as it runs."""
        return self._started().poll()

    def start(self) -> None:
        """Start it, after a kill also again; does not wait."""
        with suppress(FileNotFoundError):
            self.socket.unlink()
        with suppress(FileNotFoundError):
            self.log.unlink()
        with (self.path / "console.log").open("ab") as console:
            self.process = subprocess.Popen(  # noqa: S603 - the command is ours
                self.command, stdout=console, stderr=console
            )

    def wait_started(self, timeout_s: float = 90) -> None:
        """Return when it has loaded its rules and captures."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if (code := self._started().poll()) is not None:
                raise EngineError(f"suricata exited with {code}:\n{self._tail()}")
            if self.log.exists() and "Engine started" in self.log.read_text(errors="replace"):
                return
            time.sleep(0.02)
        raise EngineError(f"suricata did not start within {timeout_s} s:\n{self._tail()}")

    def events(self, event_type: str = "alert") -> list[dict[str, Any]]:
        """Return what EVE has by now, of one type."""
        if not self.eve.exists():
            return []
        return [e for e in _read_eve(self.eve) if e["event_type"] == event_type]

    def wait_events(
        self, count: int = 1, event_type: str = "alert", timeout_s: float = 20
    ) -> list[dict[str, Any]]:
        """Return the events of a type as soon as there are ``count`` of them (or fail)."""
        deadline = time.monotonic() + timeout_s
        while len(found := self.events(event_type)) < count:
            if time.monotonic() > deadline:
                raise EngineError(
                    f"{len(found)} {event_type} events after {timeout_s} s, not {count}"
                )
            time.sleep(0.05)
        return found

    def kill(self, sig: int = signal.SIGKILL) -> int:
        """Send a signal and return the exit code."""
        self._started().send_signal(sig)
        return self._started().wait(timeout=30)

    def stop(self) -> None:
        """End it if it still runs."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(timeout=10)

    def _started(self) -> subprocess.Popen[bytes]:
        if self.process is None:
            raise EngineError("suricata was not started")
        return self.process

    def _tail(self) -> str:
        log = self.log if self.log.exists() else self.path / "console.log"
        return "\n".join(log.read_text(errors="replace").splitlines()[-15:])


def _read_eve(path: Path) -> list[dict[str, Any]]:
    lines = path.read_bytes().split(b"\n")
    # The last piece is empty, or a line that is still being written.
    return [json.loads(line) for line in lines[:-1] if line.strip()]


@dataclass(frozen=True)
class Engine:
    """One unpacked Suricata with its unmodified default suricata.yaml."""

    home: Path
    version: tuple[int, int, int]

    @property
    def binary(self) -> Path:
        """The executable."""
        return self.home / "bin/suricata"

    @property
    def yaml(self) -> Path:
        """suricata.yaml as shipped."""
        return self.home / "etc/suricata/suricata.yaml"

    @property
    def profile(self) -> Profile:
        """The newest profile that this version reaches."""
        return [p for p in Profile if p.version <= self.version][-1]

    def command(
        self, log_dir: Path, directory: Path, rules_name: str = "vedette.rules"
    ) -> list[str]:
        """Return a command line with the overrides of tools/engines.sh; add ``-T``, ``-r``...

        ``rules_name`` is relative to ``directory`` or absolute, and stands in ``rule-files``.
        """
        overrides = {
            **self._paths(directory),
            "rule-files.0": rules_name,
            **self._private(log_dir),
        }
        return [str(self.binary), "-c", str(self.yaml), "-l", str(log_dir), *_sets(overrides)]

    def write_yaml(self, path: Path, directory: Path, rules_name: str = "vedette.rules") -> None:
        """Write a suricata.yaml that includes the shipped one and names our rules.

        A reload reads the yaml again and forgets every ``--set``, so an engine that shall reload
        needs its rule files in a file.
        """
        paths = [f"{key}: {value}" for key, value in self._paths(directory).items()]
        lines = ["%YAML 1.1", "---", f"include: {self.yaml}", *paths, "rule-files:"]
        path.write_text("\n".join([*lines, f"  - {rules_name}", ""]))

    def _paths(self, directory: Path) -> dict[str, object]:
        etc = self.home / "etc/suricata"
        return {
            "default-rule-path": directory,
            "classification-file": etc / "classification.config",
            "reference-config-file": etc / "reference.config",
            "threshold-file": etc / "threshold.config",
        }

    def _private(self, log_dir: Path) -> dict[str, object]:
        return {
            "pid-file": log_dir / "suricata.pid",
            "unix-command.filename": log_dir / "suricata-command.socket",
            "detect.sgh-mpm-caching-path": log_dir / "sgh",
        }

    def check(
        self, directory: Path, rules_name: str = "vedette.rules", *, arguments: Sequence[str] = ()
    ) -> CheckResult:
        """Run ``suricata -T`` on a directory with a rule file."""
        with _scratch() as log_dir:
            done = subprocess.run(  # noqa: S603 - the command is ours
                [*self.command(log_dir, directory, rules_name), *arguments, "-T"],
                capture_output=True,
                text=True,
                errors="replace",
                timeout=300,
                check=False,
            )
        lines = (done.stdout + done.stderr).splitlines()
        levels = [(m.group(1)[0], line) for line in lines if (m := _LEVEL.search(line))]
        return CheckResult(
            done.returncode,
            lines,
            [line for level, line in levels if level == "W"],
            [line for level, line in levels if level == "E"],
        )

    def run_pcap(
        self,
        pcap: Path,
        directory: Path,
        rules_name: str = "vedette.rules",
        *,
        arguments: Sequence[str] = (),
    ) -> list[dict[str, Any]]:
        """Read a capture and return all EVE events; checksums are not looked at (``-k none``)."""
        with _scratch() as log_dir:
            done = subprocess.run(  # noqa: S603 - the command is ours
                [
                    *self.command(log_dir, directory, rules_name),
                    *arguments,
                    "-k",
                    "none",
                    "-r",
                    str(pcap),
                ],
                capture_output=True,
                text=True,
                errors="replace",
                timeout=300,
                check=False,
            )
            if done.returncode != 0:
                raise EngineError(
                    f"suricata -r exited with {done.returncode}:\n{done.stdout}{done.stderr}"
                )
            return _read_eve(log_dir / "eve.json")

    @contextmanager
    def live(
        self,
        directory: Path,
        rules_name: str = "vedette.rules",
        *,
        arguments: Sequence[str] = (),
        start: bool = True,
    ) -> Iterator[Live]:
        """Run it on loopback, wait until it has started, and end it afterwards.

        Args:
            directory: ``default-rule-path``.
            rules_name: Entry of ``rule-files``, relative to ``directory`` or absolute.
            arguments: More of the command line (``--set KEY=VALUE``, ``-S FILE``).
            start: False to call ``start()`` oneself.
        """
        if os.geteuid() != 0:
            _lack("a live engine captures on loopback, and that needs root")
        with _scratch() as log_dir:
            yaml = log_dir / "suricata.yaml"
            self.write_yaml(yaml, directory, rules_name)
            private = _sets(self._private(log_dir))
            command = [str(self.binary), "-c", str(yaml), "-l", str(log_dir), *private]
            command += [*arguments, "-k", "none", "--pcap=lo"]
            live = Live(command, log_dir)
            try:
                if start:
                    live.start()
                    live.wait_started()
                yield live
            finally:
                live.stop()


def _sets(overrides: Mapping[str, object]) -> list[str]:
    return [part for key, value in overrides.items() for part in ("--set", f"{key}={value}")]


def _lack(reason: str) -> NoReturn:
    if os.environ.get("CI"):
        raise EngineError(reason)
    raise SkipTest(reason)  # pytest takes it for its own


@contextmanager
def _scratch() -> Iterator[Path]:
    # Not pytest's tmp_path: a socket's path has at most 107 bytes.
    path = Path(tempfile.mkdtemp(prefix="vedette-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def engines_home() -> Path:
    """Where ``tools/engines.sh`` puts the engines."""
    return Path(os.environ.get("VEDETTE_ENGINES") or Path.home() / ".cache/vedette/engines")


def find_engine(series: str) -> Engine | None:
    """Return the engine of a series (``7``, ``8``), or None if it is not unpacked."""
    home = engines_home() / series
    if not (home / "bin/suricata").exists():
        return None
    major, minor, patch = (home / "version").read_text().strip().split(".")[:3]
    return Engine(home, (int(major), int(minor), int(patch)))
