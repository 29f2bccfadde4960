"""All parts of an agent, each in its thread; none waits for another, and all outlive the hub.

Hard rule: one agent a state directory, and the kernel says so.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import structlog

from vedette.agent.applying import Applier
from vedette.agent.collecting import Collector
from vedette.agent.examining import examine
from vedette.agent.holding import FILE as HOLDING
from vedette.agent.holding import NO_KEY, Holding
from vedette.agent.hub import Endpoint, Hub
from vedette.agent.keeping import Keeper
from vedette.agent.listening import Listener
from vedette.agent.reading import EveReading, Rules
from vedette.agent.reporting import Reporter
from vedette.agent.sending import Sender
from vedette.agent.settings import AgentSettings
from vedette.agent.situation import Facts, Situation
from vedette.agent.spool import Spool
from vedette.agent.tokens import read_token
from vedette.errors import BusyError, SensorError, TrustError
from vedette.ruleset.engine import Target
from vedette.sensor.install import Installed
from vedette.sensor.settings import Delivery
from vedette.sensor.wire import Report
from vedette.structs import prepare

log = structlog.get_logger(__name__)

SPOOL = "spool"
_LOCK = "agent.lock"
_DOCTOR_EVERY_S = 3_600.0
_AGAIN_S = 5.0
_END_S = 5.0
_OLD_S = 3_600.0
_TURNS_MAX = 20


class Agent:
    """The program beside an engine.

    Args:
        settings: All of them.

    Raises:
        ConfigError: A file that they name cannot be used.
        TrustError: No key is pinned, or it is not known what was trusted.
        SensorError: The state directory cannot be used.
    """

    def __init__(self, settings: AgentSettings) -> None:
        """Open the state; start nothing."""
        prepare()
        self._settings = settings
        self._hubs: list[Hub] = []
        self._threads: list[threading.Thread] = []
        state = settings.state_dir
        self._endpoint: Endpoint | None = None
        keys = [settings.key] if settings.key else []
        if settings.hub:
            token = read_token(Path(settings.token_file))
            keys += token.keys
            self._endpoint = Endpoint.of(settings, token.text)
        self.holding = Holding(state)
        if self.holding.damage:
            log.error("holding.damaged", error=str(self.holding.damage))
        elif keys:
            self.holding.pin(keys[0])
        elif settings.hub and self.holding.now.pins is None and not settings.trust_on_first_use:
            raise TrustError("no key of the hub is pinned", hint=NO_KEY)
        self.situation = Situation(str(settings.delivery))
        self.spool = Spool(state / SPOOL, settings.spool_mb << 20)
        self.applier = _applier(settings)
        self.applier.staging.clear_unfinished()
        _clear_unfinished(state)
        if installed := self.applier.directory.current():
            self.situation.note(lambda facts: _remember(facts, installed))
        self._listener = self._listening()
        self._keeper = Keeper(settings, self._hub(), self.holding, self.situation, self.applier)
        self._reporter = Reporter(
            self._hub(),
            self.situation,
            state,
            self._listener.heard_serial if self._listener else lambda _: None,
            lambda: dict(self.spool.lost),
        )
        sends = bool(settings.hub) and settings.hits
        self._reading = (
            EveReading(
                Path(settings.sensor.eve), self.spool, self.situation, self._rules, sends=sends
            )
            if settings.sensor.eve
            else None
        )
        sender = self._hub() if sends else None
        self._sender = Sender(sender, self.spool) if sender else None
        self._doctors_hub = self._hub()

    def run(self, stop: threading.Event) -> None:
        """Work until ``stop`` is set."""
        log.info("agent.started", sensor=self._settings.sensor.name, hub=self._settings.hub)
        parts: dict[str, Callable[[], None]] = {
            "reporting": lambda: self._reporter.run(stop, self._settings.rhythm_s),
            "examining": lambda: self._examine_on(stop),
        }
        if listener := self._listener:
            parts["listening"] = lambda: listener.run(stop)
        if reading := self._reading:
            parts["reading"] = lambda: reading.run(stop)
        if sender := self._sender:
            parts["sending"] = lambda: sender.run(stop)
        for name, part in parts.items():
            thread = threading.Thread(
                target=_for_ever, args=(name, part, stop), name=name, daemon=True
            )
            thread.start()
            self._threads.append(thread)
        _for_ever("keeping", lambda: self._keep_on(stop), stop)
        log.info("agent.stopped")

    def __enter__(self) -> Self:
        """Nothing is started."""
        return self

    def __exit__(self, *_: object) -> None:
        """Hang up, and let go of everything."""
        for event in (self.situation.changed, self.spool.filled, self._keeper.red):
            event.set()
        for hub in self._hubs:
            hub.hang_up()
        for thread in self._threads:
            thread.join(_END_S)
        for hub in self._hubs:
            hub.close()

    def once(self) -> Report:
        """Do all of it once: ask, install, prove, read, report; return what was reported."""
        if self._listener:
            self._listener.once()
        for _ in range(_TURNS_MAX):
            if self._keeper.turn() > 0:
                break
        if self._reading:
            self._reading.drain()
        if self._sender:
            self._sender.once()
        self._examine()
        report = self.situation.report()
        self._reporter.once()
        return report

    @property
    def problem(self) -> str:
        """Why the hub cannot be asked; ``""``: it answers, or there is none."""
        return self._listener.problem if self._listener else ""

    def _hub(self) -> Hub | None:
        if self._endpoint is None:
            return None
        self._hubs.append(hub := Hub(self._endpoint))
        return hub

    def _listening(self) -> Listener | None:
        if (hub := self._hub()) is None:
            return None
        first_use = self._settings.trust_on_first_use
        return Listener(hub, self.holding, self.situation, first_use=first_use)

    def _keep_on(self, stop: threading.Event) -> None:
        wake = self._listener.wake if self._listener else threading.Event()
        while not stop.is_set():
            if wait_s := self._keeper.turn():
                wake.wait(wait_s)
            wake.clear()

    def _examine_on(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self._examine()
            self._keeper.red.wait(_DOCTOR_EVERY_S)
            stop.wait(_AGAIN_S)

    def _examine(self) -> None:
        self._keeper.red.clear()
        findings = examine(self._settings, self.holding, self._doctors_hub, self.spool)
        self.situation.note(lambda facts: setattr(facts, "findings", tuple(findings)))
        self.situation.changed.set()

    def _rules(self) -> Rules | None:
        """Return which alerts are ours, as soon as a generation is known."""
        wanted = self.holding.wanted
        manifest = self.applier.manifests.known(wanted.manifest) if wanted else None
        installed = self.applier.directory.current()
        if manifest is None:
            return None
        profile = Target.parse(installed.release.target).profile if installed else None
        return Rules(manifest.sid_base, profile)


def _applier(settings: AgentSettings) -> Applier:
    sensor, state, members = settings.sensor, settings.state_dir, settings.proof_members
    if settings.delivery is Delivery.SURICATA_UPDATE:
        return Collector(sensor, state, settings.update_command, members=members)
    return Applier(sensor, state, members=members)


def _remember(facts: Facts, installed: Installed) -> None:
    facts.installed = installed.release.generation
    facts.content_id = installed.release.content_id


def _clear_unfinished(state: Path) -> None:
    """Remove what a killed agent was writing; an import may be writing ``holding.json`` now."""
    for path in [*state.glob(".status.json.*.tmp"), *state.glob("manifests/.*.tmp")]:
        path.unlink(missing_ok=True)
    for path in state.glob(f".{HOLDING}.*.tmp"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _OLD_S:
                path.unlink()


def _for_ever(name: str, part: Callable[[], None], stop: threading.Event) -> None:
    """Run a part; one that breaks is said, and begun again: the others need it."""
    while not stop.is_set():
        try:
            part()
        except Exception:
            log.exception("part.failed", part=name)
            stop.wait(_AGAIN_S)


@contextmanager
def alone(state: Path) -> Iterator[None]:
    """Keep a second agent off this state directory.

    Raises:
        BusyError: One is running.
        SensorError: The directory cannot be used.
    """
    try:
        state.mkdir(mode=0o755, parents=True, exist_ok=True)
        descriptor = os.open(state / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise SensorError(
            f"cannot use the state directory {state}: {error.strerror}",
            hint="The user that the agent runs as must own it; or name another with --state.",
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    except BlockingIOError as error:
        holder = os.pread(descriptor, 20, 0).decode(errors="replace") or "another process"
        raise BusyError(
            f"another agent works on {state}: process {holder}",
            hint="Stop it, or give this one a state directory of its own: --state DIR",
        ) from error
    finally:
        os.close(descriptor)
