"""Know what is announced, and ask the engine for it, where another tool installs the rules.

Hard rule: nothing is written where the engine reads. Files are fetched here only to be asked for.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import structlog

from vedette.agent.applying import Applier
from vedette.agent.fetching import fetch
from vedette.agent.hub import Hub
from vedette.errors import SensorError
from vedette.sensor.drift import Watch
from vedette.sensor.elsewhere import ElsewhereWatch
from vedette.sensor.install import Installed, RulesDirectory
from vedette.sensor.proof import Proof
from vedette.sensor.release import Release
from vedette.sensor.settings import Sensor
from vedette.sensor.wire import Delivered

log = structlog.get_logger(__name__)

_KEPT = 4
_KEPT_UNSURE = 32
"""As long as the engine was not asked which one it holds."""
_TIMEOUT_S = 900
_LINES_SHOWN = 3


class Collector(Applier):
    """Stands in for :class:`Applier` beside suricata-update and its like.

    Args:
        sensor: The engine; its ``rules`` are not used.
        state: The agent's state directory, where what was announced is kept.
        members: Random members of each dataset that a proof asks for.
        command: Run when another generation was announced; empty: somebody else runs it.
    """

    def __init__(
        self, sensor: Sensor, state: Path, command: Sequence[str], *, members: int = 100
    ) -> None:
        """Touch nothing yet."""
        super().__init__(sensor, state, members=members)
        self._command = tuple(command)
        self.can_repair = bool(command)

    def _directory(self, state: Path) -> RulesDirectory:
        return RulesDirectory(state / "known")

    def _watch(self, members: int) -> Watch:
        self._elsewhere = ElsewhereWatch(self.sensor, members=members)
        self._elsewhere.known = self.recent()
        return self._elsewhere

    def again(self, installed: Installed, hub: Hub | None, owner: str = "") -> Proof:
        """Have the other tool install once more, and prove.

        Raises:
            SensorError: It fails, or the engine cannot be asked.
        """
        del installed, hub, owner
        self._run()
        return self.watch.full()

    def _push(
        self, release: Release, hub: Hub | None, started: float, *, sure: bool, owner: str
    ) -> Proof:
        del owner
        fetched = fetch(hub, release, self.directory, self.staging, sure=sure)
        fetch_s = time.monotonic() - started
        with self.directory.lock():
            installed = self.directory.install(release, fetched.sources)
            self.directory.switch(installed)
            self._prune()
        self.staging.clear()
        self._elsewhere.known = [
            installed,
            *(one for one in self.recent() if one.path != installed.path),
        ]
        began = time.monotonic()
        self._run()
        proof = self.watch.full()
        if proof.content_id == release.content_id:
            self.delivered = Delivered(
                generation=release.generation,
                how="elsewhere",
                fetch_s=round(fetch_s, 3),
                live_s=round(time.monotonic() - began, 3),
                at=datetime.now(UTC),
            )
        return proof

    def _prune(self) -> None:
        """Forget old generations, but not the one that the engine holds, however old it is.

        Its tool may come once a day; what is not known cannot be recognised, and would be called a
        drift.
        """
        held = self._elsewhere.held
        if held is not None:
            self.directory.prune(_KEPT, held.path.name)
        else:
            self.directory.prune(_KEPT_UNSURE)

    def _run(self) -> None:
        """Run the command that installs.

        Raises:
            SensorError: It cannot run, takes too long, or says that it failed.
        """
        if not self._command:
            return
        name = self._command[0]
        try:
            done = subprocess.run(  # noqa: S603 - the operator's own command
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=_TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SensorError(
                f"update_command {name} cannot run: {error}", hint="Correct it in agent.toml."
            ) from error
        if done.returncode:
            last = "; ".join(done.stdout.splitlines()[-_LINES_SHOWN:])
            raise SensorError(
                f"update_command {name} failed with exit code {done.returncode}: {last}",
                hint="Run it by hand as the user that the agent runs as.",
            )
        log.info("update.ran", command=name)
