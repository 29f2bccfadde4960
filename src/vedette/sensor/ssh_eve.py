"""The eve.json of a sensor that is reached by ssh, fetched into files here as it is written.

Hard rule: the size of the file here is the place in the file there, so that an interruption at any
instant neither loses a byte nor brings one twice. What was read here is thrown away.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import time
import weakref
from pathlib import Path

import msgspec
import structlog
from msgspec import Struct, structs

from vedette.errors import SensorError
from vedette.eve.reader import Wait
from vedette.files import write_atomically
from vedette.sensor.settings import Sensor
from vedette.sensor.ssh_family import HEAD, Member, Next, Place, choose, choose_after, parse
from vedette.sensor.ssh_link import Link
from vedette.sensor.ssh_scripts import FAMILY, FOLLOW, READ

log = structlog.get_logger(__name__)

_BLOCK = 1 << 16
_BLOCKS = 128
_LOCAL_MAX = 64 << 20
_FIRST_NUMBER = 100_000_000_000  # the reader takes large numbers for dates: the larger, the newer
_TRIES = 3
"""Half seconds that one question waits for news on the other side."""
_RETRY_S = 5.0
_RETRY_MAX_S = 60.0


class _Note(Struct, frozen=True, kw_only=True):
    """Which file there the file here is a copy of."""

    number: int
    """The file here becomes ``eve.json-NUMBER`` when the next one begins."""
    start: int
    """Offset there of the first byte here."""
    file: Place
    """Its ``offset`` is not used: it is ``start`` and the size of the file here."""


class FarLog:
    """Follows one log.

    Args:
        sensor: Of delivery ``ssh``, with an ``eve``.
    """

    def __init__(self, sensor: Sensor) -> None:
        where = hashlib.sha256(f"{sensor.name}\0{sensor.eve}".encode()).hexdigest()[:8]
        slug = re.sub(r"[^A-Za-z0-9_-]", "_", sensor.name)[:40]
        self.path = Path(sensor.mirror) / f"{slug}-{where}.eve" / "eve.json"
        """The copy here."""
        self.gaps = 0
        """How often something was gone before it was fetched."""
        self._sensor = sensor
        self._there = sensor.eve
        self._name = Path(sensor.eve).name
        self._link = Link(sensor)
        self._note: _Note | None = None
        self._is_mine = False
        """Whether we hold the lock, as long as this object lives: the copy has one writer."""
        self._not_before = 0.0
        self._retry_s = _RETRY_S

    def waiting(self, again: Wait) -> Wait:
        """Return a policy for the reader of the copy: fetch more, and only then wait.

        Args:
            again: What to do when there is nothing new, or the machine cannot be reached.
        """
        stays = False

        def go_on() -> bool:
            nonlocal stays
            stays = again()
            return stays

        def wait() -> bool:
            if time.monotonic() < self._not_before:
                return go_on()
            try:
                fetched = self.fetch(tries=_TRIES if stays else 0)
            except SensorError as error:
                if not go_on():
                    raise
                self._not_before = time.monotonic() + self._retry_s
                self._retry_s = min(2 * self._retry_s, _RETRY_MAX_S)
                log.warning("eve.not_fetched", sensor=self._sensor.name, error=str(error))
                return True
            self._retry_s = _RETRY_S
            return True if fetched else go_on()

        return wait

    def fetch(self, *, tries: int = 0) -> int:
        """Bring some of what is new; everything that is here must have been read.

        Args:
            tries: How many half seconds to wait for something new.

        Returns:
            How many bytes came; 0: there is nothing new, or another process fetches it.

        Raises:
            SensorError: The machine cannot be reached, or the file not be read or written.
        """
        try:
            if not self._mine():
                return 0
            self._forget_read()
            note = self._note
            if note is not None:
                data = self._follow(note, tries)
                if data is not None:
                    return self._append(data)
            return self._look_around()
        except OSError as error:
            raise SensorError(
                f"cannot keep the copy of {self._there} in {self.path.parent}: {error.strerror}",
                hint="Vedette's state directory needs some space; nothing is lost meanwhile, unless"
                " the sensor rotates the file away.",
            ) from error

    # -- there ----------------------------------------------------------------------------

    def _follow(self, note: _Note, tries: int) -> bytes | None:
        """Return what the live file has behind the place; None if it is another file now."""
        place = self._place(note)
        output = self._run(
            FOLLOW,
            self._there,
            str(place.inode),
            str(place.offset),
            str(place.head_size),
            place.head,
            str(place.offset // _BLOCK),
            str(_BLOCKS),
            str(tries),
        )
        header, _, data = output.partition(b"\n")
        if not header.startswith(b"same"):
            return None
        self._keep_time(int(header.split()[1]))
        return data[place.offset % _BLOCK :]

    def _look_around(self) -> int:
        """Read on in another file of the log."""
        place = self._place(self._note) if self._note else None
        size = str(place.head_size if place else HEAD)
        lines = self._run(FAMILY, self._there, size).decode(errors="surrogateescape").splitlines()
        members = parse(lines, self._name)
        following = choose(place, members, self._name)
        if place and following and not following.is_new:
            self._know(following, members)
            data = self._read(following)
            if data or following.name == self._name:
                return self._append(data)
            following = choose_after(place, following.name, members, self._name)
        return self._begin(following, members) if following else 0

    def _know(self, what: Next, members: list[Member]) -> None:
        """Take a copy of the same content for the file itself, so that it is found at once."""
        inode = next(one.inode for one in members if one.name == what.name)
        if self._note and self._note.file.inode != inode:
            file = structs.replace(self._note.file, inode=inode)
            self._write(structs.replace(self._note, file=file))

    def _read(self, what: Next) -> bytes:
        path = str(Path(self._there).with_name(what.name))
        packed = what.name.endswith((".gz", ".zst"))
        skip = str(what.offset + 1 if packed else what.offset // _BLOCK)
        how = path.rpartition(".")[2] if packed else "plain"
        data = self._run(READ, path, how, skip, str(_BLOCKS), str(_BLOCKS * _BLOCK))
        return data if packed else data[what.offset % _BLOCK :]

    def _begin(self, what: Next, members: list[Member]) -> int:
        """Begin the copy of another file, with its first bytes."""
        data = self._read(what)
        if b"\n" not in data:
            return 0  # its first line has a time, and makes its first bytes unlike all others
        if what.gap:
            self.gaps += 1
            log.warning("eve.gap_found", sensor=self._sensor.name, path=self._there)
        member = next(one for one in members if one.name == what.name)
        head = data[:HEAD]
        place = Place(
            inode=member.inode,
            head=hashlib.sha256(head).hexdigest(),
            head_size=len(head),
            offset=0,
            modified=member.modified,
        )
        self._roll(place, 0)
        return self._append(data)

    def _run(self, script: str, *arguments: str) -> bytes:
        what = f"read {self._there}"
        return self._link.run(script, *arguments, timeout_s=120.0, what=what)

    # -- here -----------------------------------------------------------------------------

    def _place(self, note: _Note) -> Place:
        return structs.replace(note.file, offset=note.start + self._size())

    def _size(self) -> int:
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def _append(self, data: bytes) -> int:
        if data:
            if self._note and self._size() > _LOCAL_MAX:
                place = self._place(self._note)
                self._roll(place, place.offset)
            with self.path.open("ab", buffering=0) as file:
                left = memoryview(data)
                while left:
                    left = left[file.write(left) :]
        return len(data)

    def _rotated(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}-{_FIRST_NUMBER + number}")

    def _roll(self, file: Place, start: int) -> None:
        """Begin a new file here; interrupted in the middle, :meth:`_load` goes on."""
        number = self._note.number if self._note else -1
        if self._size():
            self.path.rename(self._rotated(number))
        self._write(_Note(number=number + 1, start=start, file=file))

    def _write(self, note: _Note) -> None:
        write_atomically(self.path.with_name("place.json"), [msgspec.json.encode(note)], 0o600)
        self._note = note

    def _mine(self) -> bool:
        """Whether this is the one that fetches; if so, it knows how far it is."""
        if self._is_mine:
            return True
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self.path.with_name("lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return False
        weakref.finalize(self, os.close, lock)
        self._is_mine = True
        self._load()
        return True

    def _load(self) -> None:
        try:
            body = self.path.with_name("place.json").read_bytes()
            self._note = note = msgspec.json.decode(body, type=_Note)
        except (FileNotFoundError, msgspec.DecodeError):
            return
        rotated = self._rotated(note.number)
        if rotated.exists():  # it was renamed, and the new note was not written any more
            start = note.start + rotated.stat().st_size
            self._write(_Note(number=note.number + 1, start=start, file=note.file))

    def _keep_time(self, modified: int) -> None:
        """Know when the file was last written, to tell what is newer when it is gone."""
        if self._note and modified > self._note.file.modified + 60:
            file = structs.replace(self._note.file, modified=modified)
            self._write(structs.replace(self._note, file=file))

    def _forget_read(self) -> None:
        """Remove what was read: all before the file here, once a line of that was read, too."""
        if not self._size():
            return
        older = list(self.path.parent.glob("eve.json-*"))
        if older:
            with self.path.open("rb") as file:
                if b"\n" not in file.read(1 << 23):
                    return
            for one in older:
                os.unlink(one)  # noqa: PTH108
