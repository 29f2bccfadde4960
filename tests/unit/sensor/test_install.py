from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from vedette.errors import SensorError
from vedette.sensor.install import Installed, RulesDirectory, State, damaged
from vedette.sensor.release import Release
from vedette.sensor.reload import Mark
from vedette.testing.handmade import hand_made

NAMES = ["evil.example", "bad.example"]


def make(path: Path, generation: int, names: list[str]) -> tuple[Release, dict[str, Path]]:
    made = hand_made(path / f"made-{generation}-{len(names)}", generation, {"names": names})
    return Release.from_manifest(made.manifest, "7.0"), made.sources


@pytest.fixture
def directory(tmp_path: Path) -> RulesDirectory:
    rules = RulesDirectory(tmp_path / "rules")
    with rules.lock():
        return rules


def put(directory: RulesDirectory, generation: int, names: list[str]) -> Installed:
    installed = directory.install(*make(directory.path.parent, generation, names))
    directory.switch(installed)
    return installed


def test_nothing_is_in_force_before_the_switch(directory: RulesDirectory) -> None:
    installed = directory.install(*make(directory.path.parent, 1, NAMES))
    assert directory.current() is None
    directory.switch(installed)
    assert directory.current() == installed
    assert (directory.path / "current/vedette.rules").read_text().count("dataset:isset,names") == 1
    assert damaged(installed) == []


def test_a_release_that_is_there_is_not_written_again(directory: RulesDirectory) -> None:
    release, sources = make(directory.path.parent, 1, NAMES)
    first = directory.install(release, sources)
    before = first.rules.stat().st_mtime_ns
    assert directory.install(release, sources) == first
    assert first.rules.stat().st_mtime_ns == before


def test_another_release_of_the_same_number_gets_its_own_place(directory: RulesDirectory) -> None:
    put(directory, 1, NAMES)
    assert put(directory, 1, NAMES[:1]).path.name == "gen-000001.1"


def test_a_damaged_generation_is_replaced_beside_it(directory: RulesDirectory) -> None:
    release, sources = make(directory.path.parent, 1, NAMES)
    first = directory.install(release, sources)
    (first.path / "names.lst").write_text("")
    again = directory.install(release, sources)
    assert again.path != first.path
    assert damaged(again) == []
    assert damaged(first) == ["names.lst"]


def test_what_has_not_changed_takes_no_more_room(directory: RulesDirectory) -> None:
    made = hand_made(directory.path.parent / "a", 1, {"names": NAMES, "more": NAMES})
    directory.switch(directory.install(Release.from_manifest(made.manifest, "7.0"), made.sources))
    made = hand_made(directory.path.parent / "b", 2, {"names": NAMES, "more": NAMES[:1]})
    second = directory.install(Release.from_manifest(made.manifest, "7.0"), made.sources)
    assert (second.path / "names.lst").stat().st_nlink == 2
    assert (second.path / "more.lst").stat().st_nlink == 1


def test_others_may_read_what_is_installed_whatever_the_umask(directory: RulesDirectory) -> None:
    old = os.umask(0o077)
    try:
        installed = put(directory, 1, NAMES)
    finally:
        os.umask(old)
    assert installed.path.stat().st_mode & 0o777 == 0o755
    assert {path.stat().st_mode & 0o777 for path in installed.path.iterdir()} == {0o644}


def test_a_full_disk_changes_nothing_and_is_named(
    directory: RulesDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = put(directory, 1, NAMES)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("shutil.copyfile", full)
    with pytest.raises(SensorError, match="No space left on device") as caught:
        directory.install(*make(directory.path.parent, 2, NAMES[:1]))
    assert "in force is untouched" in caught.value.hint
    assert directory.current() == first
    assert not list(directory.path.glob(".new-*"))


def test_what_a_killed_push_left_is_cleared_away(directory: RulesDirectory) -> None:
    (directory.path / ".new-gen-000009").mkdir()
    (directory.path / ".new-current").symlink_to("gen-000009")
    put(directory, 1, NAMES)
    assert not list(directory.path.glob(".new-*"))


@pytest.mark.parametrize("name", ["current/release.json", "engine.json"])
def test_bits_that_flipped_on_the_disk_are_as_if_it_were_not_there(
    directory: RulesDirectory, name: str
) -> None:
    put(directory, 1, NAMES)
    directory.remember(State(content_id="c", target="7.0", mark=Mark(1, "then"), memcaps={}))
    path = directory.path / name
    data = bytearray(path.read_bytes())
    data[data.index(b"7.0")] ^= 0x80  # no text any more
    path.write_bytes(data)
    found = directory.state() if name == "engine.json" else directory.current()
    assert found is None


def test_a_directory_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    rules = RulesDirectory(tmp_path / "file/rules")
    with pytest.raises(SensorError, match="cannot use the rules directory"), rules.lock():
        pass


def test_a_link_that_cannot_be_written_is_an_error(directory: RulesDirectory) -> None:
    installed = directory.install(*make(directory.path.parent, 1, NAMES))
    (directory.path / "current").mkdir()
    with pytest.raises(SensorError, match=r"cannot make .* current"):
        directory.switch(installed)


def test_what_is_remembered_is_read_again_and_forgotten(directory: RulesDirectory) -> None:
    state = State(content_id="c", target="7.0", mark=Mark(1, "then"), memcaps={"names": 5})
    assert directory.state() is None
    directory.remember(state)
    assert directory.state() == state
    (directory.path / "engine.json").write_text("{")
    assert directory.state() is None
    directory.remember(None)
    directory.remember(None)
    assert not (directory.path / "engine.json").exists()


def test_a_state_that_cannot_be_written_is_an_error(directory: RulesDirectory) -> None:
    (directory.path / "engine.json").mkdir()
    with pytest.raises(SensorError, match=r"cannot write .*engine\.json"):
        directory.remember(None)


def test_a_generation_is_found_by_its_name(directory: RulesDirectory) -> None:
    installed = put(directory, 1, NAMES)
    assert directory.generation("gen-000001") == installed
    assert directory.generation("gen-000002") is None
    assert directory.generation("") is None


def test_the_current_generation_is_never_cleared_away(directory: RulesDirectory) -> None:
    first = put(directory, 1, NAMES)
    put(directory, 2, NAMES[:1])
    put(directory, 3, [*NAMES, "third.example"])
    directory.switch(first)
    directory.prune(1, "gen-000002")
    assert {path.name for path in directory.path.glob("gen-*")} == {
        "gen-000001",
        "gen-000002",
        "gen-000003",
    }
    directory.prune(1)
    assert {path.name for path in directory.path.glob("gen-*")} == {"gen-000001", "gen-000003"}
