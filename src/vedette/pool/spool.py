"""The spool: batches that were read and are not in the pool yet, each a durable file.

Hard rule: under its final name a file is whole, or the disk damaged it; a file that cannot be read
is set aside and counted, never deleted.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec
import pyarrow as pa
import xxhash
from msgspec import Struct

from vedette.errors import PoolError
from vedette.eve.segment import Bookmark
from vedette.files import sync_directory
from vedette.observe.folded import OBSERVATIONS, SIGHTINGS, Folded, Hour

VERSION = 1
_MAGIC = b"VEDETTE-BATCH\n"
_HEADER_MAX = 16 << 20
_NAME = re.compile(r"(\d{1,18})-(\d{1,18})\.batch")
_TEMPORARY = ".tmp"
_DAMAGED = "damaged"
_BEGUN = "begun"
_LENGTH = 4
_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")


class DamagedError(ValueError):
    """A spool file is cut off, altered, foreign or of a newer Vedette; the text says which."""


class Name(NamedTuple):
    """Which batch a file holds, as its name says."""

    input_id: int
    seq: int

    def __str__(self) -> str:
        """The name of the file."""
        return f"{self.input_id:06d}-{self.seq:012d}.batch"


class Header(Struct, frozen=True, kw_only=True):
    """Everything of a batch but its tables."""

    version: int = VERSION
    input_id: int
    seq: int
    """1, 2, 3...: batches of one input are committed in this order."""
    sensor: str
    position: str
    """Of the input behind the batch; its own words."""
    reached: tuple[Bookmark, ...] = ()
    """How far each file of which it holds something has been read."""
    counts: dict[str, int]
    hours: tuple[tuple[int, int, int, int], ...] = ()
    observations: int = 0
    """Bytes of the table."""
    sightings: int = 0
    digest: str = ""
    """xxHash (128 bits) of all the rest and both tables."""

    @property
    def token(self) -> str:
        """What makes a second insert of the batch one without effect."""
        return f"{self.input_id}:{self.seq}:{self.digest}"


class Batch(NamedTuple):
    """A batch as it is committed."""

    header: Header
    folded: Folded


class Spool:
    """A directory of batches. Any number of processes may write, one may take away."""

    def __init__(self, directory: Path) -> None:
        """Open or create it.

        Raises:
            PoolError: It cannot be created.
        """
        self.directory = directory
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise PoolError(
                f"cannot create the spool {directory}: {error.strerror}",
                hint="All of the state directory must belong to the user that Vedette runs as.",
            ) from error

    def write(self, header: Header, folded: Folded) -> int:
        """Add a batch: it survives a power cut when this returns.

        Returns:
            The size of the file in bytes.

        Raises:
            OSError: The disk is full or failed; no part of the file stays.
        """
        observations = _packed(folded.observations, OBSERVATIONS)
        sightings = _packed(folded.sightings, SIGHTINGS)
        full = msgspec.structs.replace(
            header,
            hours=tuple(tuple(hour) for hour in folded.hours),
            observations=observations.size,
            sightings=sightings.size,
        )
        digest = _digest(full, observations, sightings)
        head = msgspec.json.encode(msgspec.structs.replace(full, digest=digest))
        start = _MAGIC + len(head).to_bytes(_LENGTH, "big") + head
        self._write(Name(header.input_id, header.seq), (start, observations, sightings))
        return len(start) + int(observations.size) + int(sightings.size)

    def names(self) -> list[Name]:
        """What waits, by input and number."""
        with os.scandir(self.directory) as entries:
            found = [match for entry in entries if (match := _NAME.fullmatch(entry.name))]
        return sorted(Name(int(match[1]), int(match[2])) for match in found)

    def size(self) -> tuple[int, int]:
        """Return how many files wait, and their bytes."""
        files = size = 0
        for name in self.names():
            with suppress(FileNotFoundError):
                size += self._path(name).stat().st_size
                files += 1
        return files, size

    def header(self, name: Name) -> Header | None:
        """Return what a batch says of itself; None if it is gone meanwhile.

        Raises:
            DamagedError: It cannot be read.
        """
        try:
            with self._path(name).open("rb") as file:
                return _header(file, name)
        except FileNotFoundError:
            return None

    def headers(self) -> Iterator[Header]:
        """Yield what all batches say of themselves; the damaged ones are left out."""
        for name in self.names():
            with suppress(DamagedError):
                if header := self.header(name):
                    yield header

    def read(self, name: Name) -> Batch:
        """Return a batch; its tables lie in the file, which may be removed meanwhile.

        Raises:
            DamagedError: It cannot be read.
            OSError: The disk failed.
        """
        with pa.memory_map(str(self._path(name))) as file:
            header = _header(file, name)
            observations = file.read_buffer(header.observations)
            sightings = file.read_buffer(header.sightings)
            if file.tell() != file.size():
                raise DamagedError("it has more bytes than it should")
        bare = msgspec.structs.replace(header, digest="")
        if _digest(bare, observations, sightings) != header.digest:
            raise DamagedError("its content is not what was written")
        folded = Folded(
            observations=_unpacked(observations, OBSERVATIONS),
            sightings=_unpacked(sightings, SIGHTINGS),
            hours=tuple(Hour(*hour) for hour in header.hours),
            counts=header.counts,
        )
        return Batch(header, folded)

    def begin(self, name: Name) -> None:
        """Note, durably, that a batch is on its way into the pool: see :meth:`begun`.

        Raises:
            OSError: The disk is full or failed.
        """
        if self.begun() == name:
            return
        made = self.directory / f".{os.getpid()}.begun{_TEMPORARY}"
        made.unlink(missing_ok=True)
        made.symlink_to(str(name))
        made.rename(self.directory / _BEGUN)
        sync_directory(self.directory)

    def begun(self) -> Name | None:
        """Return the batch that may be in the pool in part: it has to come before any other."""
        try:
            match = _NAME.fullmatch(os.fspath((self.directory / _BEGUN).readlink()))
        except OSError:
            return None
        return Name(int(match[1]), int(match[2])) if match else None

    def remove(self, name: Name) -> None:
        """Forget a batch that is in the pool."""
        self._path(name).unlink(missing_ok=True)

    def set_aside(self, name: Name) -> Path:
        """Move a batch that cannot be read out of the way; return where it lies now."""
        aside = self.directory / _DAMAGED
        aside.mkdir(exist_ok=True)
        target = aside / str(name)
        self._path(name).replace(target)
        sync_directory(aside)
        return target

    def sweep(self) -> None:
        """Remove what killed writers left half written; only while nobody writes that input."""
        for path in self.directory.glob(f".*{_TEMPORARY}"):
            with suppress(ProcessLookupError, ValueError):
                os.kill(int(path.name.split(".")[1]), 0)
                continue  # its writer lives
            path.unlink(missing_ok=True)

    def _path(self, name: Name) -> Path:
        return self.directory / str(name)

    def _write(self, name: Name, parts: Iterable[bytes | pa.Buffer]) -> None:
        descriptor, temporary = tempfile.mkstemp(
            prefix=f".{os.getpid()}.", suffix=_TEMPORARY, dir=self.directory
        )
        try:
            with os.fdopen(descriptor, "wb", buffering=0) as file:
                for part in parts:
                    _write_all(file.fileno(), memoryview(part))
                os.fsync(file.fileno())
            Path(temporary).rename(self._path(name))
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        sync_directory(self.directory)


def _write_all(descriptor: int, data: memoryview) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def _header(file: _Readable, name: Name) -> Header:
    """Read the start of a batch, up to its tables."""
    start = file.read(len(_MAGIC) + _LENGTH)
    if not start.startswith(_MAGIC):
        raise DamagedError("it is no batch of Vedette's")
    size = int.from_bytes(start[len(_MAGIC) :], "big")
    if size > _HEADER_MAX:
        raise DamagedError("its header cannot be so long")
    try:
        header = msgspec.json.decode(file.read(size), type=Header)
    except msgspec.DecodeError as error:
        raise DamagedError(f"its header cannot be read: {error}") from error
    if header.version > VERSION:
        raise DamagedError(f"a newer Vedette wrote it (format {header.version}, not {VERSION})")
    if (header.input_id, header.seq) != name:
        raise DamagedError("it holds another batch than its name says")
    return header


def _packed(table: pa.Table, schema: pa.Schema) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema, options=_OPTIONS) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _unpacked(buffer: pa.Buffer, schema: pa.Schema) -> pa.Table:
    try:
        table = pa.ipc.open_stream(buffer).read_all()
    except pa.ArrowException as error:
        raise DamagedError(f"a table cannot be read: {error}") from error
    if table.schema != schema:
        raise DamagedError("a table has other columns than this Vedette writes")
    return table


def _digest(header: Header, *tables: pa.Buffer) -> str:
    digest = xxhash.xxh3_128(msgspec.json.encode(header))
    for table in tables:
        digest.update(table)
    return digest.hexdigest()
