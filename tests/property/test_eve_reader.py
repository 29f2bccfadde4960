"""Whatever the writer, logrotate and the reader's own restarts do: each complete line, once."""

from __future__ import annotations

import gzip
import os
import shutil
import tempfile
from collections import deque
from collections.abc import Callable
from itertools import count
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.eve.reader import follow
from vedette.eve.segment import Bookmark


class World:
    """An engine that writes a log, a logrotate, and what they did."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "eve.json"
        self.written: list[bytes] = []
        self.torn = 0
        self._numbers = count()
        self._half = b""
        self._engine: int | None = None
        self.reopen()

    def line(self, size: int = 40) -> bytes:
        return b'{"n":%d,"pad":"%s"}' % (next(self._numbers), b"x" * size)

    def write(self, lines: int, size: int) -> None:
        assert self._engine is not None
        for _ in range(lines):
            line = self._half or self.line(size)
            os.write(self._engine, (line[len(line) // 2 :] if self._half else line) + b"\n")
            self.written.append(line)
            self._half = b""

    def write_half(self, size: int) -> None:
        assert self._engine is not None
        if not self._half:
            self._half = self.line(size)
            os.write(self._engine, self._half[: len(self._half) // 2])

    def rename(self, create: bool) -> None:
        if self.path.exists():
            self._shift()
            self.path.rename(self._rotated(1))
            if create:
                self.path.touch()

    def reopen(self) -> None:
        """What HUP does to the engine; a half line stays half."""
        if self._engine is not None:
            same = self.path.exists() and self.path.stat().st_ino == os.fstat(self._engine).st_ino
            os.close(self._engine)
            if self._half and not same:
                self.torn += 1
                self._half = b""
        self._engine = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def copy_and_truncate(self) -> None:
        if not self.path.exists() or not self._writes_live():
            return
        if self._half:
            self.write(1, 0)
        self._shift()
        shutil.copyfile(self.path, self._rotated(1))
        os.truncate(self.path, 0)

    def compress(self) -> None:
        assert self._engine is not None
        for path in self.path.parent.glob("eve.json.?"):
            if path.stat().st_ino == os.fstat(self._engine).st_ino:
                continue
            packed = path.with_name(path.name + ".gz")
            stat = path.stat()
            packed.write_bytes(gzip.compress(path.read_bytes()))
            os.utime(packed, ns=(stat.st_mtime_ns, stat.st_mtime_ns))
            path.unlink()

    def _writes_live(self) -> bool:
        assert self._engine is not None
        return self.path.stat().st_ino == os.fstat(self._engine).st_ino

    def _rotated(self, number: int) -> Path:
        return self.path.with_name(f"eve.json.{number}")

    def _shift(self) -> None:
        for number in range(60, 0, -1):
            for suffix in ("", ".gz"):
                old = self.path.with_name(f"eve.json.{number}{suffix}")
                if old.exists():
                    old.rename(self.path.with_name(f"eve.json.{number + 1}{suffix}"))

    def close(self) -> None:
        if self._engine is not None:
            os.close(self._engine)


SIZES = st.sampled_from([0, 5, 300, 3_000])
STEPS = st.one_of(
    st.tuples(st.just("write"), st.integers(1, 4), SIZES),
    st.tuples(st.just("write_half"), SIZES),
    st.tuples(st.just("rename"), st.booleans()),
    st.tuples(st.just("reopen")),
    st.tuples(st.just("copy_and_truncate")),
    st.tuples(st.just("compress")),
    st.tuples(st.just("restart")),
    st.tuples(st.just("store")),
)


class Reading:
    """A reader that stores batch and bookmark together, now and then, and is killed."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.stored: list[bytes] = []
        self.bookmark: Bookmark | None = None
        self.skipped: dict[str, int] = {}
        self._unstored: list[bytes] = []
        self._reached: Bookmark | None = None
        self._killed = False
        self._last_looks = 2

    def run(self, schedule: deque[tuple[object, ...]]) -> None:
        while True:
            self._killed = False
            for batch in follow(
                self.world.path, self.bookmark, wait=self._next(schedule), batch_bytes=512
            ):
                self._unstored += batch.lines
                self._reached = batch.bookmark
                for reason, number in batch.skipped.items():
                    self.skipped[reason] = self.skipped.get(reason, 0) + number
                if self.bookmark is None:
                    self._store()  # before the first bookmark a restart means a new beginning
                if schedule and len(self._unstored) % 3 == 0:
                    self._do(schedule.popleft())
                if self._killed:
                    break
            if not self._killed:
                self._store()
                return
            self._unstored = []

    def _next(self, schedule: deque[tuple[object, ...]]) -> Callable[[], bool]:
        def wait() -> bool:
            if not schedule:
                self._last_looks -= 1
                return self._last_looks >= 0
            self._do(schedule.popleft())
            return not self._killed

        return wait

    def _do(self, step: tuple[object, ...]) -> None:
        name, *arguments = step
        if name == "store":
            self._store()
        elif name == "restart":
            self._killed = self.bookmark is not None
        else:
            getattr(self.world, str(name))(*arguments)

    def _store(self) -> None:
        self.stored += self._unstored
        self._unstored = []
        self.bookmark = self._reached


@settings(max_examples=200, deadline=None)
@given(st.lists(STEPS, max_size=40))
def test_every_complete_line_is_read_exactly_once(steps: list[tuple[object, ...]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        world = World(Path(directory))
        reading = Reading(world)
        # The last two steps let the engine end what logrotate began.
        reading.run(deque([*steps, ("reopen",), ("write", 2, 5)]))
        world.close()

    assert reading.stored == world.written
    assert "gap" not in reading.skipped
