"""An eve.json behind a real sshd: each line once, whatever rotates, stops or is cut."""

from __future__ import annotations

import gzip
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from vedette.errors import SensorError
from vedette.eve.reader import follow
from vedette.eve.segment import Bookmark
from vedette.sensor.reach import eve_of
from vedette.sensor.settings import Sensor
from vedette.sensor.ssh_eve import FarLog
from vedette.sensor.ssh_link import Link
from vedette.testing.sshd import SshServer, missing


class Desk:
    """A log there that is written and rotated, and its reader here."""

    def __init__(self, path: Path) -> None:
        self.server = SshServer(path / "s")
        self.server.start()
        self.log = self.server.home / "log dir/eve.json"
        self.log.parent.mkdir()
        fields = {"rules": "/nowhere", "eve": str(self.log)}
        self.sensor = msgspec.convert(self.server.way | fields, type=Sensor)
        self.written = 0
        self.hour = 1_700_000_000
        self.bookmark: Bookmark | None = None
        self.got: list[bytes] = []
        self.skipped: dict[str, int] = {}
        self.log_here: FarLog | None = None

    def write(self, count: int = 1) -> None:
        with self.log.open("ab") as file:
            for _ in range(count):
                self.written += 1
                file.write(self.line(self.written))
        self.tick()

    def tick(self) -> None:
        """Make the next moment later than this one, in whole seconds."""
        self.hour += 3600
        os.utime(self.log, (self.hour, self.hour))

    @staticmethod
    def line(number: int) -> bytes:
        return b'{"timestamp":"2026-11-24T%012d","pad":"%s"}\n' % (number, b"x" * (number % 97))

    def rename(self) -> Path:
        for number in range(20, 0, -1):
            for ending in ("", ".gz"):
                old = self.log.with_name(f"eve.json.{number}{ending}")
                if old.exists():
                    old.rename(self.log.with_name(f"eve.json.{number + 1}{ending}"))
        to = self.log.with_name("eve.json.1")
        self.log.rename(to)
        return to

    def copy_and_truncate(self) -> None:
        moment = self.log.stat().st_mtime
        to = self.rename()
        to.rename(self.log)
        shutil.copy2(self.log, to)
        os.utime(to, (moment, moment))
        os.truncate(self.log, 0)

    @staticmethod
    def pack(path: Path) -> None:
        moment = path.stat().st_mtime
        packed = path.with_name(f"{path.name}.gz")
        packed.write_bytes(gzip.compress(path.read_bytes()))
        os.utime(packed, (moment, moment))
        path.unlink()

    def restart(self) -> None:
        """Begin anew, with what is stored."""
        self.log_here = None

    def read(self) -> None:
        """Read what is there now, as a reader that stores its bookmark with each batch."""
        self.log_here = self.log_here or FarLog(self.sensor)
        wait = self.log_here.waiting(lambda: False)
        for batch in follow(self.log_here.path, self.bookmark, wait=wait):
            self.got += batch.lines
            self.bookmark = batch.bookmark
            for reason, count in batch.skipped.items():
                self.skipped[reason] = self.skipped.get(reason, 0) + count

    def all_lines(self) -> list[bytes]:
        return [self.line(n)[:-1] for n in range(1, self.written + 1)]


@pytest.fixture
def desk(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short_path))
    if reason := missing():
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    desk = Desk(short_path)
    yield desk
    Link(desk.sensor).close()
    desk.server.stop()


def test_lines_come_as_they_are_written(desk: Desk) -> None:
    desk.read()  # there is no file yet
    assert desk.got == []
    for _ in range(3):
        desk.write(10)
        desk.read()
        assert desk.got == desk.all_lines()


def test_a_line_without_its_end_waits_for_it(desk: Desk) -> None:
    desk.write(2)
    with desk.log.open("ab") as file:
        file.write(desk.line(3)[:20])
    desk.read()
    assert desk.got == desk.all_lines()
    with desk.log.open("ab") as file:
        file.write(desk.line(3)[20:])
    desk.written = 3
    desk.read()
    assert desk.got == desk.all_lines()


def test_a_rename_loses_nothing_also_what_is_still_written_to_the_old_file(desk: Desk) -> None:
    desk.write(5)
    desk.read()
    desk.write(5)
    old = desk.rename()
    desk.read()
    with old.open("ab") as file:  # the engine has not opened the new one yet
        desk.written += 1
        file.write(desk.line(desk.written))
    desk.write(5)
    desk.read()
    assert desk.got == desk.all_lines()


def test_copied_and_truncated(desk: Desk) -> None:
    desk.write(5)
    desk.read()
    desk.write(50)
    desk.copy_and_truncate()
    desk.write(2)
    desk.read()
    assert desk.got == desk.all_lines()


def test_days_away_with_packed_files_in_between(desk: Desk) -> None:
    desk.write(5)
    desk.read()
    desk.restart()
    for _ in range(3):
        desk.write(30)
        desk.pack(desk.rename())
    desk.write(4)
    desk.read()
    assert desk.got == desk.all_lines()
    assert desk.skipped == {}


def test_what_was_deleted_before_it_was_read_is_a_gap(desk: Desk) -> None:
    desk.write(5)
    desk.read()
    desk.write(5)
    desk.rename().unlink()
    desk.write(5)
    desk.read()
    assert desk.log_here
    assert desk.log_here.gaps == 1
    lines = desk.all_lines()
    assert desk.got == lines[:5] + lines[10:]


@pytest.mark.parametrize("lost", [1, 40, 100_000])
def test_a_crash_between_bytes_brings_none_twice(desk: Desk, lost: int) -> None:
    """The copy here has less than was fetched: a power cut took what was not on the disk."""
    desk.write(400)
    log = FarLog(desk.sensor)
    assert log.fetch()
    here = log.path
    os.truncate(here, max(here.stat().st_size - lost, 0))
    del log
    desk.read()
    assert desk.got == desk.all_lines()


def test_a_crash_in_the_middle_of_a_change_of_files(desk: Desk) -> None:
    desk.write(5)
    desk.read()
    assert desk.log_here
    here = desk.log_here.path
    here.rename(here.with_name("eve.json-100000000000"))  # and the note was not written any more
    desk.restart()
    desk.write(5)
    desk.rename()
    desk.write(5)
    desk.read()
    assert desk.got == desk.all_lines()


def test_what_was_read_is_thrown_away_here(desk: Desk) -> None:
    for _ in range(4):
        desk.write(20)
        desk.read()
        desk.rename()
    desk.write(20)
    desk.read()
    desk.read()
    assert desk.log_here
    files = {path.name for path in desk.log_here.path.parent.iterdir()}
    assert files == {"eve.json", "place.json", "lock"}


def test_a_second_reader_does_not_write_to_the_copy(desk: Desk) -> None:
    desk.write(5)
    desk.read()
    desk.write(5)
    assert FarLog(desk.sensor).fetch() == 0
    desk.read()
    assert desk.got == desk.all_lines()


def test_a_machine_that_is_away_is_waited_for_and_then_read_on(desk: Desk) -> None:
    desk.write(5)
    desk.read()
    desk.server.stop()
    with pytest.raises(SensorError, match="cannot be reached"):
        desk.read()  # asked to read once
    looks = iter([True, True, False])
    assert desk.log_here
    wait = desk.log_here.waiting(lambda: next(looks))
    assert [wait(), wait(), wait()] == [True, True, False]  # asked to wait: it does
    del wait  # it is the writer of the copy as long as it lives
    desk.server.start()
    desk.restart()
    desk.write(5)
    desk.read()
    assert desk.got == desk.all_lines()


def test_a_log_that_may_not_be_read_is_said(short_path: Path) -> None:
    if missing() or os.geteuid() != 0:
        pytest.skip("an account with less rights than ours needs root")
    with SshServer(short_path / "s", restricted=True) as server:
        log = server.home / "eve.json"
        log.write_bytes(Desk.line(1))
        log.chmod(0o600)
        sensor = msgspec.convert(server.way | {"rules": "/n", "eve": str(log)}, type=Sensor)
        with pytest.raises(SensorError, match="Permission denied"):
            FarLog(sensor).fetch()
        Link(sensor).close()


def test_a_local_sensor_is_read_where_it_is(tmp_path: Path) -> None:
    sensor = Sensor(name="here", eve=str(tmp_path / "eve.json"))
    path, wait = eve_of(sensor, lambda: False)
    assert path == tmp_path / "eve.json"
    assert wait() is False


@pytest.mark.parametrize("seed", range(6))
def test_each_line_once_whatever_happens(desk: Desk, seed: int) -> None:
    rng = random.Random(seed)
    desk.write()
    desk.read()  # what was rotated away before the first look is left alone
    for _ in range(40):
        match rng.choice(("write", "write", "rename", "copy", "pack", "read", "restart", "cut")):
            case "write":
                desk.write(rng.choice((1, 3, 400)))
            case "rename" if desk.log.stat().st_size:
                desk.rename()
                desk.write()
            case "copy" if desk.log.stat().st_size:
                desk.copy_and_truncate()
                desk.write()
            case "pack" if (old := desk.log.with_name("eve.json.2")).exists():
                desk.pack(old)
            case "restart":
                desk.restart()
            case "cut":
                desk.server.cut()
                Link(desk.sensor).close()
            case _:
                desk.read()
    desk.read()
    assert desk.got == desk.all_lines()
    assert desk.skipped == {}
