"""A full disk: nothing changes, it is said, and it goes on by itself when there is room."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.contract.agent.conftest import NAMES, Site, proved, state, wait_until, why

from vedette.agent.staging import Staging
from vedette.errors import SensorError
from vedette.sensor.wire import State

MANY = [f"name{n}.example" for n in range(90_000)]


@pytest.fixture
def disk() -> Iterator[Callable[[Path, int], None]]:
    """Return a function that mounts a small disk."""
    if os.geteuid() != 0:
        if os.environ.get("CI"):
            pytest.fail("a small disk needs root")
        pytest.skip("a small disk needs root")
    mounted = ExitStack()

    def mount(path: Path, mib: int) -> None:
        path.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", path],
            check=False,
            capture_output=True,
        )
        if done.returncode:
            pytest.skip("this machine may not mount")
        mounted.callback(subprocess.run, ["umount", "-l", path], check=True)

    with mounted:
        yield mount


def fill(directory: Path) -> Path:
    """Leave no byte free."""
    path = directory / "filler"
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return path


def reported(site: Site) -> tuple[str, int]:
    record = site.ask(lambda hub: hub.store.reports.state_of("gate"))
    return record.state, record.generation


def test_no_room_for_the_rules(site: Site, disk: Callable[[Path, int], None]) -> None:
    rules = site.path / "rules"
    disk(rules, 64)
    site.publish(NAMES)
    with site.running() as agent:
        wait_until(proved(agent, 1))
        filler = fill(rules)
        site.publish(MANY)
        wait_until(lambda: "no room" in why(agent))
        assert state(agent) is State.BEHIND
        assert site.in_force == "gen-000001"
        assert site.holds("evil7.example")
        wait_until(lambda: reported(site) == ("behind", 1))
        filler.unlink()
        wait_until(proved(agent, 2), 60)
        assert site.holds("name7.example")


def test_no_room_for_what_is_trusted(site: Site, disk: Callable[[Path, int], None]) -> None:
    state_dir = site.settings.state_dir
    disk(state_dir, 1)
    site.publish(NAMES)
    with site.running() as agent:
        wait_until(proved(agent, 1))
        filler = fill(state_dir)
        before = (state_dir / "holding.json").read_bytes()
        site.publish([*NAMES, "new.example"])
        wait_until(lambda: "cannot write" in agent.situation.facts.trouble)
        assert (state_dir / "holding.json").read_bytes() == before
        assert site.in_force == "gen-000001"
        filler.unlink()
        wait_until(proved(agent, 2), 60)
        assert site.holds("new.example")


def test_a_disk_that_is_full_in_the_middle_of_a_file(
    tmp_path: Path, disk: Callable[[Path, int], None]
) -> None:
    disk(tmp_path / "rules", 1)
    staging = Staging(tmp_path / "rules")
    chunks = [os.urandom(1 << 18) for _ in range(8)]
    digest = hashlib.sha256(b"".join(chunks)).hexdigest()
    with pytest.raises(SensorError, match="No space left") as refused:
        staging.save("x.lst", digest, chunks)
    assert "Free some space" in refused.value.hint
    assert list(staging.path.iterdir()) == []
