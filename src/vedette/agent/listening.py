"""Wait for what the hub announces, and take it if it is to be believed.

Hard rule: what is refused changes nothing, is said, and is asked for again later; no clock has a
say in what is newer.
"""

from __future__ import annotations

import threading
import time

import structlog

from vedette.agent.backoff import Backoff
from vedette.agent.failures import RefusedError, UnavailableError
from vedette.agent.holding import NO_KEY, Holding
from vedette.agent.hub import Hub
from vedette.agent.situation import Situation
from vedette.errors import SensorError, TrustError, VedetteError
from vedette.sensor.wire import SignedAnnouncement

log = structlog.get_logger(__name__)

POLL_S = 50.0
"""How long the hub is asked to hold a poll; proxies give up after 60 s."""
_KEYS_EVERY_S = 3_600.0
_SOON_S = 1.0
"""A hub that has nothing new and says so sooner is asked again only then."""


class Listener:
    """Asks the hub, on and on; of one thread.

    Args:
        hub: A connection of its own.
        holding: Where what is accepted goes.
        situation: Told what is refused.
        first_use: Whether the key that the hub names is believed if there is none yet.
    """

    def __init__(
        self, hub: Hub, holding: Holding, situation: Situation, *, first_use: bool = False
    ) -> None:
        """Ask nothing yet."""
        self._hub = hub
        self._holding = holding
        self._situation = situation
        self._first_use = first_use
        self._stop = threading.Event()
        self._is_first = True
        self._keys_at = 0.0
        self._backoff = Backoff()
        self.wake = threading.Event()
        """Set when another announcement was accepted."""
        self._refused: TrustError | None = None
        self.problem = ""
        """Why the hub cannot be asked; ``""``: it answered."""

    def run(self, stop: threading.Event) -> None:
        """Ask until ``stop`` is set."""
        self._stop = stop
        while not stop.is_set():
            wait_s = self.once(POLL_S)
            if wait_s:
                stop.wait(wait_s)

    def once(self, wait_s: float = 0.0) -> float:
        """Ask once; return the seconds to wait before the next time."""
        began = time.monotonic()
        try:
            is_news = self._ask(wait_s)
        except RefusedError as error:
            self._lost(error)
            return self._backoff.failed()
        except TrustError as error:
            self._refuse(error)
            return self._backoff.failed(1.0)
        except SensorError as error:
            said = str(error)
            log.warning("announcement.not_kept", error=said, hint=error.hint)
            self._situation.note(lambda facts: setattr(facts, "trouble", said))
            return self._backoff.failed()
        except VedetteError as error:
            self._lost(error)
            return self._backoff.failed(getattr(error, "wait_s", 0.0))
        self._found()
        self._backoff.worked()
        # It should have kept us waiting; some proxy may not let it.
        return 0.0 if is_news else max(0.0, _SOON_S - (time.monotonic() - began))

    def heard_serial(self, serial: int) -> None:
        """Take note which serial the hub wants, as it says in answer to a report."""
        held = self._holding.serial
        if 0 < serial < held:
            self._refuse(_OlderError(serial, held))
        elif serial == held and isinstance(self._refused, _OlderError):
            self._allow()

    def _ask(self, wait_s: float) -> bool:
        """Return whether there was anything new, or may be the next time at once."""
        self._follow_keys()
        is_first, self._is_first = self._is_first, False
        after = 0 if is_first else self._holding.serial
        signed = self._hub.announcement(after, 0.0 if is_first else wait_s)
        if signed is None:
            if not isinstance(self._refused, _OlderError):
                self._allow()
            return is_first
        if self._accept(signed) is None and after:
            raise UnavailableError("the hub says again what is known", wait_s=1.0)
        self._allow()
        return True

    def _accept(self, signed: SignedAnnouncement) -> object:
        try:
            accepted = self._holding.accept(signed)
        except TrustError:
            if not self._follow_keys(now=True):
                raise
            accepted = self._holding.accept(signed)
        if accepted:
            self.wake.set()
        return accepted

    def _follow_keys(self, *, now: bool = False) -> bool:
        """Ask for key changes each hour, or now; return whether there were any."""
        if self._holding.damage:
            raise self._holding.damage
        pins = self._holding.now.pins
        if pins is None and not self._first_use:
            raise TrustError("no key of the hub is pinned", hint=NO_KEY)
        if pins is not None and not now and time.monotonic() < self._keys_at:
            return False
        changes = self._hub.key_changes(pins.changes if pins else 0)
        if pins is None:
            if not changes:
                raise TrustError("the hub names no key of its own", hint=NO_KEY)
            self._holding.pin(changes[0].read().add)
        self._keys_at = time.monotonic() + _KEYS_EVERY_S
        return self._holding.follow(changes)

    # -- what is said -------------------------------------------------------------------

    def _refuse(self, error: TrustError) -> None:
        said = f"refused: {error}"
        if self._refused is None or str(self._refused) != str(error):
            log.error("announcement.refused", error=str(error), hint=error.hint)
        self._refused = error
        self._situation.note(lambda facts: setattr(facts, "refused", said))

    def _allow(self) -> None:
        if self._refused is None:
            return
        self._refused = None
        self._situation.note(lambda facts: setattr(facts, "refused", ""))

    def _lost(self, error: VedetteError) -> None:
        if not self.problem and not self._stop.is_set():
            log.warning("hub.lost", error=str(error), hint=error.hint)
        self.problem = str(error)

    def _found(self) -> None:
        if self.problem:
            log.info("hub.found")
        self.problem = ""


class _OlderError(TrustError):
    def __init__(self, serial: int, held: int) -> None:
        super().__init__(
            f"the hub wants announcement {serial}, older than {held}, which was accepted already",
            hint="Was it restored from a backup? Its next announcement is followed, as soon as it"
            " makes one: vedette bundle build, or vedette bundle rollback N.",
        )
