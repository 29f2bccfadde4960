"""Where Suricata says OK and it is not: each trap that was found, on the real engines.

Every test first shows that the trap is there, then that Vedette does not fall into it.
"""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from vedette.sensor.client import SuricataSocket
from vedette.sensor.crossover import Speed, keep_speed
from vedette.sensor.held import prove_held
from vedette.sensor.install import RulesDirectory
from vedette.sensor.protocol import Outcome
from vedette.sensor.push import Pushed, push
from vedette.sensor.release import Release
from vedette.sensor.settings import Sensor
from vedette.testing.engine import Engine, Live
from vedette.testing.handmade import hand_made

NAMES = [f"host{n}.example" for n in range(500)]
MANY = [f"host{n}.bad{n % 977}.example" for n in range(200_000)]
Sets = Mapping[str, Sequence[str]]


class Desk:
    """A live engine with Vedette's rules directory."""

    def __init__(self, engine: Engine, live: Live, path: Path) -> None:
        self.engine, self.live, self.path, self.count = engine, live, path, 0
        self.rules = path / "rules"
        self.sensor = Sensor(
            name="probe", socket=str(live.socket), rules=str(self.rules), restart_timeout_s=30
        )

    def release(self, sets: Sets, **size: int) -> tuple[Release, dict[str, Path]]:
        self.count += 1
        target = str(self.engine.profile)
        made = hand_made(
            self.path / f"bundle-{self.count}", self.count, sets, target=target, **size
        )
        return Release.from_manifest(made.manifest, target), made.sources

    def push(self, sets: Sets, **size: int) -> Pushed:
        return push(self.sensor, *self.release(sets, **size))

    def prefer_socket(self) -> None:
        """Let it be measured that a reload is slow: then a large change goes over the socket."""
        keep_speed(RulesDirectory(self.rules), Speed(entries_per_s=1e6, reload_s=60))

    def socket(self) -> SuricataSocket:
        return SuricataSocket(self.live.socket)

    def when_switched(self, generation: int, act: Callable[[], None]) -> threading.Thread:
        """Do something at the moment when the files of a generation came into force."""

        def wait() -> None:
            link = self.rules / "current"
            while link.readlink().name != f"gen-{generation:06d}":
                time.sleep(0.0005)
            act()

        thread = threading.Thread(target=wait)
        thread.start()
        return thread


@pytest.fixture
def desk(engine: Engine, tmp_path: Path) -> Iterator[Desk]:
    with engine.live(tmp_path, str(tmp_path / "rules/current/vedette.rules")) as live:
        yield Desk(engine, live, tmp_path)


def b64(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


def somebody_reloads(engine: SuricataSocket, command: str = "ruleset-reload-rules") -> None:
    """Reload as another program would; the engine says that all is well."""
    while (outcome := engine.ask(command).outcome) is Outcome.RELOADING:
        time.sleep(0.02)  # the rules are in force a moment before a reload has quite ended
    assert outcome is Outcome.DONE


def failed(pushed: Pushed) -> set[str]:
    return {check.name for check in pushed.proof.failed}


def test_a_missing_file_at_a_reload_is_answered_with_ok(desk: Desk) -> None:
    desk.push({"names": NAMES, "more": NAMES})
    (desk.rules / "current/more.lst").unlink()
    with desk.socket() as engine:
        somebody_reloads(engine)
        assert engine.lookup("more", "string", b64("host1.example")) is Outcome.NO_SUCH_SET
    proof = prove_held(desk.sensor)
    assert {check.name for check in proof.failed} == {
        "files",
        "files.loaded",
        "rules.failed",
        "more.canary",
    }
    pushed = desk.push({"names": NAMES, "more": NAMES})
    assert (pushed.how, failed(pushed)) == ("reload", set())


def test_a_bad_line_is_skipped_by_a_reload_and_refused_at_the_next_start(desk: Desk) -> None:
    desk.push({"names": NAMES})
    path = desk.rules / "current/names.lst"
    path.write_bytes(b"# not base64\n" + path.read_bytes())
    with desk.socket() as engine:
        somebody_reloads(engine)
        assert engine.ruleset_stats().rules_failed == 0
    assert desk.engine.check(desk.path, str(desk.rules / "current/vedette.rules")).rc != 0
    # The sample may also meet the line itself.
    red = {check.name for check in prove_held(desk.sensor).failed}
    assert red - {"names.members"} == {"files", "files.loaded"}


def test_entries_added_over_the_socket_are_lost_at_the_next_reload(desk: Desk) -> None:
    desk.push({"names": NAMES})
    with desk.socket() as engine:
        assert engine.add("names", "string", b64("stray.example")) is Outcome.ADDED
        somebody_reloads(engine)
        assert engine.lookup("names", "string", b64("stray.example")) is Outcome.NOT_FOUND
    assert desk.push({"names": [*NAMES, "new.example"]}).how == "delta"
    with desk.socket() as engine:
        somebody_reloads(engine)
        assert engine.lookup("names", "string", b64("new.example")) is Outcome.FOUND


def test_past_memcap_the_engine_adds_and_forgets(desk: Desk) -> None:
    desk.push({"names": NAMES}, memcap_mb=1)
    flood = [f"flood{number}.example" for number in range(20_000)]
    with desk.socket() as engine:
        added = {engine.add("names", "string", b64(name)) for name in flood}
        held = [engine.lookup("names", "string", b64(name)) for name in [*NAMES, *flood]]
    assert added == {Outcome.ADDED}
    assert held.count(Outcome.FOUND) < 12_000


def test_a_push_past_memcap_is_not_tried_over_the_socket(desk: Desk) -> None:
    desk.push({"names": NAMES}, memcap_mb=1)
    desk.prefer_socket()
    more = [*NAMES, *(f"more{n}.example" for n in range(12_000))]
    pushed = desk.push({"names": more}, memcap_mb=1)
    # The reload does not fit either, and the engine says "done".
    assert (pushed.how, "more than the memcap" in pushed.reason) == ("reload", True)
    assert failed(pushed) == {"rules.failed", "names.canary"}
    pushed = desk.push({"names": more}, memcap_mb=4)
    assert (pushed.how, failed(pushed)) == ("reload", set())


def test_what_is_too_long_for_a_command_comes_by_a_reload(
    suricata8: Engine, tmp_path: Path
) -> None:
    # 7.0.10 reads at most 765 bytes from a file anyway: there it is the compiler's to leave out.
    with suricata8.live(tmp_path, str(tmp_path / "rules/current/vedette.rules")) as live:
        desk = Desk(suricata8, live, tmp_path)
        desk.push({"names": NAMES})
        pushed = desk.push({"names": [*NAMES, "x" * 4000]})
        assert (pushed.how, failed(pushed)) == ("reload", set())
        assert "too long" in pushed.reason
        assert live.exit_code() is None


def test_a_set_that_is_not_loaded_is_not_an_answer_to_ignore(desk: Desk) -> None:
    with desk.socket() as engine:
        assert engine.add("names", "string", b64("x.example")) is Outcome.NO_SUCH_SET
    pushed = desk.push({"names": NAMES})
    assert (pushed.how, failed(pushed)) == ("reload", set())


@pytest.mark.timeout(180)
def test_an_engine_killed_in_the_middle_of_a_delta_comes_back_with_all(desk: Desk) -> None:
    size = {"memcap_mb": 60, "hashsize": 65536}
    desk.push({"names": MANY}, **size)
    desk.prefer_socket()
    release, sources = desk.release(
        {"names": [f"x{n}.example" for n in range(9_000)] + MANY[9_000:]}, **size
    )

    def kill_and_start() -> None:
        time.sleep(0.08)
        desk.live.kill()
        time.sleep(0.3)
        desk.live.start()

    thread = desk.when_switched(2, kill_and_start)
    pushed = push(desk.sensor, release, sources)
    thread.join()
    assert (pushed.how, failed(pushed)) == ("restart", set())


@pytest.mark.timeout(180)
def test_a_reload_by_somebody_else_during_a_delta_costs_nothing(desk: Desk) -> None:
    size = {"memcap_mb": 60, "hashsize": 65536}
    desk.push({"names": MANY}, **size)
    desk.prefer_socket()
    changed = [f"x{n}.example" for n in range(9_000)] + MANY[9_000:]
    release, sources = desk.release({"names": changed}, **size)

    def reload() -> None:
        with desk.socket() as engine:
            somebody_reloads(engine, "ruleset-reload-nonblocking")

    thread = desk.when_switched(2, reload)
    pushed = push(desk.sensor, release, sources)
    thread.join()
    assert (pushed.how, failed(pushed)) == ("reload", set())
    with desk.socket() as engine:
        found = [engine.lookup("names", "string", b64(value)) for value in changed[:9_000]]
        gone = [engine.lookup("names", "string", b64(value)) for value in MANY[:9_000]]
    assert set(found) == {Outcome.FOUND}
    assert set(gone) == {Outcome.NOT_FOUND}


@pytest.mark.timeout(180)
def test_a_reload_that_has_read_the_old_files_does_not_bring_them_back(desk: Desk) -> None:
    size = {"memcap_mb": 60, "hashsize": 65536}
    desk.push({"names": MANY}, **size)
    desk.prefer_socket()
    release, sources = desk.release({"names": [*MANY[1:], "new.example"]}, **size)
    with desk.socket() as engine:
        somebody_reloads(engine, "ruleset-reload-nonblocking")
        time.sleep(0.05)
    pushed = push(desk.sensor, release, sources)
    assert failed(pushed) == set()
    time.sleep(1)
    assert prove_held(desk.sensor).ok


def test_rule_files_given_with_set_are_forgotten_by_a_reload(
    engine: Engine, tmp_path: Path
) -> None:
    rules = tmp_path / "rules"
    override = ["--set", f"rule-files.0={rules}/current/vedette.rules"]
    with engine.live(tmp_path, "other.rules", arguments=override) as live:
        desk = Desk(engine, live, tmp_path)
        pushed = desk.push({"names": NAMES})
        assert failed(pushed) == {"rules.loaded", "names.canary"}
        live.kill()
        live.start()
        live.wait_started()
        assert prove_held(desk.sensor).ok
        with desk.socket() as client:
            somebody_reloads(client)
        assert not prove_held(desk.sensor).ok
