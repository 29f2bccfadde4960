"""Whoever is killed at whatever instant: the sensor holds one whole generation, and knows which.

A pusher is a process of its own that is killed; the truth is every entry of both generations, asked
for one by one. The seeds are fixed; the campaigns with hundreds of runs are elsewhere.
"""

from __future__ import annotations

import base64
import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pytest

from vedette.errors import SensorError
from vedette.sensor.client import SuricataSocket
from vedette.sensor.held import prove_held
from vedette.sensor.install import RulesDirectory, damaged
from vedette.sensor.proof import Proof
from vedette.sensor.protocol import Outcome
from vedette.sensor.push import push
from vedette.sensor.release import Release
from vedette.sensor.settings import Sensor
from vedette.testing.engine import Engine, Live
from vedette.testing.handmade import hand_made

STABLE = [f"host{n}.example" for n in range(3_000)]
PUSHER = """
import json, sys
from pathlib import Path
import msgspec
from vedette.sensor.push import push
from vedette.sensor.release import Release
from vedette.sensor.settings import Sensor
sensor = msgspec.json.decode(sys.argv[1], type=Sensor)
release = msgspec.json.decode(sys.argv[2], type=Release)
sources = {name: Path(path) for name, path in json.loads(sys.argv[3]).items()}
print("ready", flush=True)
sys.stdin.readline()
pushed = push(sensor, release, sources)
print("how", pushed.how, pushed.proof.ok, flush=True)
"""


class Generation:
    """What is pushed, and its entries."""

    def __init__(self, path: Path, number: int, target: str, names: Sequence[str]) -> None:
        sets = {"names": [*STABLE, *names], "more": [f"{number}.more.example", *names[:50]]}
        made = hand_made(path / f"bundle-{number}", number, sets, target=target)
        self.sets = sets
        self.release = Release.from_manifest(made.manifest, target)
        self.sources = made.sources

    @property
    def entries(self) -> set[tuple[str, str]]:
        return {(name, value) for name, values in self.sets.items() for value in values}


class Desk:
    def __init__(self, engine: Engine, live: Live, path: Path) -> None:
        self.engine, self.live, self.path = engine, live, path
        self.sensor = Sensor(
            name="probe",
            socket=str(live.socket),
            rules=str(path / "rules"),
            restart_timeout_s=30,
        )
        self.directory = RulesDirectory(path / "rules")
        self.generations: dict[str, Generation] = {}

    def make(self, number: int, names: Sequence[str]) -> Generation:
        made = Generation(self.path, number, str(self.engine.profile), names)
        self.generations[made.release.content_id] = made
        return made

    def push_and_kill(self, what: Generation, wait_s: float) -> str:
        """Push in another process, kill it, and return what it said."""
        arguments = [
            msgspec.json.encode(self.sensor).decode(),
            msgspec.json.encode(what.release).decode(),
            json.dumps({name: str(path) for name, path in what.sources.items()}),
        ]
        with subprocess.Popen(
            [sys.executable, "-c", PUSHER, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as process:
            assert process.stdin
            assert process.stdout
            while "ready" not in process.stdout.readline():
                assert process.poll() is None
            process.stdin.write("go\n")
            process.stdin.flush()
            time.sleep(wait_s)
            process.send_signal(signal.SIGKILL)
            return process.stdout.read().strip()

    def held(self) -> set[tuple[str, str]]:
        """Ask for every entry of all generations."""
        everything = set().union(*(one.entries for one in self.generations.values()))
        with SuricataSocket(self.live.socket) as engine:
            return {
                (name, value)
                for name, value in everything
                if engine.lookup(name, "string", base64.b64encode(value.encode()).decode())
                is Outcome.FOUND
            }

    def assert_true(self, proof: Proof) -> None:
        """Whatever is proved is the truth, entry by entry."""
        if proof.ok:
            assert self.held() == self.generations[proof.content_id].entries

    def assert_whole(self) -> Generation:
        """One generation is in force in the files, complete."""
        current = self.directory.current()
        assert current is not None
        assert damaged(current) == []
        return self.generations[current.release.content_id]


@pytest.fixture
def desk(engine: Engine, tmp_path: Path) -> Iterator[Desk]:
    with engine.live(tmp_path, str(tmp_path / "rules/current/vedette.rules")) as live:
        yield Desk(engine, live, tmp_path)


@pytest.mark.timeout(240)
def test_a_pusher_killed_at_any_instant_leaves_one_whole_generation(desk: Desk) -> None:
    rng = random.Random(f"pusher {desk.engine.version}")
    names = [f"first{n}.example" for n in range(300)]
    last = desk.make(1, names)
    assert push(desk.sensor, last.release, last.sources).proof.ok
    for number in range(2, 10):
        added = [f"n{number}-{n}.example" for n in range(200)]
        names = [*names[rng.randrange(50, 200) :], *added]
        new = desk.make(number, names)
        wait_s = rng.uniform(0, 0.02 * number)
        said = desk.push_and_kill(new, wait_s)
        there = desk.assert_whole()
        assert there in {last, new}
        proof = prove_held(desk.sensor)
        desk.assert_true(proof)
        print(f"killed after {wait_s:.3f} s: new {there is new}, proved {proof.ok}, said {said!r}")
        wanted = new if rng.random() < 0.7 else last  # forward, or back
        pushed = push(desk.sensor, wanted.release, wanted.sources)
        assert pushed.proof.failed == ()
        desk.assert_true(pushed.proof)
        assert desk.assert_whole() is wanted
        last = wanted


@pytest.mark.timeout(240)
def test_an_engine_killed_at_any_instant_of_a_push_comes_back_with_all(desk: Desk) -> None:
    rng = random.Random(f"engine {desk.engine.version}")
    names = [f"first{n}.example" for n in range(300)]
    last = desk.make(1, names)
    assert push(desk.sensor, last.release, last.sources).proof.ok
    for number in range(2, 7):
        names = [*names[100:], *(f"n{number}-{n}.example" for n in range(400))]
        new = desk.make(number, names)
        wait_s = rng.uniform(0, 0.15)

        def kill_and_start(wait_s: float = wait_s) -> None:
            time.sleep(wait_s)
            desk.live.kill()
            time.sleep(0.2)
            desk.live.start()

        thread = threading.Thread(target=kill_and_start)
        thread.start()
        try:
            pushed = push(desk.sensor, new.release, new.sources)
        except SensorError as error:
            outcome = f"error: {error}"
        else:
            outcome = pushed.how
        thread.join()
        desk.live.wait_started()
        print(f"killed after {wait_s:.3f} s: {outcome}")
        assert desk.assert_whole() is new
        desk.assert_true(prove_held(desk.sensor))
        pushed = push(desk.sensor, new.release, new.sources)
        assert pushed.proof.failed == ()
        desk.assert_true(pushed.proof)
