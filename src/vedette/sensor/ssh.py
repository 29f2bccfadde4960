"""A sensor that is reached by ssh: its rules directory and its engine, as if they were here.

Nothing is installed there. The directory has a mirror on this machine, which is compared with what
is there at the start of each push; the engine's socket is forwarded.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

from vedette.errors import SensorError, UsageError
from vedette.sensor.install import CURRENT, Installed, RulesDirectory
from vedette.sensor.release import Release
from vedette.sensor.settings import Sensor
from vedette.sensor.ssh_files import FarDirectory, There, identity
from vedette.sensor.ssh_link import Link

log = structlog.get_logger(__name__)


def mirror_of(sensor: Sensor) -> Path:
    """Return where the copies of a sensor are on this machine; another one when it has moved.

    Raises:
        UsageError: There is no place for mirrors.
    """
    if not sensor.mirror:
        raise UsageError(f"sensor '{sensor.name}' is reached by ssh and has no place for copies")
    where = "\0".join((sensor.name, sensor.ssh, *sensor.ssh_options, sensor.rules))
    digest = hashlib.sha256(where.encode()).hexdigest()[:8]
    return Path(sensor.mirror) / f"{re.sub(r'[^A-Za-z0-9_-]', '_', sensor.name)[:40]}-{digest}"


class RemoteDirectory(RulesDirectory):
    """Vedette's directory on a sensor's machine, with a mirror here.

    Args:
        sensor: Of delivery ``ssh``.

    Raises:
        UsageError: Its settings cannot mean anything.
    """

    def __init__(self, sensor: Sensor) -> None:
        super().__init__(mirror_of(sensor))
        self._far = FarDirectory(Link(sensor), sensor.rules_path)
        self._elsewhere = self._far
        self._there: There | None = None
        self._whole: set[str] = set()
        """Names of generations that were found whole there since the lock was taken."""

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep a second push out, and make the mirror agree with what is there.

        Raises:
            BusyError: One is going on.
            SensorError: The directory cannot be used, here or there.
        """
        with super().lock():
            self._there, self._whole = self._far.look(), set()
            self._agree(self._there)
            yield

    def install(self, release: Release, sources: Mapping[str, Path]) -> Installed:
        """Put a release beside the others there, without bringing it into force.

        Raises:
            SensorError: A file is damaged, or cannot be brought there; nothing has changed.
        """
        there = self._there or self._far.look()
        self._there = there
        installed = super().install(release, sources)
        if installed.path.name not in self._whole:
            self._far.install(installed, there, self._known(there))
            log.info("ssh.installed", path=str(installed.rules.parent))
        return installed

    def switch(self, installed: Installed) -> None:
        """Make a generation current, in one step.

        Raises:
            SensorError: It was not done; or the connection was lost, and the next push will see.
        """
        self._far.switch(installed.path.name)
        super().switch(installed)

    def prune(self, keep: int, *needed: str) -> None:
        """Remove all but the newest generations, the current one and those named."""
        super().prune(keep, *needed)
        try:
            self._far.prune([path.name for path in self.path.glob("gen-*")])
        except SensorError as error:  # the next push does it
            log.warning("ssh.not_pruned", error=str(error))

    def _is_free(self, path: Path, release: Release) -> bool:
        if not super()._is_free(path, release):
            return False
        digest = self._there.generations.get(path.name) if self._there else None
        if digest is None:
            return True
        if digest != identity(release):
            return False
        if self._far.look_into(Installed(path, release))[1]:
            return False
        self._whole.add(path.name)
        return True

    def _copy(self, source: Path, target: Path) -> None:
        """A published file never changes: the mirror needs no second copy of it."""
        try:
            os.link(source, target)
        except OSError:
            shutil.copyfile(source, target)

    def _known(self, there: There) -> dict[str, Release]:
        """Return what the generations that are there consist of, where the mirror knows it."""
        found = {name: self.generation(name) for name in there.generations}
        return {
            name: ours.release
            for name, ours in found.items()
            if ours and identity(ours.release) == there.generations[name]
        }

    def _agree(self, there: There) -> None:
        """Forget what is not true any more: somebody else was there, or we were interrupted."""
        ours = self.current()
        if ours and ours.path.name == there.current and there.current in self._known(there):
            return
        if ours or there.current:
            log.warning("ssh.differs", here=ours and ours.path.name, there=there.current)
        self.remember(None)
        with suppress(FileNotFoundError):
            (self.path / CURRENT).unlink()
        if there.current in self._known(there):
            super().switch(Installed(self.path / there.current, self._known(there)[there.current]))
