"""One run's machines, put up in a directory and taken down again."""

from __future__ import annotations

import random
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, Self

from vedette.testing.engine import find_engine
from vedette.testing.fleet.contents import Generation, generations_in
from vedette.testing.fleet.engines import EngineBox, FakeBox, RealBox
from vedette.testing.fleet.nursery import Nursery
from vedette.testing.fleet.places import SENSOR, HubPlace, SensorPlace, SmallDisk
from vedette.testing.fleet.raw import spelt
from vedette.testing.fleet.relay import Relay
from vedette.testing.fleet.watcher import Catalogue, Watcher

COMMON = "common-0.example"
_COMMON_NAMES = tuple(f"common-{n}.example" for n in range(8))
_COMMON_ADDRESSES = tuple(f"192.0.2.{n}" for n in range(1, 5))
_NAMES = tuple(f"name-{n}.example" for n in range(40))
_ADDRESSES = tuple(f"198.51.100.{n}" for n in range(1, 20))
_MANY = tuple(f"many-{n}.example" for n in range(900))
_DISK_MB = 36


class Nurseries(NamedTuple):
    """Where processes come from."""

    right: Nursery
    wrong: Nursery | None
    """Their clocks are what ``clock`` says."""
    clock: Path | None


class Template(NamedTuple):
    """A hub that was made once and is copied for each run."""

    path: Path
    token: str
    """Lines of the token file."""
    foreign: Path
    """Another hub, which the sensor does not belong to."""


class Feed(NamedTuple):
    """What the hub's sources list."""

    names: frozenset[str]
    addresses: frozenset[str]


class Plan(NamedTuple):
    """What a run is made of, decided before it begins."""

    seed: int
    version: str
    """Of the engine."""
    real: bool
    wrong_clock: str
    """Whose: ``hub``, ``agent``, ``""``."""
    small_disk: str
    """Whose: ``hub``, ``sensor``, ``""``."""
    relayed_socket: bool
    big: bool
    """Some generations have hundreds of entries more."""


class Stage:
    """The machines of one run; use it in a ``with`` statement.

    Args:
        home: An empty directory with a short path.
        plan: What is needed.
        nurseries: Where processes come from.
        template: The hub.
    """

    def __init__(self, home: Path, plan: Plan, nurseries: Nurseries, template: Template) -> None:
        """Put everything up; start the hub and the engine, not yet the agent."""
        self.home = home
        self.plan = plan
        self.rng = random.Random(plan.seed)  # noqa: S311 - for tests
        self.done: Counter[str] = Counter()
        self.freezes: list[tuple[float, float]] = []
        self.pending: list[threading.Timer] = []
        self.has_backup = False
        self.twin: HubPlace | None = None
        """A copy of the hub that lives on its own."""
        self.stranger: HubPlace | None = None
        """A hub that this sensor does not belong to."""
        self.disk: SmallDisk | None = None
        self.feed = Feed(frozenset(_COMMON_NAMES), frozenset(_COMMON_ADDRESSES))
        self._stack = ExitStack()
        with self._stack:
            self._put_up(nurseries, template)
            self._stack = self._stack.pop_all()

    def _put_up(self, nurseries: Nurseries, template: Template) -> None:
        plan, right, wrong = self.plan, nurseries.right, nurseries.wrong
        self.nurseries = nurseries
        self.foreign = template.foreign
        if plan.small_disk:
            place = "h/state" if plan.small_disk == "hub" else "disk"
            self.disk = SmallDisk(self.home / place, _DISK_MB)
            self._stack.callback(self.disk.close)
        of_hub = wrong if plan.wrong_clock == "hub" and wrong else right
        self.hub = HubPlace(self.home / "h", of_hub, template.path)
        self._stack.callback(self.hub.close)
        self.relay = self._stack.enter_context(Relay(("127.0.0.1", self.hub.port), seed=plan.seed))
        of_agent = wrong if plan.wrong_clock == "agent" and wrong else right
        self.sensor = SensorPlace(
            self.home / "s",
            self.home / "disk",
            of_agent,
            port=self.relay.port,
            token=template.token,
            delta_max=30,
        )
        self._stack.callback(self.sensor.close)
        self.engine = self._engine()
        self._stack.callback(self.engine.close)
        self.wire: Relay | None = None
        if plan.relayed_socket:
            path = self.home / "wire"
            self.wire = self._stack.enter_context(
                Relay(str(self.engine.socket), listen=path, seed=plan.seed)
            )
        self.connect()
        names = frozenset((*_COMMON_NAMES, *_NAMES, *(_MANY if plan.big else ())))
        addresses = frozenset((*_COMMON_ADDRESSES, *_ADDRESSES))
        self.catalogue = Catalogue(self.engine.profile, {"string": names, "ip": addresses})
        self.learn()

    def _engine(self) -> EngineBox:
        if not self.plan.real:
            rules = self.sensor.rules / "current" / "vedette.rules"
            return FakeBox(self.nurseries.right, self.home, rules, self.plan.version)
        engine = find_engine(self.plan.version[0])
        if engine is None:
            raise FileNotFoundError(f"no engine {self.plan.version}")
        return RealBox(engine, self.sensor.rules)

    def __enter__(self) -> Self:
        """It is put up."""
        return self

    def __exit__(self, *_: object) -> None:
        """Take everything down."""
        self.settle()
        if self.stranger:
            self.stranger.close()
        self._stack.close()

    def settle(self) -> None:
        """Wait for what was to happen a moment later."""
        pending, self.pending = self.pending, []
        for thread in pending:
            thread.join()

    def on_close(self, job: Callable[[], None]) -> None:
        """Have something done when all is taken down."""
        self._stack.callback(job)

    def watch(self) -> Watcher:
        """Begin to look at the engine."""
        dot = "." if self.engine.profile == "8.0.7" else ""
        of_names = "vedette-domain" if dot else "vedette-domain-l2"
        common = (of_names, "string", spelt("string", dot + COMMON))
        watcher = Watcher(
            self.engine.socket, self.catalogue, self.sensor.log, common, whole=self.plan.real
        )
        self._stack.enter_context(watcher)
        return watcher

    def connect(self) -> None:
        """Let the agent find the engine."""
        self.sensor.lead_to(self.home / "wire" if self.wire else self.engine.socket)

    def learn(self, bundles: Path | None = None) -> None:
        """Take in what a hub has published."""
        for generation in generations_in(bundles or self.hub.bundles, self.engine.profile):
            self.catalogue.add(generation)

    def change(self) -> Feed:
        """Return another feed than the last one: a few changes, or many."""
        before, self.feed = self.feed, self._other_feed()
        while self.feed == before:
            self.feed = self._other_feed()
        return self.feed

    def _other_feed(self) -> Feed:
        rng = self.rng
        if rng.choice([True, False]):
            names = rng.sample(_NAMES, rng.randrange(5, 30))
        else:
            names = [*sorted(self.feed.names)[:-2], rng.choice(_NAMES)]
        if self.plan.big and rng.choice([True, False]):
            names += rng.sample(_MANY, rng.randrange(200, 900))
        addresses = rng.sample(_ADDRESSES, rng.randrange(1, 12))
        return Feed(
            frozenset((*_COMMON_NAMES, *names)), frozenset((*_COMMON_ADDRESSES, *addresses))
        )

    def wanted(self) -> Generation | None:
        """Return the newest generation of the hub that has exactly the feed's content."""
        self.learn()
        found = generations_in(self.hub.bundles, self.engine.profile)
        good = [g for g in found if self._is_of_feed(g)]
        return max(good, key=lambda g: g.number) if good else None

    def _is_of_feed(self, generation: Generation) -> bool:
        dot = "." if self.engine.profile == "8.0.7" else ""
        wanted = {
            "string": {spelt("string", dot + name) for name in self.feed.names},
            "ip": {spelt("ip", address) for address in self.feed.addresses},
        }
        return all(
            wanted[kind] <= generation.sets[name]
            and len(generation.sets[name]) == len(wanted[kind]) + 1
            for name, kind in generation.kinds.items()
            if "generation" not in name
        )


def make_template(home: Path, nursery: Nursery) -> Template:
    """Make the hub that runs begin with: two sources, one generation, one sensor; and a stranger.

    Raises:
        RuntimeError: A command failed; its output is in ``commands.log`` there.
    """
    lines = _make_hub(home / "own", nursery)
    _make_hub(home / "foreign", nursery)
    return Template(home / "own", lines, home / "foreign")


def _make_hub(home: Path, nursery: Nursery) -> str:
    hub = HubPlace(home, nursery)
    (home / "domains.txt").write_text("\n".join(_COMMON_NAMES) + "\n")
    (home / "addresses.txt").write_text("\n".join(_COMMON_ADDRESSES) + "\n")
    for name, kind in (("domains", "domain"), ("addresses", "ip-dst")):
        options = ("--type", kind, "--name", name, "--interval", "1h", "--format", "lines")
        _must(hub, "source", "add", "list", f"{name}.txt", *options)
    enrolled = hub.ask("sensor", "enrol", SENSOR, "--delivery", "agent")
    if not enrolled or not hub.publish(_COMMON_NAMES, _COMMON_ADDRESSES):
        raise RuntimeError((home / "commands.log").read_text())
    return f"{enrolled['token']}\nkey {enrolled['key']}\n"


def _must(hub: HubPlace, *arguments: str) -> None:
    code, printed = hub.command(*arguments)
    if code != 0:
        raise RuntimeError(f"{' '.join(arguments)} failed: {printed}")


def remains(directory: Path, patterns: Sequence[str]) -> list[str]:
    """Return what is left in a directory of files that should be there for a moment only."""
    found = {path for pattern in patterns for path in directory.rglob(pattern)}
    now = time.time()
    return sorted(
        str(path.relative_to(directory))
        for path in found
        if path.exists() and now - path.lstat().st_mtime > 1.0
    )


def clean(path: Path) -> None:
    """Remove a run's directory."""
    shutil.rmtree(path, ignore_errors=True)
