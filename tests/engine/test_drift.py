"""Whatever takes from an engine what it was proved to hold shows within seconds, and heals."""

from __future__ import annotations

import base64
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from vedette.sensor.client import SuricataSocket
from vedette.sensor.crossover import speed_of
from vedette.sensor.drift import Look, Watch
from vedette.sensor.engine_state import engine_state, state_of_engine
from vedette.sensor.install import RulesDirectory
from vedette.sensor.protocol import Outcome
from vedette.sensor.push import Pushed, push
from vedette.sensor.release import Release
from vedette.sensor.settings import Sensor
from vedette.testing.engine import Engine, Live
from vedette.testing.handmade import hand_made

NAMES = [f"host{n}.example" for n in range(1500)]
MORE = [f"more{n}.example" for n in range(300)]
SETS = {"names": NAMES, "more": MORE, "file-md5": ["0" * 32]}
SHOWS_S = 5.0
EVERY_S = 0.5


class Desk:
    """An engine that holds the second generation, proved, and a watch on it."""

    def __init__(self, engine: Engine, live: Live, path: Path) -> None:
        self.engine, self.live, self.path, self.count = engine, live, path, 0
        self.rules = path / "rules"
        self.sensor = Sensor(
            name="probe", socket=str(live.socket), rules=str(self.rules), restart_timeout_s=30
        )
        self.watch = Watch(self.sensor)
        self.push({**SETS, "names": NAMES[1:]})
        self.push(SETS)
        assert self.watch.full().ok

    def push(self, sets: Mapping[str, Sequence[str]], memcap_mb: int = 10) -> Pushed:
        self.count += 1
        target = str(self.engine.profile)
        made = hand_made(
            self.path / f"bundle-{self.count}",
            self.count,
            sets,
            target=target,
            memcap_mb=memcap_mb,
        )
        self.release = Release.from_manifest(made.manifest, target)
        self.sources = made.sources
        return push(self.sensor, self.release, self.sources)

    def repair(self) -> Pushed:
        return push(self.sensor, self.release, self.sources)

    def socket(self) -> SuricataSocket:
        return SuricataSocket(self.live.socket)

    def reload(self) -> None:
        """Reload as another tool would."""
        with self.socket() as engine:
            while (outcome := engine.ask("ruleset-reload-rules").outcome) is Outcome.RELOADING:
                time.sleep(0.02)
        assert outcome is Outcome.DONE

    def restart(self, while_down: Callable[[], None] = lambda: None) -> None:
        self.live.kill()
        while_down()
        self.live.start()
        self.live.wait_started()

    def shows(self) -> Look:
        """Look on a rhythm until something is seen, and not longer than promised."""
        deadline = time.monotonic() + SHOWS_S
        while not (look := self.watch.look()).changed:
            assert time.monotonic() < deadline, "it does not show"
            time.sleep(EVERY_S)
        return look


@pytest.fixture
def desk(engine: Engine, tmp_path: Path) -> Iterator[Desk]:
    with engine.live(tmp_path, str(tmp_path / "rules/current/vedette.rules")) as live:
        yield Desk(engine, live, tmp_path)


def b64(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


def rewrite(path: Path, old: bytes, new: bytes) -> None:
    """Edit a file in place, and put its time back: some tools do."""
    status, data = path.stat(), path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def edit_entry(desk: Desk) -> None:
    line = b64("host7.example").encode()
    rewrite(desk.rules / "current/names.lst", line, b64("host7.exampla").encode())


def edit_rule(desk: Desk) -> None:
    rewrite(desk.rules / "current/vedette.rules", b"alert dns", b"#alert dn")


def delete_file(desk: Desk) -> None:
    (desk.rules / "current/more.lst").unlink()


def switch_link(desk: Desk) -> None:
    link = desk.rules / "other"
    link.symlink_to("gen-000001")
    link.replace(desk.rules / "current")


def clear_set(desk: Desk) -> None:
    with desk.socket() as engine:
        assert engine.ask("dataset-clear", {"setname": "more", "settype": "string"}).ok


def remove_one_of_many(desk: Desk) -> None:
    with desk.socket() as engine:
        name = random.Random(7).choice(NAMES)
        assert engine.remove("names", "string", b64(name)) is Outcome.REMOVED


def bring_withdrawn_back(desk: Desk) -> None:
    """What is added again after it was withdrawn is seen by the next full proof, not by a look."""
    desk.push({**SETS, "names": NAMES[1:]})
    assert desk.watch.full().ok
    with desk.socket() as engine:
        assert engine.add("names", "string", b64(NAMES[0])) is Outcome.ADDED


def flood(desk: Desk) -> None:
    assert desk.push({**SETS, "names": NAMES[:-1]}, memcap_mb=1).how == "reload"
    assert desk.watch.full().ok
    with desk.socket() as engine:
        for number in range(20_000):
            engine.add("names", "string", b64(f"flood{number}.example"))


def reload_broken_files(desk: Desk) -> None:
    path = desk.rules / "current/more.lst"
    data = path.read_bytes()
    path.write_bytes(data.splitlines()[0] + b"\n")
    desk.reload()
    path.write_bytes(data)


def restart_with_older_files(desk: Desk) -> None:
    def older() -> None:
        switch_link(desk)

    desk.restart(older)


def take_out_of_rule_files(desk: Desk) -> None:
    yaml = desk.live.path / "suricata.yaml"
    text = yaml.read_text()
    yaml.write_text(text.replace(str(desk.rules / "current/vedette.rules"), "/nowhere.rules"))
    desk.reload()


CASES: dict[str, tuple[Callable[[Desk], None], str, set[str]]] = {
    "an entry edited in a file": (edit_entry, "names.lst", {"files"}),
    "a rule edited in the file": (edit_rule, "vedette.rules", {"files"}),
    "a file deleted": (delete_file, "more.lst", {"files"}),
    "the link switched": (switch_link, "'current' was switched", {"names.canary"}),
    "a set cleared": (clear_set, "the canary of more", {"more.canary", "more.members"}),
    "one entry removed": (remove_one_of_many, "1 of ", {"names.swept"}),
    "entries pushed out": (flood, "are missing in names", {"names.swept"}),
    "a reload of broken files": (
        reload_broken_files,
        "somebody reloaded the rules",
        {"more.canary", "more.members", "files.loaded"},
    ),
    "a restart with older files": (
        restart_with_older_files,
        "'current' was switched; the engine was started again",
        set(),
    ),
    "our file taken out of rule-files": (
        take_out_of_rule_files,
        "somebody reloaded the rules",
        {"rules.loaded", "names.canary", "more.canary"},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_it_shows_within_seconds_and_a_push_heals_it(desk: Desk, case: str) -> None:
    act, seen, red = CASES[case]
    act(desk)
    look = desk.shows()
    assert seen in look.why
    proof = desk.watch.full()
    failed = {check.name for check in proof.failed}
    # Also the sample may have met it.
    assert red <= failed <= red | {"names.canary", "names.members", "names.canary-before"}
    if case == "a restart with older files":
        # It holds what its files say, all of it, and that is not what was pushed last.
        assert proof.generation == 1
    if case == "our file taken out of rule-files":
        assert not desk.repair().proof.ok
        assert not desk.watch.full().ok
        return
    healed = desk.repair()
    assert healed.proof.failed == ()
    assert desk.watch.full().ok
    assert not desk.watch.look().changed
    with desk.socket() as engine:
        wanted = {b64(name) for name in NAMES[:50]}
        assert {engine.lookup("names", "string", one) for one in wanted} == {Outcome.FOUND}


def test_nothing_shows_while_nothing_happens(desk: Desk) -> None:
    looks = [desk.watch.look() for _ in range(10)]
    assert {look.changed for look in looks} == {False}
    assert sum(look.asked for look in looks) > len(NAMES)


def test_a_restart_alone_shows_and_is_proved_without_a_push(desk: Desk) -> None:
    desk.restart()
    assert desk.shows().why == "the engine was started again"
    assert desk.watch.full().ok
    assert not desk.watch.look().changed
    assert desk.repair().how == "nothing"


def test_a_withdrawn_entry_that_is_back_is_found_by_the_proof(desk: Desk) -> None:
    bring_withdrawn_back(desk)
    assert not desk.watch.look().changed
    assert [check.name for check in desk.watch.full().failed] == ["names.removed"]
    assert desk.repair().how == "reload"
    assert desk.watch.full().ok


def test_a_removed_entry_is_found_among_many_in_one_round(engine: Engine, tmp_path: Path) -> None:
    many = [f"host{n}.example" for n in range(40_000)]
    with engine.live(tmp_path, str(tmp_path / "rules/current/vedette.rules")) as live:
        desk = Desk(engine, live, tmp_path)
        desk.push({"names": many}, memcap_mb=20)
        assert desk.watch.full().ok
        with desk.socket() as client:
            client.remove("names", "string", b64("host31234.example"))
        asked = 0
        while not (look := desk.watch.look()).changed:
            asked += look.asked
            assert asked <= 2 * len(many)
        assert "entries are missing in names" in look.why
        proof = desk.watch.full()
        assert "names.swept" in {check.name for check in proof.failed}
        assert desk.repair().how == "reload"
        assert desk.watch.full().ok


def test_what_was_measured_is_kept_and_told(desk: Desk) -> None:
    desk.push({**SETS, "names": [*NAMES[300:], *(f"new{n}.example" for n in range(300))]})
    speed = speed_of(RulesDirectory(desk.rules))
    assert 1_000 < speed.entries_per_s < 1_000_000
    assert 0.01 < speed.reload_s < 30
    with desk.socket() as engine:
        state = engine_state(engine, RulesDirectory(desk.rules))
        assert engine_state(engine).reload_s == -1
    assert (state.entries_per_s, state.reload_s) == (speed.entries_per_s, speed.last_reload_s)
    assert state.version == ".".join(map(str, desk.engine.version))
    assert 0 <= state.uptime_s < 600
    assert state.reloaded_at.startswith("20")
    assert state_of_engine(desk.sensor).reloaded_at == state.reloaded_at
