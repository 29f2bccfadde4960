"""All of it, forever: pull on intervals, build, push, prove again, read hits, remember, tell.

One thread works (pull, build), one rolls out and pushes, one proves, and one reads each sensor's
eve.json; a slow source therefore never delays a stop, a hit or the news that a sensor lost its
generation.
"""

from __future__ import annotations

import threading
import time

import structlog

from vedette.bundle.generation import latest
from vedette.config import Settings, parse_duration
from vedette.errors import SensorError, SourceError
from vedette.pipeline.attempts import Attempts
from vedette.pipeline.building import build, targets
from vedette.pipeline.delivering import push_current, pushed_sensors, sensors
from vedette.pipeline.feeding_back import FeedbackLoop, feed_back
from vedette.pipeline.figures import Asker
from vedette.pipeline.guarding import is_due
from vedette.pipeline.hinting import Hints
from vedette.pipeline.hub import Hub
from vedette.pipeline.hunter import hunt_once
from vedette.pipeline.keeping_lists import is_due as lists_are_due
from vedette.pipeline.keeping_lists import keep_lists
from vedette.pipeline.lagging import Lags
from vedette.pipeline.lock import exclusive
from vedette.pipeline.notifying import NotifyLoop, notify
from vedette.pipeline.proving import Proving
from vedette.pipeline.pulling import pull
from vedette.pipeline.remembering import Remembering, why_not
from vedette.pipeline.rolling import roll
from vedette.pipeline.spreading import Spreading
from vedette.pipeline.watching import read_hits, watch
from vedette.ruleset.engine import Target
from vedette.store import SourceRecord
from vedette.structs import prepare

log = structlog.get_logger(__name__)

_TICK_S = 0.5
_RETRY_S = 60.0
_PAUSE_S = 5.0
_SETTLE_S = 30.0
"""How long the first build waits for the memory, which knows what of the new our hosts have met."""


class Runner:
    """What ``vedette run`` does. :meth:`run` returns when ``stop`` is set."""

    def __init__(self, settings: Settings, stop: threading.Event) -> None:
        prepare()
        self._settings = settings
        self._stop = stop
        self._try = Attempts().make
        self._remembering = Remembering(settings, stop)
        self._settle_by = time.monotonic() + _SETTLE_S
        self._pulled: dict[str, tuple[float, bool]] = {}
        self._hints = Hints()
        self._built: tuple[int, tuple[Target, ...]] | None = None
        self._build_after = 0.0
        self._watched: dict[str, threading.Thread] = {}
        self._spreading = Spreading(settings, stop)
        self._lags = Lags()
        self._rhythm_s = parse_duration(settings.run.prove_every)
        self._poll_s = parse_duration(settings.run.eve_poll)

    def run(self) -> None:
        """Work until stopped.

        Raises:
            BusyError: Another ``vedette run`` works on this state directory.
            StoreError: The state directory cannot be used.
        """
        with (
            Hub(self._settings) as hub,
            exclusive(hub.lock_file("run"), "vedette run"),
            self._remembering,
            self._spreading,
            Proving(self._settings, self._stop, self._lags),
            FeedbackLoop(self._settings, self._stop),
            NotifyLoop(self._settings, self._stop),
        ):
            log.info(
                "run.started", state=str(self._settings.state_dir), prove_every_s=self._rhythm_s
            )
            try:
                while not self._stop.is_set():
                    good = self._try("work", "", self._work, hub)
                    self._stop.wait(_TICK_S if good else _PAUSE_S)
            finally:
                self._stop.set()
                self._hints.end()
                for thread in self._watched.values():
                    thread.join()
            log.info("run.stopped")

    # -- work: pull, build --------------------------------------------------------------------

    def _work(self, hub: Hub) -> None:
        self._start_watchers(hub)
        now = time.monotonic()
        records = hub.store.sources()
        self._hints.follow(records)
        hinted = self._hints.take()
        due = [
            record for record in records if record.name in hinted or self._pull_due(record) <= now
        ]
        for record in due:
            good = self._try("pull", record.name, pull, hub, record.name)
            self._pulled[record.name] = time.monotonic(), good
            if self._stop.is_set():
                return
        kept = self._keep_lists(hub) if due else False
        if records or latest(hub.settings.bundles):
            self._build(hub, pulled=bool(due) or kept)

    def _pull_due(self, record: SourceRecord) -> float:
        """When to pull a source, by the interval that it has now."""
        if record.name not in self._pulled:
            return 0.0
        at, good = self._pulled[record.name]
        return at + (record.interval_s if good else min(record.interval_s, _RETRY_S))

    def _keep_lists(self, hub: Hub) -> bool:
        """Fetch warning lists once a day, before what was pulled is judged."""
        return lists_are_due(hub) and self._try("warninglists", "", keep_lists, hub)

    def _build(self, hub: Hub, *, pulled: bool) -> None:
        """Build after a pull, and when somebody else removed a source, added a sensor or ruled.

        And when time alone changes what the guard lets through.
        """
        wanted = hub.store.entries.last_change(), targets(hub)
        is_late = wanted != self._built or is_due(hub)
        if not (pulled or (is_late and self._build_after <= time.monotonic())):
            return
        if not self._remembering.settled.is_set() and time.monotonic() < self._settle_by:
            return  # there will be a build: nothing has been built yet
        if self._try("build", "", build, hub):
            self._built = wanted
            self._spreading.wake()
        else:
            self._build_after = time.monotonic() + _RETRY_S

    # -- hits -------------------------------------------------------------------------------

    def _start_watchers(self, hub: Hub) -> None:
        for sensor in sensors(hub):
            thread = self._watched.get(sensor.name)
            is_here = sensor.eve and sensor.delivery.is_pushed
            if is_here and (thread is None or not thread.is_alive()):
                thread = threading.Thread(
                    target=self._watch, args=(sensor.name,), name=f"eve-{sensor.name}"
                )
                self._watched[sensor.name] = thread
                thread.start()

    def _watch(self, name: str) -> None:
        """Watch until the sensor is removed or becomes another; then a new thread takes over."""
        with Hub(self._settings) as hub:
            if not self._try("watch", name, watch, hub, name, self._stop, self._poll_s, self._lags):
                self._stop.wait(self._rhythm_s)


def run_once(settings: Settings) -> bool:
    """Pull, build, push, prove and read hits once, for a timer of the operator's own.

    EVE is not read into the memory: ``vedette pool ingest`` does that, once for each file.

    Returns:
        Whether everything succeeded; what did not is logged.
    """
    with Hub(settings) as hub, exclusive(hub.lock_file("run"), "vedette run --once"):
        good, attempt = True, Attempts().make
        if not why_not(settings):
            log.info("memory.off", reason="--once: add vedette pool ingest to the timer")
        for record in hub.store.sources():
            good &= attempt("pull", record.name, pull, hub, record.name)
        if lists_are_due(hub):
            good &= attempt("warninglists", "", keep_lists, hub)
        good &= attempt("hunt", "", hunt_once, hub)
        good &= attempt("build", "", build, hub, asker=Asker(may_open=True))
        if latest(settings.bundles):
            good &= attempt("rollout", "", roll, hub)
        for sensor in pushed_sensors(hub):
            good &= attempt("push", sensor.name, _push_proved, hub, sensor.name)
            if sensor.eve and sensor.delivery.is_pushed:
                good &= attempt("read", sensor.name, read_hits, hub, sensor.name)
        good &= attempt("feedback", "", _feed_back, hub)
        good &= attempt("notify", "", notify, hub)
        return good


def _feed_back(hub: Hub) -> None:
    failed = [fed for fed in feed_back(hub) if fed.error]
    if failed:
        raise SourceError(failed[0].error, hint=failed[0].hint)


def _push_proved(hub: Hub, name: str) -> None:
    pushed = push_current(hub, name)
    if not pushed.proof.ok:
        failed = ", ".join(check.name for check in pushed.proof.failed)
        raise SensorError(f"sensor '{name}' does not hold generation {pushed.generation}: {failed}")
