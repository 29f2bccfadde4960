"""Bring into force what was announced, or what is installed once more.

Hard rule: what is not wholly here and compared is not installed; what is installed is proved.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import structlog

from vedette.agent.fetching import Manifests, fetch, installed_in
from vedette.agent.hub import Hub
from vedette.agent.staging import Staging
from vedette.buffers import Profile
from vedette.ruleset.engine import Target, profile_for
from vedette.sensor.drift import Watch
from vedette.sensor.install import Installed, RulesDirectory
from vedette.sensor.proof import Proof
from vedette.sensor.protocol import EngineGoneError
from vedette.sensor.push import push, target_of
from vedette.sensor.reach import directory_of
from vedette.sensor.release import Release
from vedette.sensor.settings import Sensor
from vedette.sensor.wire import Announcement, Delivered

log = structlog.get_logger(__name__)

_STAGING = ".fetched"


class Applier:
    """The way from an announcement to a proof, for one engine.

    Args:
        sensor: The engine.
        state: The agent's state directory.
        members: Random members of each dataset that a proof asks for.
    """

    can_repair = True
    """Whether :meth:`again` can help."""

    def __init__(self, sensor: Sensor, state: Path, *, members: int = 100) -> None:
        """Touch nothing yet."""
        self.sensor = sensor
        self.directory: RulesDirectory = self._directory(state)
        self.watch: Watch = self._watch(members)
        self.manifests = Manifests(state / "manifests")
        self.staging = Staging(self.directory.path / _STAGING)
        self.delivered: Delivered | None = None
        """How the last one came into force."""

    def _directory(self, _state: Path) -> RulesDirectory:
        return directory_of(self.sensor)

    def _watch(self, members: int) -> Watch:
        return Watch(self.sensor, members=members)

    def bring(self, wanted: Announcement, hub: Hub | None, *, sure: bool = False) -> Proof:
        """Fetch what is announced, install it, bring it into force and prove it.

        Args:
            wanted: Accepted before.
            hub: Where what is missing comes from; None: nowhere.
            sure: Compare all that is here with its SHA-256 first.

        Raises:
            TrustError: What came is not what was announced.
            HubError: Something cannot be fetched.
            BundleError: It cannot be read, or was not built for this engine.
            SensorError: It cannot be installed (nothing has changed), or the engine cannot be asked
                (it is installed).
            BusyError: Another push is going on.
        """
        started = time.monotonic()
        manifest = self.manifests.get(wanted, hub)
        release = Release.from_manifest(manifest, str(self._target()))
        return self._push(release, hub, started, sure=sure, owner=wanted.hub)

    def again(self, installed: Installed, hub: Hub | None, owner: str = "") -> Proof:
        """Bring what is installed into force once more; files that are damaged come from the hub.

        Raises:
            VedetteError: As :meth:`bring`.
        """
        return self._push(installed.release, hub, time.monotonic(), sure=True, owner=owner)

    def is_for(self, installed: Installed, version: str) -> bool:
        """Whether the rules that are installed were made for an engine of this version."""
        numbers = [int(part) for part in version.split(".")[:3]]
        profile = profile_for((numbers[0], numbers[1], numbers[2]))
        return installed.release.target == str(self._context(profile))

    def recent(self) -> list[Installed]:
        """What is installed, the newest first."""
        return installed_in(self.directory)

    def _push(
        self, release: Release, hub: Hub | None, started: float, *, sure: bool, owner: str
    ) -> Proof:
        fetched = fetch(hub, release, self.directory, self.staging, sure=sure)
        fetch_s = time.monotonic() - started
        try:
            pushed = push(self.sensor, release, fetched.sources, hub=owner)
        finally:
            self._clear_installed(release)
        self.delivered = Delivered(
            generation=pushed.generation,
            how=pushed.how,
            reason=pushed.reason,
            added=pushed.added,
            removed=pushed.removed,
            fetch_s=round(fetch_s, 3),
            install_s=pushed.install_s,
            live_s=pushed.live_s,
            at=datetime.now(UTC),
        )
        return pushed.proof

    def _clear_installed(self, release: Release) -> None:
        """Remove what was fetched as soon as it is installed, whether the engine was there or not.

        An engine that starts later loads it by itself, and nobody pushes again.
        """
        if (current := self.directory.current()) and current.release == release:
            self.staging.clear()

    def _target(self) -> Target:
        """Ask the engine what it can do; one that is away can do what it could."""
        try:
            return target_of(self.sensor)
        except EngineGoneError:
            if (installed := self.directory.current()) is None:
                raise
            return Target.parse(installed.release.target)

    def _context(self, profile: Profile) -> Target:
        return Target(profile, context=self.sensor.context and profile is not Profile.V7_0)
