"""Keep the engine at what is wanted: bring it into force, prove it, prove it again, repair it.

Hard rule: whatever fails leaves the generation in force untouched, is said, and is tried again
later. Rhythms are measured with a clock that nobody sets.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from vedette.agent.applying import Applier
from vedette.agent.backoff import Backoff
from vedette.agent.holding import Holding
from vedette.agent.hub import Hub
from vedette.agent.settings import AgentSettings
from vedette.agent.situation import Facts, Situation
from vedette.errors import BusyError, SensorError, TrustError, VedetteError
from vedette.sensor.engine_state import state_of_engine
from vedette.sensor.install import Installed
from vedette.sensor.proof import Proof
from vedette.sensor.protocol import EngineGoneError
from vedette.sensor.settings import OnDrift
from vedette.sensor.wire import Announcement, EngineState

log = structlog.get_logger(__name__)

_BUSY_S = 1.0
_RED_S = 10.0


class _Tries:
    """When something that may fail is tried next."""

    def __init__(self) -> None:
        self.at = 0.0
        self.backoff = Backoff()

    @property
    def is_due(self) -> bool:
        return time.monotonic() >= self.at

    def worked(self) -> None:
        self.backoff.worked()
        self.at = 0.0

    def failed(self) -> float:
        wait_s = self.backoff.failed()
        self.at = time.monotonic() + wait_s
        return wait_s


class Keeper:
    """Does one thing at a time with the engine; of one thread.

    Args:
        settings: Of the agent.
        hub: Where files come from; None: there is no hub.
        holding: What is wanted.
        situation: Told what was found.
        applier: Who does it.
    """

    def __init__(
        self,
        settings: AgentSettings,
        hub: Hub | None,
        holding: Holding,
        situation: Situation,
        applier: Applier,
    ) -> None:
        """Look at nothing yet."""
        self._settings = settings
        self._hub = hub
        self._holding = holding
        self._situation = situation
        self._applier = applier
        self._bringing = _Tries()
        self._repairing = _Tries()
        self._tried_serial = -1
        self._prove_at = 0.0
        self._proof: Proof | None = None
        self._watched: Proof | None = None
        """The last of the watch itself, with which it compares."""
        self.red = threading.Event()
        """Set after a red proof: somebody should look closer."""

    def turn(self) -> float:
        """Do what is due; return the seconds after which there may be something to do again."""
        wanted = self._wanted()
        installed = self._applier.directory.current()
        if wanted and self._bringing.is_due and self._is_wanted(wanted, installed):
            sure = self._bringing.backoff.failures > 0
            self._attempt(self._bringing, lambda: self._bring(wanted, sure=sure))
            return 0.0
        if installed and self._needs_repair and self._repairing.is_due:
            self._attempt(self._repairing, lambda: self._again(installed))
            return 0.0
        if installed and (time.monotonic() >= self._prove_at or self._looks_different()):
            self._check()
            if self._needs_repair and self._repairing.is_due:
                return 0.0
        return self._wait_s()

    # -- what is due --------------------------------------------------------------------

    def _wanted(self) -> Announcement | None:
        try:
            self._holding.refresh()
        except VedetteError as error:
            said = str(error)
            self._situation.note(lambda facts: setattr(facts, "refused", said))
        wanted = self._holding.wanted
        if wanted and wanted.serial != self._tried_serial:
            self._tried_serial = wanted.serial
            self._bringing.worked()
        if wanted != self._situation.facts.wanted:
            self._situation.note(lambda facts: setattr(facts, "wanted", wanted))
        return wanted

    def _is_wanted(self, wanted: Announcement, installed: Installed | None) -> bool:
        if installed is None or installed.release.content_id != wanted.content_id:
            return True
        if self._proof is None:
            return False
        try:
            return not self._applier.is_for(installed, self._proof.engine)
        except VedetteError:
            return False  # no rules are made for such an engine; its proof says so

    @property
    def _needs_repair(self) -> bool:
        may = self._settings.sensor.on_drift is OnDrift.REPAIR and self._applier.can_repair
        return may and self._proof is not None and not self._proof.ok

    def _wait_s(self) -> float:
        now = time.monotonic()
        due = [self._prove_at, now + self._settings.look_s]
        due += [tries.at for tries in (self._bringing, self._repairing) if tries.at > now]
        return max(0.01, min(due) - now)

    def _looks_different(self) -> bool:
        """Look from outside: an engine that was started again, a file that is another one."""
        if self._proof is not None and not self._proof.ok:
            return False  # that is known
        try:
            look = self._applier.watch.look()
        except SensorError as error:
            self._silence(error)
            return False
        if look.changed and self._proof is not None and self._proof is self._watched:
            log.warning("sensor.changed", why=look.why)
        return look.changed

    # -- what is done -------------------------------------------------------------------

    def _bring(self, wanted: Announcement, *, sure: bool) -> Proof:
        return self._applier.bring(wanted, self._hub, sure=sure)

    def _again(self, installed: Installed) -> Proof:
        return self._applier.again(installed, self._hub, self._holding.now.hub)

    def _attempt(self, tries: _Tries, job: Callable[[], Proof]) -> None:
        """Push, and say what became of it."""
        before = self._proof
        try:
            proof = job()
        except BusyError:
            tries.at = time.monotonic() + _BUSY_S
        except (VedetteError, OSError) as error:
            self._failed(error, tries.failed())
        else:
            self._see(proof, pushed=True)
            if not proof.ok:
                tries.failed()
                return
            tries.worked()
            if before is not None and not before.ok:
                self._repaired()

    def _failed(self, error: Exception, wait_s: float) -> None:
        said = str(error)
        log.warning("push.failed", error=said, tried_again_s=round(wait_s, 1))

        def change(facts: Facts) -> None:
            facts.trouble = said
            facts.damaged = said if isinstance(error, TrustError) else ""
            if isinstance(error, EngineGoneError):
                facts.silent = said

        self._situation.note(change)

    def _check(self) -> None:
        """Prove what is installed."""
        self._prove_at = time.monotonic() + self._settings.rhythm_s
        try:
            proof = self._applier.watch.full()
        except SensorError as error:
            self._silence(error)
            return
        self._watched = proof
        if drifted := not proof.ok and (self._proof is None or self._proof.ok):
            log.warning("sensor.drifted", red=[check.name for check in proof.failed])
        self._see(proof, drifted=drifted)

    def _silence(self, error: SensorError) -> None:
        said = str(error)
        self._proof = None
        self._prove_at = time.monotonic() + self._settings.look_s
        self._situation.note(lambda facts: setattr(facts, "silent", said))

    def _see(self, proof: Proof, *, pushed: bool = False, drifted: bool = False) -> None:
        self._proof = proof
        rhythm_s = self._settings.rhythm_s
        self._prove_at = time.monotonic() + (rhythm_s if proof.ok else min(rhythm_s, _RED_S))
        engine = self._engine(proof)
        is_back = bool(self._situation.facts.silent)

        def change(facts: Facts) -> None:
            facts.proof = proof
            facts.silent = ""
            facts.installed, facts.content_id = proof.generation, proof.content_id
            facts.engine = engine
            facts.drifts += drifted
            if pushed:
                facts.delivered = self._applier.delivered
            wanted = facts.wanted
            if proof.ok and (wanted is None or wanted.content_id == proof.content_id):
                facts.trouble = facts.damaged = ""

        self._situation.note(change)
        if is_back or not proof.ok:
            self.red.set()  # what the doctor found while the engine was away is not so any more

    def _engine(self, proof: Proof) -> EngineState:
        try:
            return state_of_engine(self._settings.sensor)
        except SensorError:
            return EngineState(version=proof.engine)

    def _repaired(self) -> None:
        log.info("sensor.repaired")
        at = datetime.now(UTC)
        self._situation.note(lambda facts: setattr(facts, "repaired_at", at))
