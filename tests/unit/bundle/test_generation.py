"""Generations are found, verified, rolled back and forgotten."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vedette.bundle import (
    Builder,
    forget,
    history,
    latest,
    open_generation,
    rollback,
    verify,
)
from vedette.bundle.writer import link
from vedette.errors import BundleError
from vedette.model import IndicatorType as T
from vedette.model import Key
from vedette.testing.indicators import ListedKeys


def build(root: Path, *names: str) -> int:
    builder = Builder(root=root)
    manifest = builder.build(ListedKeys(Key(T.DOMAIN, name) for name in names)).manifest
    return manifest.generation


@pytest.fixture
def three(tmp_path: Path) -> Path:
    for name in ("a.com", "b.com", "c.com"):
        build(tmp_path, name)
    return tmp_path


def current(root: Path) -> int:
    generation = open_generation(root)
    assert generation is not None
    assert (root / "current").readlink().name == generation.path.name
    return generation.number


def test_nothing_published_is_none(tmp_path: Path) -> None:
    assert open_generation(tmp_path) is None
    assert open_generation(tmp_path / "absent") is None
    assert latest(tmp_path) is None
    assert list(history(tmp_path)) == []


def test_a_generation_is_found_by_number(three: Path) -> None:
    generation = open_generation(three, 2)
    assert generation is not None
    assert generation.manifest.generation == 2
    assert [found.number for found in history(three)] == [3, 2, 1]


def test_a_number_that_does_not_exist_names_those_that_do(three: Path) -> None:
    with pytest.raises(BundleError, match="no generation 9") as failure:
        open_generation(three, 9)
    assert "1 to 3" in failure.value.hint
    with pytest.raises(BundleError, match="no generation 1"):
        open_generation(three / "absent", 1)


def test_a_generation_without_manifest_is_an_error(three: Path) -> None:
    (three / "gen-000003/manifest.json").unlink()
    generation = open_generation(three)
    assert generation is not None
    with pytest.raises(BundleError, match=r"cannot read .*No such file"):
        _ = generation.manifest


def test_rolled_back_is_current_until_new_content_is_published(three: Path) -> None:
    assert rollback(three, 1).number == 1
    assert current(three) == 1
    build(three, "c.com")  # as the latest: nothing to publish
    assert current(three) == 1
    assert build(three, "d.com") == 4
    assert current(three) == 4


def test_rolling_forward_ends_the_roll_back(three: Path) -> None:
    rollback(three, 1)
    rollback(three, 3)
    assert current(three) == 3
    assert not (three / "pinned").exists()


def test_a_roll_back_to_a_damaged_generation_is_refused(three: Path) -> None:
    with (three / "gen-000001/datasets/vedette-domain.lst").open("ab") as file:
        file.write(b"x\n")
    with pytest.raises(BundleError, match=r"vedette-domain\.lst is not what was published"):
        rollback(three, 1)
    assert current(three) == 3


def test_verify_finds_what_is_missing(three: Path) -> None:
    assert verify(three / "gen-000002").generation == 2
    (three / "gen-000002/rules/7.0.rules").unlink()
    with pytest.raises(BundleError, match=r"rules/7\.0\.rules: No such file"):
        verify(three / "gen-000002")


def test_a_roll_back_that_cannot_be_written_changes_nothing(three: Path) -> None:
    (three / "pinned").mkdir()
    with pytest.raises(BundleError, match="cannot switch to generation 1"):
        rollback(three, 1)
    assert current(three) == 3


def test_the_oldest_are_forgotten_but_never_the_current(three: Path) -> None:
    build(three, "d.com")
    rollback(three, 1)
    assert forget(three, 2) == [2]
    assert [found.number for found in history(three)] == [4, 3, 1]
    assert current(three) == 1
    assert forget(three, 10) == []


def test_a_damaged_pin_is_no_pin(three: Path) -> None:
    for text in ("", "x y", "9 3", "1 2"):
        (three / "pinned").write_text(text)
        assert current(three) == 3


def test_a_sensor_gets_one_directory(three: Path) -> None:
    generation = open_generation(three)
    assert generation is not None
    placed = generation.flatten("8.0.7", three / "flat")
    again = generation.flatten("8.0.7", three / "flat")
    assert placed == again
    assert sorted(path.name for path in placed) == [
        "vedette-domain.lst",
        "vedette-generation.lst",
        "vedette.rules",
    ]
    assert b"load vedette-domain.lst," in (three / "flat/vedette.rules").read_bytes()


def test_a_file_system_without_hard_links_gets_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    (tmp_path / "a").write_text("text")
    monkeypatch.setattr(os, "link", refuse)
    link(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_text() == "text"
    assert not (tmp_path / "a").samefile(tmp_path / "b")


def test_a_link_to_nothing_fails(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        link(tmp_path / "absent", tmp_path / "b")
