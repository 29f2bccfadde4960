"""A backup is whole or not there, is taken while others write, and makes the same hub again."""

from __future__ import annotations

import shutil
import sqlite3
import stat
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard

from vedette.bundle.generation import open_generation
from vedette.config import NotifySettings, Settings
from vedette.errors import BusyError, StoreError, UsageError
from vedette.pipeline.announcing import announce_current, in_force
from vedette.pipeline.backing_up import SUFFIX, back_up
from vedette.pipeline.backup_index import is_safe
from vedette.pipeline.building import build
from vedette.pipeline.hub import Hub
from vedette.pipeline.lock import exclusive
from vedette.pipeline.pulling import pull
from vedette.pipeline.restoring import check, restore
from vedette.pipeline.signing import public_key


def settings_of(home: Path) -> Settings:
    home.mkdir(exist_ok=True)
    return Settings(home=str(home), notify=NotifySettings(targets_file="/etc/vedette/targets"))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "vedette.toml"
    path.write_text("[run]\ninterval = '20m'\n")
    return path


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    listed = tmp_path / "bad.txt"
    listed.write_text("evil.example\nbad.example\n")
    with Hub(settings_of(tmp_path / "hub")) as opened:
        settings = {"location": str(listed), "type": "domain", "ca_file": "/etc/vedette/ca.pem"}
        opened.store.add_source("feed", "list", settings, 900)
        pull(opened, "feed")
        build(opened)
        announce_current(opened)
        (opened.settings.state_dir / "imports").mkdir()
        (opened.settings.state_dir / "imports" / "report.jsonl").write_text("{}\n")
        yield opened


def build_more(hub: Hub, *names: str) -> None:
    listed = Path(hub.store.source("feed").settings["location"])
    listed.write_text(listed.read_text() + "".join(f"{name}\n" for name in names))
    pull(hub, "feed")
    build(hub)
    announce_current(hub)


def test_a_backup_makes_the_same_hub_again(hub: Hub, config: Path, tmp_path: Path) -> None:
    build_more(hub, "worse.example")
    made = back_up(hub, tmp_path / "b", config=config)
    assert made.index.generations == (1, 2)
    assert made.index.outside == ("/etc/vedette/ca.pem", "/etc/vedette/targets")
    there = settings_of(tmp_path / "there")
    done = restore(there, tmp_path / "b", config=tmp_path / "there" / "vedette.toml")
    assert (done.aside, done.config) == ("", str(tmp_path / "there" / "vedette.toml"))
    assert Path(done.config).read_bytes() == config.read_bytes()
    with Hub(there) as again:
        assert again.store.source("feed").entries == 3
        assert again.store.announcements.history() == hub.store.announcements.history()
        assert again.store.outbox.instance() == hub.store.outbox.instance()
        assert public_key(again) == public_key(hub)
        generation = open_generation(there.bundles)
        assert generation is not None
        assert generation.number == 2
        assert not build(again).created
        assert (there.bundles / "current").readlink() == Path("gen-000002")
    assert (there.state_dir / "imports" / "report.jsonl").read_text() == "{}\n"
    assert not list(there.state_dir.glob(".restoring-*"))
    assert not list(hub.settings.state_dir.glob(".backup-*"))


def test_nobody_else_reads_a_backup_or_the_keys_of_a_restored_hub(hub: Hub, tmp_path: Path) -> None:
    back_up(hub, tmp_path / "b")
    there = settings_of(tmp_path / "there")
    restore(there, tmp_path / "b")

    def mode(path: Path) -> int:
        return stat.S_IMODE(path.stat().st_mode)

    assert mode(tmp_path / "b") == 0o600
    assert mode(there.keys_dir) == 0o700
    assert {mode(path) for path in there.keys_dir.iterdir()} == {0o600}
    assert mode(there.database) & 0o007 == 0
    rules = "bundles/gen-000001/manifest.json"
    assert mode(there.state_dir / rules) == mode(hub.settings.state_dir / rules)


def test_a_pinned_generation_stays_pinned(hub: Hub, tmp_path: Path) -> None:
    build_more(hub, "worse.example")
    (hub.settings.bundles / "pinned").write_text("1 2\n")
    back_up(hub, tmp_path / "b")
    there = settings_of(tmp_path / "there")
    restore(there, tmp_path / "b")
    generation = open_generation(there.bundles)
    assert generation is not None
    assert generation.number == 1


def test_what_can_be_made_again_and_the_memory_stay_out(hub: Hub, tmp_path: Path) -> None:
    state = hub.settings.state_dir
    for name in ("artifacts/gen-000001/x.tar.gz", "pool/parts", "mirrors/edge/x", "run.lock"):
        (state / name).parent.mkdir(parents=True, exist_ok=True)
        (state / name).write_text("x")
    (state / "link").symlink_to("/etc/passwd")
    made = back_up(hub, tmp_path / "b")
    tops = {member.path.split("/")[0] for member in made.index.members}
    assert tops == {"vedette.db", "bundles", "keys", "imports"}


def test_a_directory_gets_backups_with_their_time_and_the_oldest_make_room(
    hub: Hub, tmp_path: Path
) -> None:
    place = tmp_path / "backups"
    place.mkdir()
    for day in range(1, 5):
        (place / f"2026010{day}T023000Z{SUFFIX}").touch()
    (place / "mine").touch()
    made = back_up(hub, place, keep=3)
    assert [Path(path).name[:8] for path in made.removed] == ["20260101", "20260102"]
    assert len(list(place.iterdir())) == 4
    assert made.path.endswith(SUFFIX)


def test_it_is_one_moments_picture_while_others_write(hub: Hub, tmp_path: Path) -> None:
    stop = threading.Event()

    def write() -> None:
        with Hub(hub.settings) as other:
            number = 0
            while not stop.is_set():
                number += 1
                other.store.fleet.add_sensor(f"a{number}", {})
                other.store.fleet.add_sensor(f"b{number}", {})

    writer = threading.Thread(target=write)
    writer.start()
    try:
        while not hub.store.fleet.sensors():
            time.sleep(0.01)
        back_up(hub, tmp_path / "b")
    finally:
        stop.set()
        writer.join()
    there = settings_of(tmp_path / "there")
    restore(there, tmp_path / "b")
    with Hub(there) as again:
        names = {record.name for record in again.store.fleet.sensors()}
    firsts = {int(name[1:]) for name in names if name[0] == "a"}
    seconds = {int(name[1:]) for name in names if name[0] == "b"}
    assert firsts
    assert firsts == set(range(1, max(firsts) + 1))
    assert firsts - seconds <= {max(firsts)}
    assert len(names) < len(hub.store.fleet.sensors())


def test_a_build_that_takes_generations_away_meanwhile_loses_none(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_more(hub, "worse.example")
    real, removed = shutil.copytree, []

    def once(source: Path, target: Path, *rest: object, **kwargs: object) -> object:
        if not removed:
            removed.append(source)
            shutil.rmtree(hub.settings.bundles / "gen-000001")
        return real(source, target, *rest, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(shutil, "copytree", once)
    made = back_up(hub, tmp_path / "b")
    assert removed
    assert made.index.generations == (2,)
    check(tmp_path / "b", fresh(tmp_path / "stage"))


def fresh(path: Path) -> Path:
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    return path


# -- what is damaged ------------------------------------------------------------------------------


def test_every_cut_off_backup_is_refused(hub: Hub, tmp_path: Path) -> None:
    back_up(hub, tmp_path / "b")
    data = (tmp_path / "b").read_bytes()
    for size in {0, 1, 10, len(data) // 2, len(data) - 20, len(data) - 1}:
        (tmp_path / "cut").write_bytes(data[:size])
        with pytest.raises(StoreError, match="is no whole backup"):
            check(tmp_path / "cut", fresh(tmp_path / "stage"))


def test_every_flipped_bit_is_refused(hub: Hub, tmp_path: Path) -> None:
    back_up(hub, tmp_path / "b")
    data = (tmp_path / "b").read_bytes()
    for at in range(0, len(data), max(1, len(data) // 60)):
        (tmp_path / "flipped").write_bytes(data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :])
        with pytest.raises(StoreError, match="is no whole backup"):
            check(tmp_path / "flipped", fresh(tmp_path / "stage"))


Change = Callable[[list[tuple[tarfile.TarInfo, bytes]]], None]


def remade(source: Path, target: Path, change: Change) -> None:
    """Write a backup again with other members, and a good checksum."""
    with zstandard.open(source, "rb") as packed, tarfile.open(fileobj=packed, mode="r|") as tar:
        members = [(member, tar.extractfile(member).read()) for member in tar]  # type: ignore[union-attr]
    change(members)
    with zstandard.open(target, "wb") as packed, tarfile.open(fileobj=packed, mode="w|") as tar:
        for member, content in members:
            member.size = len(content)
            with (target.parent / "member").open("w+b") as file:
                file.write(content)
                file.seek(0)
                tar.addfile(member, file if member.isreg() else None)


def _nothing(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    assert members


def _other_content(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    at = next(n for n, (info, _) in enumerate(members) if info.name.startswith("keys/"))
    members[at] = members[at][0], members[at][1].swapcase()


def _one_missing(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    del members[1]


def _one_more(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    members.insert(1, (tarfile.TarInfo("more"), b"x"))


def _one_twice(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    members.insert(1, members[1])


def _outside(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    members.insert(0, (tarfile.TarInfo("../../escaped"), b"x"))


def _a_link(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    link = tarfile.TarInfo("link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc"
    members.insert(0, (link, b""))


def _something_behind(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    members.append((tarfile.TarInfo("late"), b"x"))


def _no_index(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    members.pop()


@pytest.mark.parametrize(
    "change",
    [
        _other_content,
        _one_missing,
        _one_more,
        _one_twice,
        _outside,
        _a_link,
        _something_behind,
        _no_index,
    ],
)
def test_a_backup_that_somebody_changed_is_refused(
    hub: Hub, tmp_path: Path, change: Change
) -> None:
    back_up(hub, tmp_path / "b")
    remade(tmp_path / "b", tmp_path / "same", _nothing)
    check(tmp_path / "same", fresh(tmp_path / "stage"))
    remade(tmp_path / "b", tmp_path / "changed", change)
    with pytest.raises(StoreError):
        restore(settings_of(tmp_path / "there"), tmp_path / "changed")
    assert list((tmp_path / "there" / "state").iterdir()) == []
    assert not (tmp_path / "escaped").exists()


@pytest.mark.parametrize("name", ["/etc/x", "../x", "a/../../x", "", "a\0b"])
def test_names_that_lead_elsewhere_are_not_safe(name: str) -> None:
    assert not is_safe(name)


def test_a_newer_backup_names_the_version_that_reads_it(hub: Hub, tmp_path: Path) -> None:
    back_up(hub, tmp_path / "b")

    def newer(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        info, content = members[-1]
        members[-1] = (
            info,
            content.replace(b'"schema":', b'"schema":9').replace(b'"vedette":"', b'"vedette":"9.'),
        )

    remade(tmp_path / "b", tmp_path / "newer", newer)
    with pytest.raises(StoreError, match="a newer Vedette, 9"):
        check(tmp_path / "newer", fresh(tmp_path / "stage"))


def test_no_backup_is_made_of_a_damaged_database(hub: Hub, tmp_path: Path) -> None:
    hub.store.close()
    good = tmp_path / "b"
    good.write_bytes(b"the last good one")
    data = bytearray(hub.settings.database.read_bytes())
    data[8_192 : 8_192 + 4_096 * 8] = b"\xff" * 4_096 * 8
    hub.settings.database.write_bytes(data)
    with pytest.raises(StoreError):
        back_up(hub, good)
    assert good.read_bytes() == b"the last good one"


def test_a_full_disk_leaves_the_older_backup(hub: Hub, tmp_path: Path) -> None:
    good = tmp_path / "full" / "b"
    good.parent.mkdir()
    with pytest.raises(StoreError, match="cannot write the backup"):
        back_up(hub, Path("/dev/full/b"))
    script = (
        "import resource, sys; from pathlib import Path; from vedette.config import Settings;"
        "from vedette.pipeline.hub import Hub; from vedette.pipeline.backing_up import back_up;"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "hub = Hub(Settings(home=sys.argv[1]));"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000));"
        "back_up(hub, Path(sys.argv[2]))"
    )
    good.write_bytes(b"the last good one")
    command = [sys.executable, "-c", script, str(tmp_path / "hub"), str(good)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "StoreError" in done.stderr
    assert good.read_bytes() == b"the last good one"
    assert [path.name for path in good.parent.iterdir()] == ["b"]


# -- where it is put ------------------------------------------------------------------------------


def test_a_state_that_is_not_empty_is_refused_and_put_aside_if_told(
    hub: Hub, tmp_path: Path
) -> None:
    back_up(hub, tmp_path / "b")
    there = settings_of(tmp_path / "there")
    with Hub(there) as other:
        other.store.fleet.add_sensor("mine", {})
    (there.pool_dir / "parts").write_text("the past")
    with pytest.raises(UsageError, match="there is something in"):
        restore(there, tmp_path / "b")
    with Hub(there) as other:
        assert [one.name for one in other.store.fleet.sensors()] == ["mine"]
    done = restore(there, tmp_path / "b", replace=True)
    with Hub(there) as other:
        assert other.store.fleet.sensors() == []
        assert other.store.source("feed").entries == 2
    assert (there.pool_dir / "parts").read_text() == "the past"
    with sqlite3.connect(Path(done.aside) / "vedette.db") as before:
        assert before.execute("SELECT name FROM sensor").fetchall() == [("mine",)]


def test_a_live_state_is_refused_whoever_lives_there(hub: Hub, tmp_path: Path) -> None:
    back_up(hub, tmp_path / "b")
    there = settings_of(tmp_path / "there")
    Hub(there).store.close()
    before = there.database.read_bytes()
    with (
        exclusive(there.state_dir / "run.lock", "vedette run"),
        pytest.raises(BusyError, match="vedette run"),
    ):
        restore(there, tmp_path / "b", replace=True)
    script = (
        "import sys; from vedette.config import Settings; from vedette.pipeline.hub import Hub;"
        "hub = Hub(Settings(home=sys.argv[1])); print('open', flush=True); input()"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "there")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(BusyError, match=f"process {other.pid} has"):
            restore(there, tmp_path / "b", replace=True)
        other.communicate(b"\n")
    assert there.database.read_bytes() == before
    assert restore(there, tmp_path / "b", replace=True).aside


def test_a_database_that_is_damaged_can_be_replaced(hub: Hub, tmp_path: Path) -> None:
    back_up(hub, tmp_path / "b")
    there = settings_of(tmp_path / "there")
    there.state_dir.mkdir()
    there.database.write_bytes(b"no database at all" * 1_000)
    restore(there, tmp_path / "b", replace=True)
    with Hub(there) as again:
        assert again.store.source("feed").entries == 2


# -- what an old backup means for the fleet -------------------------------------------------------


def test_the_next_build_of_a_restored_hub_is_announced_and_wins(hub: Hub, tmp_path: Path) -> None:
    back_up(hub, tmp_path / "b")
    build_more(hub, "worse.example")
    newest = hub.store.announcements.last()
    assert newest is not None
    there = settings_of(tmp_path / "there")
    restore(there, tmp_path / "b")
    with Hub(there) as again:
        again.store.audit.add(who="ada", origin="here", action="restore", now=int(time.time()) + 1)
        old = in_force(again)
        assert old is not None
        assert old.newest.serial < newest.serial
        Path(again.store.source("feed").settings["location"]).write_text(
            "evil.example\nbad.example\n"
        )
        pull(again, "feed")
        assert not build(again).created
        told = in_force(again)
        assert told is not None
        assert told.newest.serial > newest.serial, "or agents would refuse it for ever"
        assert told.newest.generation == 1


def test_without_a_restore_the_same_generation_is_announced_once(hub: Hub) -> None:
    before = hub.store.announcements.last()
    build(hub)
    assert announce_current(hub) is None
    assert hub.store.announcements.last() == before
