"""One run: a hub, an agent, an engine, some generations, faults in between; then the judgement."""

from __future__ import annotations

import random
import time
import traceback
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

from vedette.testing.fleet.contents import Generation
from vedette.testing.fleet.faults import BY_CHANCE, FAULTS, Kind, Undo, keep_backup
from vedette.testing.fleet.judging import (
    Off,
    judge_claims,
    judge_detection,
    judge_end,
    judge_processes,
    off_times,
    truth_of,
)
from vedette.testing.fleet.places import SmallDisk
from vedette.testing.fleet.stage import Nurseries, Plan, Stage, Template
from vedette.testing.fleet.watcher import Watcher

_KINDS = tuple(Kind)
_CONVERGE_S = 30.0
_POLL_S = 0.05
_LIST_S = 0.25
_CHANCE = 0.25


@dataclass
class Outcome:
    """What came of one run."""

    seed: int
    kind: Kind
    engine: str
    seconds: float = 0.0
    healed_s: float = 0.0
    """From the last fault to the proof of the last generation."""
    off: Off = field(default_factory=lambda: Off(0.0, 0.0))
    faults: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    skipped: str = ""


def plan_for(seed: int, *, real: bool) -> tuple[Kind, Plan]:
    """Decide what a run is about."""
    rng = random.Random(f"plan {seed}")  # noqa: S311 - for tests
    kind = _KINDS[seed % len(_KINDS)]
    disk = rng.choice(["hub", "sensor", "sensor"]) if kind is Kind.DISK_FULL else ""
    plan = Plan(
        seed=seed,
        version="7.0.10" if seed // len(_KINDS) % 2 else "8.0.7",
        real=real,
        wrong_clock=rng.choice(["hub", "agent"]) if kind is Kind.CLOCK else "",
        small_disk=disk,
        relayed_socket=kind is Kind.SOCKET and rng.random() < 0.7,  # noqa: PLR2004
        big=rng.random() < (0.2 if real else 0.5),
    )
    return kind, plan


def play(
    seed: int, home: Path, nurseries: Nurseries, template: Template, *, real: bool = False
) -> Outcome:
    """Play one run in an empty directory and judge it."""
    kind, plan = plan_for(seed, real=real)
    outcome = Outcome(seed, kind, f"{'real' if real else 'fake'} {plan.version}")
    if plan.small_disk and (why := SmallDisk.why_not()):
        outcome.skipped = why
        return outcome
    if plan.wrong_clock and nurseries.wrong is None:
        outcome.skipped = "libfaketime is not installed"
        return outcome
    began = time.monotonic()
    if nurseries.clock:
        nurseries.clock.write_text("+0\n")
    try:
        with Stage(home, plan, nurseries, template) as stage:
            _Run(stage, kind, outcome).play()
    except Exception:  # noqa: BLE001 - the other runs go on
        outcome.violations.append(f"the run itself failed: {traceback.format_exc()[-900:]}")
    outcome.seconds = time.monotonic() - began
    return outcome


class _Run:
    def __init__(self, stage: Stage, kind: Kind, outcome: Outcome) -> None:
        self._stage = stage
        self._kind = kind
        self._outcome = outcome
        self._rng = stage.rng

    def play(self) -> None:
        stage = self._stage
        stage.hub.start()
        stage.engine.start()
        watcher = stage.watch()
        stage.sensor.start()
        if self._rng.random() < 0.75:  # noqa: PLR2004 - else the first generation is hit, too
            self._come_to(stage.wanted(), "the first generation did not come into force")
        if self._kind is Kind.OLD_BACKUP:
            keep_backup(stage)
        undone: list[Undo] = []
        for _ in range(self._rng.randrange(2, 4)):
            undone = self._step(undone)
        self._heal(undone)
        wanted = self._last_generation()
        self._judge(watcher, wanted)

    def _step(self, undo_before: list[Undo]) -> list[Undo]:
        """Publish a change while things go wrong; what is not over yet is returned."""
        stage, rng = self._stage, self._rng
        feed = stage.change()
        publishing = Thread(target=stage.hub.publish, args=feed)
        publishing.start()
        undone: list[Undo] = []
        for _ in range(rng.choice([1, 1, 2])):
            time.sleep(rng.uniform(0, 0.4))
            undone.append(rng.choice(FAULTS[self._kind])(stage))
            if rng.random() < _CHANCE:
                time.sleep(rng.uniform(0, 0.1))
                undone.append(rng.choice(BY_CHANCE)(stage))
        publishing.join()
        for undo in undo_before:
            undo()
        time.sleep(rng.uniform(0, 0.4))
        stage.learn()
        if rng.random() < 0.5:  # noqa: PLR2004 - one of two
            return undone
        for undo in undone:
            undo()
        return []

    def _heal(self, undone: list[Undo]) -> None:
        stage = self._stage
        for undo in undone:
            undo()
        stage.settle()
        stage.relay.heal()
        if stage.wire:
            stage.wire.heal()
        stage.connect()
        for one in (stage.hub, stage.engine, stage.sensor):
            if not one.is_alive:
                one.start()

    def _last_generation(self) -> Generation | None:
        """Publish once more, as often as it takes, and wait for it to be in force."""
        stage = self._stage
        began = time.monotonic()
        feed = stage.change()
        while not stage.hub.publish(*feed):
            if time.monotonic() - began > _CONVERGE_S:
                self._outcome.violations.append("the hub publishes nothing any more")
                return None
            time.sleep(_POLL_S)
        wanted = stage.wanted()
        if wanted is None:
            self._outcome.violations.append("what the hub published is not what its sources list")
            return None
        self._come_to(wanted, f"{wanted.name} did not come into force", hub=True)
        self._outcome.healed_s = time.monotonic() - began
        return wanted

    def _come_to(self, wanted: Generation | None, problem: str, *, hub: bool = False) -> None:
        """Wait until agent, and hub, say that it is proved; whether that is so is judged later."""
        stage = self._stage
        deadline = time.monotonic() + _CONVERGE_S
        while time.monotonic() < deadline:
            report = stage.sensor.status()
            if (
                wanted
                and report.get("state") == "proved"
                and report.get("content_id") == wanted.content_id
                and (not hub or self._hub_says(wanted))
            ):
                return
            time.sleep(_POLL_S)
        report = stage.sensor.status()
        said = f"{report.get('state')} {report.get('generation')}: {report.get('why')}"
        self._outcome.violations.append(f"{problem} within {_CONVERGE_S:g} s ({said})")

    def _hub_says(self, wanted: Generation) -> bool:
        time.sleep(_LIST_S)  # the report is on its way, and asking is not for nothing
        listed = self._stage.hub.ask("sensor", "list")
        said = [one for one in listed or () if one["name"] == "s1"]
        return bool(said) and (said[0]["state"], said[0]["generation"]) == ("proved", wanted.number)

    def _judge(self, watcher: Watcher, wanted: Generation | None) -> None:
        stage, found = self._stage, self._outcome.violations
        found += judge_processes(stage)
        if wanted:
            time.sleep(0.1)
            with suppress(FileNotFoundError):
                found += judge_end(stage, wanted)
        stage.sensor.kill()
        watcher.__exit__()
        truth = truth_of(stage, watcher)
        found += judge_claims(stage, watcher, truth)
        found += judge_detection(stage, watcher)
        self._outcome.off = off_times(stage, watcher)
        self._outcome.faults = stage.done + stage.relay.done
