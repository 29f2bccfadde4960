"""Real processes that start in milliseconds: forked from one that has imported everything.

What runs in them is the command line, as a shell would start it. Only the waits of an agent
(between two tries, for an answer) are shorter, or a campaign would mostly wait.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self, SupportsIndex

_IMPORTED = ("vedette.cli", "vedette.web.running", "vedette.agent.running")
_WAIT_FIRST_S = 0.05
_WAIT_MOST_S = 0.6
_POLL_S = 3.0
_SILENCE_S = 4.0
"""A poll whose answer was lost on the way ends after both; in real life after 80 s."""
SPOILS = "VEDETTE_NURSERY_SPOILS"
"""Names a script that breaks the product on purpose: the campaign has to find that."""
ENGINE = "vedette.testing.fleet.fake_engine"


class Child:
    """A process of a nursery, or of nobody's; it can be killed, and it is known when it is gone."""

    def __init__(self, pid: int, code_file: Path | None = None) -> None:
        """Take hold of a process that has been started."""
        self.pid = pid
        self._code_file = code_file
        try:
            self._handle = os.pidfd_open(pid)
        except ProcessLookupError:
            self._handle = -1

    @property
    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self._handle >= 0 and not select.select([self._handle], [], [], 0)[0]

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send it a signal."""
        with suppress(ProcessLookupError):
            if self._handle >= 0:
                signal.pidfd_send_signal(self._handle, number)

    def wait(self, timeout_s: float = 20.0) -> int | None:
        """Wait for its end; return its exit code, None if it was killed.

        Raises:
            TimeoutError: It goes on.
        """
        if self._handle >= 0 and not select.select([self._handle], [], [], timeout_s)[0]:
            raise TimeoutError(f"process {self.pid} did not end within {timeout_s:g} s")
        with suppress(OSError, ValueError):
            return int(self._code_file.read_text()) if self._code_file else None
        return None

    def close(self) -> None:
        """Kill it if it still runs, and let go of it."""
        if self._handle >= 0:
            self.kill(signal.SIGCONT)
            self.kill()
            select.select([self._handle], [], [], 5)
            os.close(self._handle)
            self._handle = -1


class Nursery:
    """Starts processes; use it in a ``with`` statement.

    Args:
        environment: More for the environment of all of them (``LD_PRELOAD`` of a wrong clock).
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        """Start the process that all others are forked from."""
        self._lock = threading.Lock()
        self._process = subprocess.Popen(  # noqa: S603 - ours
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **(environment or {}), "NO_COLOR": "1"},
        )

    def __enter__(self) -> Self:
        """It is started already."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process that the others came from; they go on."""
        self._process.kill()
        self._process.wait()
        for name in ("faketime_shm_", "sem.faketime_sem_"):  # libfaketime's, which a kill leaves
            Path("/dev/shm", f"{name}{self._process.pid}").unlink(missing_ok=True)  # noqa: S108
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                with suppress(OSError):
                    stream.close()

    def start(
        self,
        arguments: Sequence[str],
        log: Path,
        *,
        program: str = "vedette.cli",
        environment: Mapping[str, str] | None = None,
    ) -> Child:
        """Start ``vedette`` with these arguments, or the ``main()`` of another module.

        Args:
            arguments: Of the command line.
            log: Where its output and errors are appended; it runs in that directory.
            program: The module.
            environment: More for its environment.
        """
        assert self._process.stdin and self._process.stdout  # noqa: S101, PT018 - for mypy
        code_file = log.with_name(f"{log.name}.code-{time.monotonic_ns()}")
        order = {
            "arguments": [str(argument) for argument in arguments],
            "log": str(log),
            "directory": str(log.parent),
            "code": str(code_file),
            "program": program,
            "environment": dict(environment or {}),
        }
        with self._lock:  # the answer is to this order
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()
            pid = int(self._process.stdout.readline())
        return Child(pid, code_file)


def main() -> None:
    """Fork a process for each line of standard input."""
    if "FAKETIME_TIMESTAMP_FILE" in os.environ:
        time.sleep = _sleep
    for name in (*_IMPORTED, ENGINE):
        importlib.import_module(name)
    backoff: Any = importlib.import_module("vedette.agent.backoff")
    backoff.Backoff.__init__.__defaults__ = (_WAIT_FIRST_S, _WAIT_MOST_S)
    listening: Any = importlib.import_module("vedette.agent.listening")
    listening.POLL_S = _POLL_S
    hub: Any = importlib.import_module("vedette.agent.hub")
    hub.TIMEOUT_S = _SILENCE_S
    if spoils := os.environ.get(SPOILS):
        exec(compile(Path(spoils).read_text(), spoils, "exec"), {})  # noqa: S102 - of a test
    gc.freeze()  # what is shared stays shared
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries them
    for line in sys.stdin.buffer:
        order = json.loads(line)
        if (pid := os.fork()) == 0:
            _grow(order)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


def _sleep(seconds: float | SupportsIndex, /) -> None:
    """Sleep without clock_nanosleep, whose deadlines libfaketime shifts on every clock."""
    select.select([], [], [], float(seconds))


def _grow(order: dict[str, Any]) -> None:
    """Become the process that was ordered; does not return."""
    code = 70
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        os.environ.update(order["environment"])
        os.chdir(order["directory"])
        sys.argv = ["vedette", *order["arguments"]]
        importlib.import_module(order["program"]).main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1 if end.code else 0
    except BaseException:  # noqa: BLE001 - whatever it is, it is written down
        traceback.print_exc()
    finally:
        with suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
            Path(order["code"]).write_text(str(code))
        os._exit(code)


if __name__ == "__main__":
    main()
