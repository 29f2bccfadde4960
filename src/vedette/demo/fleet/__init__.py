"""``vedette demo --fleet``: a hub, two agents and a suricata-update consumer, with real engines.

A change of the feed is proved on each; somebody breaks two of them by hand, which turns red, says
why and heals; and the fleet goes back to an older generation.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from msgspec import Struct

from vedette.config import load
from vedette.demo import traffic
from vedette.demo.fleet.machines import HubMachine, SensorMachine, hub_settings
from vedette.errors import ProofError, SensorError
from vedette.files import write_atomically
from vedette.pipeline.hub import Hub
from vedette.pipeline.standing import Standing, standings
from vedette.sensor.settings import Delivery
from vedette.sensor.wire import State
from vedette.store import HitRecord
from vedette.testing.engine import Engine, find_engine

__all__ = ["FleetStory", "Step", "tell_fleet"]

_AGENTS = {"fw-7": "7", "fw-8": "8"}
_CONSUMER = "ids-7"
_WAIT_S = 90.0
_POLL_S = 0.1
_LIST = "feed.txt"
_FIRST = "update-cdn.example"
_LATER = "panel.relay-node.example"


class Step(Struct, frozen=True, kw_only=True):
    """One thing that was shown."""

    title: str
    seconds: float
    """Until the last sensor had come there."""
    proofs: dict[str, str]
    """By sensor, what it says."""


class FleetStory(Struct, kw_only=True):
    """What happened."""

    steps: list[Step]
    hits: list[HitRecord]
    """What the agents sent, joined with its context."""
    seconds: float
    directory: str


Say = Callable[[str], None]
Show = Callable[[Step], None]


def tell_fleet(directory: Path | None, say: Say, show: Show) -> FleetStory:
    """Play it.

    Args:
        directory: Where to work and leave everything; None for a temporary directory.
        say: Called with one line before each step.
        show: Called with each step that went well.

    Raises:
        SensorError: There are not two engines, or this user may not capture on loopback.
        ProofError: A sensor did not come where it should within a minute and a half.
    """
    engines = {series: _engine(series) for series in ("7", "8")}
    if os.geteuid() != 0:
        raise SensorError(
            "the demo lets Suricata watch the loopback interface, and that needs root",
            hint="Run: sudo make fleet-demo",
        )
    started = time.monotonic()
    with ExitStack() as stack:
        home = (
            directory.absolute()
            if directory
            else Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vd-fleet-")))
        )
        home.mkdir(parents=True, exist_ok=True)
        fleet = _Fleet(home, engines, stack, say, show)
        hits = fleet.play()
    return FleetStory(
        steps=fleet.steps,
        hits=hits,
        seconds=round(time.monotonic() - started, 1),
        directory=str(home),
    )


def _engine(series: str) -> Engine:
    if engine := find_engine(series):
        return engine
    raise SensorError(
        f"no Suricata {series} was found for the demo",
        hint="Run: tools/engines.sh (or make fleet-demo, which runs it): it unpacks Debian's"
        " packages beside your system and changes nothing else.",
    )


class _Fleet:
    """The machines, and what happens to them."""

    def __init__(
        self, home: Path, engines: dict[str, Engine], stack: ExitStack, say: Say, show: Show
    ) -> None:
        self._home = home
        self._engines = engines
        self._stack = stack
        self._say = say
        self._show = show
        self._sensors: dict[str, SensorMachine] = {}
        self.steps: list[Step] = []

    def play(self) -> list[HitRecord]:
        """Tell the story from the first generation to the roll back."""
        self._start()
        self._step("each sensor fetched and proved the first generation", self._all_hold(1))
        self._change_the_feed()
        hits = self._meet()
        self._break_an_agents_file()
        self._disable_a_rule()
        self._roll_back()
        return hits

    # -- the parts of the story -------------------------------------------------------------

    def _start(self) -> None:
        home = self._home
        self._say("starting a hub: vedette run, vedette serve")
        write_atomically(home / "vedette.toml", [hub_settings().encode()])
        self._list(_FIRST)
        with Hub(load(home / "vedette.toml")) as hub:
            settings = {"location": str(home / _LIST), "type": "domain"}
            hub.store.add_source("feed", "list", settings, 1)
        self._hub = self._stack.enter_context(HubMachine(home))
        for name, series in {**_AGENTS, _CONSUMER: "7"}.items():
            version = ".".join(map(str, self._engines[series].version))
            with_what = "suricata-update" if name == _CONSUMER else "vedette agent"
            self._say(f"starting {name}: a real Suricata {version} and {with_what}")
            delivery = Delivery.SURICATA_UPDATE if name == _CONSUMER else Delivery.AGENT
            enrolled = self._hub.enrol(name, delivery)
            machine = SensorMachine(home / name, self._engines[series], enrolled)
            self._sensors[name] = self._stack.enter_context(machine)

    def _change_the_feed(self) -> None:
        self._say(f"the feed changes: {_LATER} is new")
        began = time.monotonic()
        self._list(_FIRST, _LATER)
        self._step("the change is proved on each sensor", self._all_hold(2), began)

    def _meet(self) -> list[HitRecord]:
        self._say("an infected client asks for it")
        traffic.ask(f"www.{_LATER}")
        began, hits = time.monotonic(), list[HitRecord]()
        while {hit.sensor for hit in hits} < set(self._sensors):
            _wait(began, "the alert did not come from each sensor")
            with self._opened() as hub:
                hits = hub.store.fleet.hits()
        return hits

    def _break_an_agents_file(self) -> None:
        name = "fw-7"
        self._say(f"somebody edits a dataset file of {name} by hand, and reloads its engine")
        turned_red = self._turned_red(name)
        self._sensors[name].edit_a_dataset()
        self._step(f"{name} turned red and says why", turned_red)
        self._step(f"{name} healed by itself", self._one_is(name, State.PROVED))

    def _disable_a_rule(self) -> None:
        name = _CONSUMER
        turned_red = self._turned_red(name)
        sid = self._sensors[name].disable_a_rule()
        self._say(f"somebody disables a rule, sid {sid}, in {name}'s disable.conf")
        self._step(f"{name} turned red and says why", turned_red)
        self._say("and takes that back")
        self._sensors[name].disable_nothing()
        self._step(f"{name} holds it again", self._one_is(name, State.PROVED))

    def _roll_back(self) -> None:
        self._say("vedette bundle rollback 1")
        began = time.monotonic()
        self._hub.vedette("bundle", "rollback", "1")
        self._step("the fleet is back at generation 1, proved", self._all_hold(1), began)

    # -- waiting ----------------------------------------------------------------------------

    def _list(self, *names: str) -> None:
        write_atomically(self._home / _LIST, [f"{name}\n".encode() for name in names])

    def _step(
        self, title: str, states: Iterator[dict[str, str] | None], since: float | None = None
    ) -> None:
        began = since or time.monotonic()
        for proofs in states:
            if proofs is not None:
                seconds = round(time.monotonic() - began, 1)
                self.steps.append(Step(title=title, seconds=seconds, proofs=proofs))
                self._show(self.steps[-1])
                return
            _wait(began, f"it is not so that {title}", self._now())

    def _all_hold(self, generation: int) -> Iterator[dict[str, str] | None]:
        while True:
            now = self._now()
            good = [s for s in now if s.state is State.PROVED and s.generation == generation]
            yield {s.name: _proof(s) for s in good} if len(good) == len(self._sensors) else None

    def _one_is(self, name: str, state: State) -> Iterator[dict[str, str] | None]:
        while True:
            one = next(standing for standing in self._now() if standing.name == name)
            said = _proof(one) if state is State.PROVED else one.why
            yield {name: said} if one.state is state else None

    def _turned_red(self, name: str) -> Iterator[dict[str, str] | None]:
        """Of the history, because an agent may heal its sensor before anybody looks."""
        before = len(self._reds(name))

        def found() -> Iterator[dict[str, str] | None]:
            while True:
                reds = self._reds(name)
                yield {name: reds[0]} if len(reds) > before else None

        return found()

    def _reds(self, name: str) -> list[str]:
        with self._opened() as hub:
            events = hub.store.reports.events(name, limit=100)
        return [event.why for event in events if event.state == State.DRIFTED]

    def _now(self) -> list[Standing]:
        with self._opened() as hub:
            return standings(hub)

    def _opened(self) -> Hub:
        return Hub(load(self._home / "vedette.toml"))


def _proof(standing: Standing) -> str:
    proof = standing.proof
    if proof is None:
        return "no proof"
    fine = sum(check["ok"] for check in proof["checks"])
    return (
        f"Suricata {proof['engine']} holds generation {standing.generation}:"
        f" {fine} of {len(proof['checks'])} checks"
    )


def _wait(began: float, what: str, now: list[Standing] | None = None) -> None:
    """Wait a moment.

    Raises:
        ProofError: It took too long.
    """
    if time.monotonic() - began > _WAIT_S:
        last = "; ".join(f"{s.name} is {s.state}: {s.why}" for s in now or ())
        raise ProofError(f"{what} after {_WAIT_S:.0f} s", hint=f"Last known: {last}")
    time.sleep(_POLL_S)
