from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from vedette.errors import SensorError
from vedette.sensor.client import SuricataSocket
from vedette.sensor.drift import Look, Watch
from vedette.sensor.install import CURRENT, Installed, RulesDirectory
from vedette.sensor.protocol import EngineGoneError
from vedette.sensor.seen import files_of

NAMES = [f"host{n}.example" for n in range(60)]


@pytest.fixture
def watch(desk: Any) -> Watch:
    desk.push({"names": NAMES})
    watch = Watch(desk.sensor, sweep_s=10)
    assert watch.full().ok
    return watch


def test_before_the_first_proof_there_is_nothing_to_compare_with(desk: Any) -> None:
    desk.push({"names": NAMES})
    assert Watch(desk.sensor).look() == Look(changed=True, why="it was not proved yet")


def test_nothing_installed_is_an_error(desk: Any) -> None:
    with pytest.raises(SensorError, match="no generation is installed"):
        Watch(desk.sensor).full()


def test_an_engine_that_is_gone_is_an_error(desk: Any, watch: Watch) -> None:
    desk.engine.stop()
    with pytest.raises(EngineGoneError):
        watch.look()
    desk.engine.start()
    assert watch.look().why == "the engine was started again"


def test_what_happens_during_a_proof_shows_at_the_next_look(desk: Any, watch: Watch) -> None:
    def touch(request: dict[str, Any]) -> None:
        if request["command"] == "ruleset-stats":
            (desk.sensor.rules_path / "current/names.lst").chmod(0o600)

    desk.engine.before = touch
    assert watch.full().ok
    desk.engine.before = None
    assert watch.look().why == "names.lst: changed or gone"


def test_what_shows_shows_until_it_is_proved(desk: Any, watch: Watch) -> None:
    (desk.sensor.rules_path / "current/names.lst").chmod(0o600)
    assert watch.look().changed
    assert watch.look().changed
    assert watch.full().ok
    assert not watch.look().changed


def test_a_red_proof_shows_once_and_waits_for_its_repair(desk: Any, watch: Watch) -> None:
    with SuricataSocket(desk.engine.path) as engine:
        engine.ask("dataset-clear", {"setname": "names", "settype": "string"})
    assert "the canary of names: not found" in watch.look().why
    assert not watch.full().ok
    assert watch.look() == Look(changed=False)
    assert desk.push({"names": NAMES}).how == "reload", "it is not taken for what it was"
    assert watch.look().changed
    assert watch.full().ok


def test_an_entry_that_the_sweep_missed_is_asked_for_by_the_proof(desk: Any, watch: Watch) -> None:
    watch = Watch(desk.sensor, members=1, sweep_s=10)
    assert watch.full(seed=1).ok
    with SuricataSocket(desk.engine.path) as engine:
        engine.remove("names", "string", "aG9zdDcuZXhhbXBsZQ==")
    assert watch.look().why == "1 of 62 entries are missing in names"
    for seed in range(5):
        assert "names.swept" in {check.name for check in watch.full(seed=seed).failed}
    desk.push({"names": NAMES[:7]})
    assert watch.full().ok, "of a generation without it, it is not asked for"


def test_without_a_sweep_a_look_asks_for_no_members(desk: Any) -> None:
    desk.push({"names": NAMES})
    watch = Watch(desk.sensor, sweep_s=0)
    assert watch.full().ok
    desk.engine.commands.clear()
    assert watch.look() == Look(changed=False)
    assert desk.sent("dataset-lookup") == 1
    assert watch.rounds == 0


def test_the_sweep_goes_round(desk: Any, watch: Watch) -> None:
    # A round ends when the first entry comes again.
    assert [watch.look().asked for _ in range(3)] == [62, 61, 61]
    assert watch.rounds == 3


class Far:
    """A directory on another machine, reached by running commands."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def damaged(self, installed: Installed) -> list[str]:
        raise NotImplementedError

    def run(self, command: Sequence[str], timeout_s: float) -> tuple[int, str]:
        done = subprocess.run(
            list(command), capture_output=True, timeout=timeout_s, check=False, text=True
        )
        return done.returncode, done.stdout


def edit(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"a", b"b", 1))


@pytest.mark.parametrize("is_far", [False, True], ids=["here", "elsewhere"])
@pytest.mark.parametrize(
    ("name", "act"),
    [
        ("names.lst", edit),
        ("names.lst", Path.unlink),
        ("names.lst", lambda path: path.chmod(0o600)),
        ("vedette.rules", edit),
        (CURRENT, lambda path: [path.unlink(), path.symlink_to("gen-000007")]),
        (CURRENT, Path.unlink),
    ],
)
def test_a_file_that_was_touched_looks_different(
    desk: Any, name: str, act: Callable[[Path], object], *, is_far: bool
) -> None:
    desk.push({"names": NAMES, "more": NAMES})
    directory = RulesDirectory(desk.sensor.rules_path)
    installed = directory.current()
    assert installed is not None
    if is_far:
        installed = installed._replace(elsewhere=Far(directory.path))
    before = files_of(directory, installed)
    assert set(before) >= {CURRENT, "names.lst", "more.lst", "vedette.rules"}
    assert files_of(directory, installed) == before
    act(directory.path / CURRENT if name == CURRENT else installed.path / name)
    now = files_of(directory, installed)
    different = {one for one in before if before[one] != now.get(one)}
    assert different == {name}
