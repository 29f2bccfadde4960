"""Random lives of a MISP, with faults in between: in the end mirror == MISP, nothing was lost.

The sensors' sets, compiled step by step, are the mirror without what the guard withholds.

``VEDETTE_MUTATIONS=20`` plays that many lives of 1,000 operations each (default 1),
``VEDETTE_MUTATIONS_SEED`` others. The seed of a life that fails is part of the test's name.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import msgspec
import pytest
import stamina
from pymisp import PyMISP

from vedette.bundle.generation import latest
from vedette.config import load
from vedette.errors import SourceError
from vedette.model import IndicatorType
from vedette.pipeline.building import build
from vedette.pipeline.hub import Hub
from vedette.sources.misp_api import MispApi
from vedette.store import PullSummary, Store
from vedette.testing.fake_misp import FakeMisp
from vedette.testing.fake_misp.model import READ_ONLY, FakeAttribute, FakeEvent
from vedette.testing.faults import Fault, FaultKind
from vedette.testing.mirror import PARTS, held, published

LIVES = int(os.environ.get("VEDETTE_MUTATIONS", "1"))
SEED = int(os.environ.get("VEDETTE_MUTATIONS_SEED", "1"))
OPERATIONS = int(os.environ.get("VEDETTE_MUTATIONS_LENGTH", "1000"))
PULL_EVERY = 9
KILLS = 4
DAY_S = 86_400
EVENTS_MAX = 40
COMPILED = ("domain", "hostname", "ip-dst", "ip-src", "md5", "sha256")
"""Types whose datasets say plainly what is in them."""


class Fact(NamedTuple):
    """One claim, without what may change silently."""

    type: str
    value: str
    ref: str


class Clock:
    def __init__(self) -> None:
        self.now = int(time.time()) - 30 * DAY_S

    def __call__(self) -> float:
        return self.now


class TimedMisp(MispApi, frozen=True, kw_only=True):
    clock: ClassVar[Clock]

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self.clock.now, UTC)


class Life:
    """A MISP that lives, and what anybody who watched it without a break would hold of it."""

    def __init__(self, misp: FakeMisp, clock: Clock, dice: random.Random) -> None:
        self.misp, self.state, self.clock, self.dice = misp, misp.state, clock, dice
        self.done: Counter[str] = Counter()
        self.standing: dict[str, set[Fact]] = {}
        """What was published last and has not been withdrawn, by event."""
        self.history: dict[str, set[frozenset[Fact]]] = {}
        """Every state of each event that was ever published."""
        self._number = 0

    # -- operations

    def step(self) -> None:
        """One operation, and some time, or none."""
        names, weights = zip(*((name, weight) for name, weight in WEIGHTS.items()), strict=True)
        (name,) = self.dice.choices(names, weights)
        with self.state.lock:
            if not getattr(self, name)():
                self.new_event()
                name = "new_event"
            self._observe()
        self.done[name] += 1
        self.clock.now += self.dice.choice([0, 0, 0, 1, 1, 2, 5, 40])

    def hurry(self, event: FakeEvent | None) -> FakeEvent | None:
        """Edit and publish an event and let no time pass: the next edit has the same timestamp."""
        with self.state.lock:
            if event is None or event.id not in self.state.events:
                event = self._event()
            if event is not None:
                self.state.add_attribute(event, self._attribute())
                self.state.publish(event)
            self._observe()
        return event

    def new_event(self) -> bool:
        if len(self.state.events) >= EVENTS_MAX:
            return self.delete_event()
        count = self.dice.choice([0, 1, 1, 2, 3, 5, 8, 13])
        self.state.add_event(
            {
                "info": f"event {self._next()}",
                "published": self.dice.random() < 0.7,
                "distribution": self.dice.choice(["1", "1", "1", "3", "0"]),
                "Attribute": [self._attribute() for _ in range(count)],
                "Object": [self._object()] if self.dice.random() < 0.2 else [],
                "Tag": [{"name": "tlp:green"}] if self.dice.random() < 0.5 else [],
            }
        )
        return True

    def receive(self) -> bool:
        """An event by synchronisation, new or again, with timestamps of long ago."""
        old = self.dice.randrange(1_400_000_000, 1_600_000_000)
        data: dict[str, Any] = {
            "info": f"received {self._next()}",
            "timestamp": str(old),
            "Attribute": [{**self._attribute(), "timestamp": str(old)} for _ in range(3)],
        }
        if (event := self._event()) is not None and self.dice.random() < 0.5:
            data["uuid"] = event.uuid
            data["Attribute"] += [
                {"uuid": item.uuid, "type": item.type, "value": item.value, "timestamp": str(old)}
                for item in event.live_attributes()
                if self.dice.random() < 0.7
            ]
        self.state.receive_event(data)
        return True

    def add_attribute(self) -> bool:
        return self._on_event(lambda event: self.state.add_attribute(event, self._attribute()))

    def edit_value(self) -> bool:
        fresh = self._attribute()
        return self._on_attribute(
            lambda event, item: self.state.edit_attribute(
                event, item, {"type": fresh["type"], "value": fresh["value"]}
            )
        )

    def edit_words(self) -> bool:
        seen = datetime.fromtimestamp(self.clock.now - 5, UTC).isoformat()
        change = self.dice.choice([{"comment": f"word {self._next()}"}, {"last_seen": seen}])
        return self._on_attribute(
            lambda event, item: self.state.edit_attribute(event, item, change)
        )

    def flip_to_ids(self) -> bool:
        return self._on_attribute(
            lambda event, item: self.state.edit_attribute(event, item, {"to_ids": not item.to_ids})
        )

    def hide_attribute(self) -> bool:
        change = {"distribution": self.dice.choice(["0", "5", "5"])}
        return self._on_attribute(
            lambda event, item: self.state.edit_attribute(event, item, change)
        )

    def delete_soft(self) -> bool:
        return self._on_attribute(
            lambda event, item: self.state.delete_attribute(event, item, hard=False)
        )

    def delete_hard(self) -> bool:
        return self._on_attribute(
            lambda event, item: self.state.delete_attribute(event, item, hard=True)
        )

    def restore(self) -> bool:
        gone = [
            (event, item)
            for event in self.state.events.values()
            for item in event.attributes.values()
            if item.deleted and not self._is_in_deleted_object(event, item)
        ]
        if gone:
            self.state.restore_attribute(*self.dice.choice(gone))
        return bool(gone)

    @staticmethod
    def _is_in_deleted_object(event: FakeEvent, item: FakeAttribute) -> bool:
        owner = event.objects.get(item.object_id)
        return owner is not None and owner.deleted

    def tag_event(self) -> bool:
        local = self.dice.random() < 0.3
        tag = self.dice.choice(["tlp:amber", "tlp:red", "osint", "apt"])
        return self._on_event(lambda event: self.state.tag(event, tag, local=local))

    def untag_event(self) -> bool:
        return self._on_event(
            lambda event: [self.state.untag(event, tag.name) for tag in list(event.tags)[:1]]
        )

    def tag_attribute(self) -> bool:
        local = self.dice.random() < 0.3
        tag = self.dice.choice(["checked", "malware:x"])
        return self._on_attribute(lambda _, item: self.state.tag(item, tag, local=local))

    def add_object(self) -> bool:
        return self._on_event(lambda event: self.state.add_object(event, self._object()))

    def delete_object(self) -> bool:
        hard = self.dice.random() < 0.5
        there = [
            (event, item)
            for event in self.state.events.values()
            for item in event.objects.values()
            if not item.deleted
        ]
        if there:
            self.state.delete_object(*self.dice.choice(there), hard=hard)
        return bool(there)

    def rename_event(self) -> bool:
        data = {"info": f"event {self._next()}", "published": self.dice.random() < 0.5}
        return self._on_event(lambda event: self.state.edit_event(event, data))

    def publish(self) -> bool:
        drafts = [event for event in self.state.events.values() if not event.published]
        if drafts:
            self.state.publish(self.dice.choice(drafts))
        return bool(drafts)

    def unpublish(self) -> bool:
        if (event := self._event()) is not None:
            self.state.unpublish(event)
        return event is not None

    def delete_event(self) -> bool:
        return self._on_event(self.state.delete_event)

    def distribute(self) -> bool:
        """Show an event to others or to nobody; no timestamp moves below us."""

        def change(event: FakeEvent) -> None:
            event.distribution = self.dice.choice(["0", "1", "1", "3"])

        return self._on_event(change)

    def sight(self) -> bool:
        return self._on_attribute(lambda _, item: self.state.add_sighting(item))

    def _on_event(self, change: Callable[[FakeEvent], object]) -> bool:
        if (event := self._event()) is not None:
            change(event)
            self._haste(event)
        return event is not None

    def _on_attribute(self, change: Callable[[FakeEvent, FakeAttribute], object]) -> bool:
        event = self._event()
        live = list(event.live_attributes()) if event else []
        if event and live:
            change(event, self.dice.choice(live))
            self._haste(event)
        return bool(live)

    def _haste(self, event: FakeEvent) -> None:
        """Often what was edited is published in the same second."""
        if self.dice.random() < 0.3 and event.id in self.state.events:
            self.state.publish(event)

    def _event(self) -> FakeEvent | None:
        """Any event, but often the one that was changed last."""
        events = list(self.state.events.values())
        if not events:
            return None
        last = max(events, key=lambda event: event.timestamp)
        return last if self.dice.random() < 0.3 else self.dice.choice(events)

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _attribute(self) -> dict[str, Any]:
        n = self._next() if self.dice.random() < 0.9 else self.dice.randrange(1, 50)
        name, address = f"d{n}.example", f"20.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}"
        md5, sha256 = f"{n:06x}{'ab' * 13}", f"{n:06x}{'cd' * 29}"
        kind, value = self.dice.choice(
            [
                ("domain", name),
                ("domain", name),
                ("hostname", name),
                ("ip-dst", address),
                ("ip-src", address),
                ("md5", md5),
                ("sha256", sha256),
                ("filename|md5", f"a.exe|{md5}"),
                ("filename|sha256", f"b.exe|{sha256}"),
                ("domain|ip", f"{name}|{address}"),
                ("hostname|port", f"{name}|8443"),
                ("ip-dst|port", f"{address}|443"),
                ("mutex", f"m{n}"),
            ]
        )
        to_ids = self.dice.random() < 0.85
        return {"type": kind, "value": value, "to_ids": to_ids, "comment": f"c{n}"}

    def _object(self) -> dict[str, Any]:
        return {"name": "file", "Attribute": [self._attribute() for _ in range(3)]}

    # -- what anybody would hold

    def shown(self, event: FakeEvent) -> set[Fact]:
        """What an event shows to another organisation, published or not."""
        if event.distribution == "0":
            return set()
        return {
            Fact(kind, value, item.uuid)
            for item in event.live_attributes()
            if item.to_ids and item.distribution != "0"
            for half, kind in PARTS.get(item.type, ())
            for value in [item.value.replace("|", ",") if half < 0 else item.value.split("|")[half]]
        }

    def _observe(self) -> None:
        there = {event.uuid: event for event in self.state.events.values()}
        for uuid in self.standing.keys() - there.keys():
            del self.standing[uuid]
        for uuid, event in there.items():
            if event.distribution == "0":
                self.standing.pop(uuid, None)
            elif event.published:
                self.standing[uuid] = self.shown(event)
                self.history.setdefault(uuid, set()).add(frozenset(self.standing[uuid]))

    def all_standing(self) -> set[Fact]:
        return {fact for facts in self.standing.values() for fact in facts}


WEIGHTS = {
    "new_event": 8,
    "receive": 4,
    "add_attribute": 12,
    "edit_value": 6,
    "edit_words": 4,
    "flip_to_ids": 5,
    "hide_attribute": 2,
    "delete_soft": 5,
    "delete_hard": 5,
    "restore": 3,
    "tag_event": 3,
    "untag_event": 2,
    "tag_attribute": 3,
    "add_object": 3,
    "delete_object": 3,
    "rename_event": 3,
    "publish": 22,
    "unpublish": 3,
    "delete_event": 2,
    "distribute": 2,
    "sight": 1,
}

PATHS = ("events/index", "events/restSearch", "attributes/restSearch", "")


class Mirror:
    """Our side: a state directory that is pulled into, well or badly, and never loses anything."""

    def __init__(self, life: Life, home: Path) -> None:
        self.life, self.misp, self.dice = life, life.misp, life.dice
        self.home = home
        self.pulls: Counter[str] = Counter()
        TimedMisp.clock = life.clock
        key_file = home / "misp.key"
        key_file.write_text(life.misp.add_key(READ_ONLY, "Partner"))
        key_file.chmod(0o600)
        (home / "vedette.toml").write_text(f'state = "{home / "state"}"\n')
        settings = {
            "url": life.misp.url,
            "key_file": str(key_file),
            "page_size": 8,
            "timeout_s": 20.0,
            "retries": 2,
            "unpublished_grace": "365d",
        }
        self.source = TimedMisp(name="misp", **settings)  # type: ignore[arg-type]
        self.impatient = msgspec.structs.replace(self.source, timeout_s=0.4)
        database = load(home / "vedette.toml").database
        database.parent.mkdir(parents=True)
        self.store = Store(database)
        self.store.add_source("misp", "misp", settings, 900)
        self.must: set[Fact] = set()
        """What is mirrored and has not been withdrawn since: it must stay mirrored."""

    def note(self) -> None:
        """After each operation."""
        self.must &= self.life.all_standing()

    def facts(self) -> dict[str, set[Fact]]:
        found: dict[str, set[Fact]] = {}
        for claim in held(self.store, "misp"):
            found.setdefault(claim.event, set()).add(Fact(claim.type, claim.value, claim.ref))
        return found

    def check(self, *, exactly: bool) -> None:
        """Nothing is lost, nothing unpublished is shown; with ``exactly`` all is there."""
        facts = self.facts()
        ours = {fact for group in facts.values() for fact in group}
        lost = self.must - ours
        assert not lost, f"lost though published and not withdrawn: {lost}"
        for uuid, group in facts.items():
            assert frozenset(group) in self.life.history.get(uuid, ()), f"never published: {uuid}"
        if exactly:
            there = {event.uuid: event for event in self.life.state.events.values()}
            for uuid in facts.keys() | there.keys():
                event = there.get(uuid)
                if event is None or event.distribution == "0":
                    assert uuid not in facts, "withdrawn and still here"
                elif event.published:
                    assert facts.get(uuid, set()) == self.life.shown(event)
        self.must = ours & self.life.all_standing()

    # -- pulls

    def pull_well(self) -> PullSummary:
        # Small pages wait for the second of an edit to pass, and this is a test of 1,000 edits.
        page_size = self.dice.choice([8, 50, 50, 50])
        summary = self._pull(msgspec.structs.replace(self.source, page_size=page_size))
        self.pulls["well"] += 1
        self.check(exactly=True)
        if self.dice.random() < 0.2:
            self.build()
        return summary

    def build(self) -> None:
        """Judge and compile what changed since the last time, as after every pull."""
        with Hub(load(self.home / "vedette.toml")) as hub:
            build(hub, accept=True)

    def pull_badly(self) -> None:
        """With faults, or while the MISP is edited or restarted: it may fail, or bring less."""
        trouble = self.dice.choice(["fault", "fault", "fault", "edits", "restart", "outage"])
        restart = edits = False
        if trouble == "fault":
            for _ in range(self.dice.choice([1, 1, 2, 4])):
                self.misp.faults.add(self._fault())
        elif trouble == "outage":
            self.misp.outage()
        restart, edits = trouble == "restart", trouble == "edits"
        try:
            happen = self._restart if restart else self._edits if edits else None
            self._pull(self.impatient, happen)
            self.pulls[f"{trouble}, came through"] += 1
        except SourceError:
            self.pulls[f"{trouble}, failed"] += 1
        finally:
            self.misp.faults.clear()
            if trouble == "outage":
                self.misp.recover()
        self.check(exactly=False)

    def _pull(self, source: TimedMisp, happen: Callable[[], object] | None = None) -> PullSummary:
        running = self.store.pull("misp", accept=True)
        try:
            for item in source.fetch(running.known()):
                running.take(item)
                if happen is not None and self.dice.random() < 0.1:
                    happen()
        except SourceError as error:
            running.fail(str(error), error.hint)
            raise
        return running.finish()

    def _edits(self) -> None:
        for _ in range(self.dice.choice([1, 1, 3])):
            self.life.step()
            self.note()

    def _restart(self) -> None:
        self.misp.outage()
        self.misp.recover()

    def _fault(self) -> Fault:
        dice = self.dice
        kind = dice.choice(list(FaultKind))
        return Fault(
            kind,
            path=dice.choice(PATHS),
            skip=dice.randrange(4),
            times=dice.choice([1, 1, 2, 5]),
            status=dice.choice([500, 500, 502, 503, 403, 404, 429]),
            body=dice.choice(
                [b"<!DOCTYPE html><title>x</title>", b"", b"Fatal error", b"[]", b"{}"]
            ),
            seconds=dice.choice([0.05, 1.0]),
        )

    def pull_and_die(self) -> None:
        """A real ``vedette source pull``, killed with -9 after some of its requests."""
        before = len(self.misp.requests)
        wanted = before + self.dice.choice([2, 3, 4, 6, 9])
        settings = ["--config", str(self.home / "vedette.toml")]
        pulling = subprocess.Popen(
            [sys.executable, "-m", "vedette", *settings, "source", "pull", "misp", "--accept"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 20
        while pulling.poll() is None and time.monotonic() < deadline:
            if len(self.misp.requests) >= wanted:
                time.sleep(self.dice.random() * 0.02)
                break
            time.sleep(0.002)
        with suppress(ProcessLookupError):
            pulling.send_signal(signal.SIGKILL)
        self.pulls["killed" if pulling.wait(20) else "done before it was killed"] += 1
        self.check(exactly=False)


@pytest.fixture(autouse=True)
def no_waiting_between_attempts() -> Iterator[None]:
    with stamina.set_testing(True, attempts=2):
        yield


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(SEED, SEED + LIVES))
def test_whatever_happens_the_mirror_equals_its_misp_in_the_end(
    seed: int, short_path: Path
) -> None:
    dice = random.Random(seed)
    clock = Clock()
    with FakeMisp(clock=clock) as misp:
        life = Life(misp, clock, dice)
        mirror = Mirror(life, short_path)
        try:
            kill_at = set(dice.sample(range(OPERATIONS // PULL_EVERY), KILLS))
            for number in range(OPERATIONS):
                life.step()
                mirror.note()
                if number % PULL_EVERY:
                    continue
                hurried = life.hurry(None) if dice.random() < 0.3 else None
                mirror.note()
                if number // PULL_EVERY in kill_at:
                    mirror.pull_and_die()
                elif dice.random() < 0.5:
                    mirror.pull_badly()
                else:
                    mirror.pull_well()
                if hurried is not None:
                    life.hurry(hurried)
                    mirror.note()
                if number % 300 == 299:
                    clock.now += DAY_S  # a nightly reconcile
            _end(life, mirror)
        finally:
            mirror.store.close()
            print(f"seed {seed}:", json.dumps({**life.done, **mirror.pulls}))
    assert set(life.done) == set(WEIGHTS)
    assert {"well", "killed", "fault, failed", "fault, came through"} <= set(mirror.pulls)


def on_sensors(home: Path) -> dict[str, set[str]]:
    """Values by type in the datasets of the newest generation, without canaries."""
    generation = latest(load(home / "vedette.toml").bundles)
    assert generation is not None
    found: dict[str, set[str]] = {}
    for info in generation.manifest.sets:
        if info.indicator_type not in COMPILED or info.role:
            continue
        lines = generation.file(info).read_text().split()
        values = [b64decode(line).decode() for line in lines] if info.format == "base64" else lines
        found[info.indicator_type] = {
            value.removeprefix(".").removeprefix("::ffff:")
            for value in values
            if value != info.canary
        }
    return found


def published_values(store: Store) -> dict[str, set[str]]:
    """What the mirror holds of the same types, without what the guard withholds."""
    expected: dict[str, set[str]] = {}
    for kind in map(IndicatorType, COMPILED):
        keys = list(store.entries.keys(kind))
        outcomes = store.published.outcomes(keys)
        assert len(outcomes) < max(len(keys) / 2, 3), outcomes
        if passing := {key.value for key in keys if key not in outcomes}:
            expected[kind.value] = passing
    # A domain is matched with all names below it, itself among them.
    expected["hostname"] -= expected["domain"]
    return expected


def _end(life: Life, mirror: Mirror) -> None:
    """Publish everything, pull, and after the night compare all of it with what PyMISP reads."""
    for event in list(life.state.events.values()):
        life.state.publish(event)
    life._observe()
    mirror.note()
    life.clock.now += 60
    mirror.pull_well()
    life.clock.now += DAY_S
    mirror.pull_well()
    reader = PyMISP(life.misp.url, Path(mirror.source.key_file).read_text())
    theirs = published(reader)
    assert len(theirs) > 30
    ours = held(mirror.store, "misp")
    assert (ours - theirs, theirs - ours) == (set(), set())
    mirror.build()
    assert on_sensors(mirror.home) == published_values(mirror.store)
    life.misp.requests.clear()
    mirror.pull_well()
    assert [request.path for request in life.misp.requests] == ["/events/index"]
