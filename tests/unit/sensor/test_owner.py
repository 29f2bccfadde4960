from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from vedette.errors import SensorError
from vedette.sensor.install import Installed, RulesDirectory
from vedette.sensor.owner import claim, owner_of


class Far:
    """The same directory on another machine, reached by running commands."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def damaged(self, installed: Installed) -> list[str]:
        raise NotImplementedError

    def run(self, command: Sequence[str], timeout_s: float) -> tuple[int, str]:
        done = subprocess.run(
            list(command),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
            check=False,
            text=True,
        )
        return done.returncode, done.stdout


class Copy(RulesDirectory):
    def __init__(self, path: Path, far: Path) -> None:
        super().__init__(path)
        self._elsewhere = Far(far)


@pytest.fixture(params=["here", "elsewhere"])
def directory(request: pytest.FixtureRequest, tmp_path: Path) -> RulesDirectory:
    if request.param == "here":
        (tmp_path / "rules").mkdir()
        return RulesDirectory(tmp_path / "rules")
    return Copy(tmp_path / "copy", tmp_path / "rules")


def hub_of(directory: RulesDirectory) -> str:
    owner = owner_of(directory)
    return owner.hub if owner else ""


def test_a_directory_belongs_to_the_first_hub(directory: RulesDirectory) -> None:
    assert owner_of(directory) is None
    claim(directory, "one")
    first = owner_of(directory)
    claim(directory, "one")
    assert owner_of(directory) == first
    with pytest.raises(SensorError, match="belongs to another hub"):
        claim(directory, "two")
    assert hub_of(directory) == "one"


def test_a_person_may_give_it_to_another_hub(directory: RulesDirectory) -> None:
    claim(directory, "one")
    claim(directory, "two", take_over=True)
    assert hub_of(directory) == "two"
    with pytest.raises(SensorError, match="belongs to another hub"):
        claim(directory, "one")


def test_a_push_of_no_hub_changes_nothing(directory: RulesDirectory) -> None:
    claim(directory, "")
    assert owner_of(directory) is None
    claim(directory, "one")
    claim(directory, "")
    assert hub_of(directory) == "one"


def test_the_note_is_where_the_engine_is(tmp_path: Path) -> None:
    claim(Copy(tmp_path / "copy of one", tmp_path / "rules"), "it's one")
    assert (tmp_path / "rules/owner.json").exists()
    with pytest.raises(SensorError, match="belongs to another hub"):
        claim(Copy(tmp_path / "copy of two", tmp_path / "rules"), "two")


def test_a_damaged_note_is_written_again(directory: RulesDirectory, tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir(exist_ok=True)
    (tmp_path / "rules/owner.json").write_text('{"hub":')
    claim(directory, "two")
    assert hub_of(directory) == "two"


def test_a_note_that_cannot_be_written_is_an_error(
    directory: RulesDirectory, tmp_path: Path
) -> None:
    (tmp_path / "rules/owner.json/x").mkdir(parents=True)
    with pytest.raises(SensorError, match=r"cannot write .*owner\.json"):
        claim(directory, "one")
