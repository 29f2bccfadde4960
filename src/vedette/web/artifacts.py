"""What is made of a generation to be served: once, whole or not at all, never for each request.

All of it can be made again from the generation; it goes when its generation goes.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import shutil
import tarfile
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec
import zstandard
from msgspec import Struct

from vedette.bundle.generation import numbers
from vedette.errors import BundleError, StoreError
from vedette.files import write_atomically
from vedette.pipeline.lock import exclusive

GZIP_LEVEL = 4
ZSTD_LEVEL = 6
_BLOCK = 1 << 20
_RECORD = 512
_TAR_END = 20 * _RECORD
_WAIT_S = 300.0
_DIRECTORY = "gen-"


class Made(Struct, frozen=True, kw_only=True):
    """A file that was made, and its digests."""

    name: str
    sha256: str
    md5: str
    size: int


class Making:
    """Makes each file once, however many ask for it at the same time."""

    def __init__(self) -> None:
        self._tasks: dict[Path, asyncio.Task[Made]] = {}

    async def once(
        self, path: Path, make: Callable[[], Made], run: Callable[[Callable[[], Made]], object]
    ) -> Made:
        """Return what was made, or make it.

        Args:
            path: Where it is, or will be.
            make: Makes it.
            run: Runs that in another thread; returns an awaitable.
        """
        if made := await asyncio.to_thread(find, path):
            return made
        task = self._tasks.get(path)
        if task is None:
            task = asyncio.ensure_future(run(make))  # type: ignore[call-overload]
            self._tasks[path] = task
            task.add_done_callback(lambda _: self._tasks.pop(path, None))
        # Whoever asked first may go away: the others still want it.
        return await asyncio.shield(task)


def find(path: Path) -> Made | None:
    """Return what is known of a file that was made; None: it was not, or not to its end."""
    with suppress(FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
        made = msgspec.json.decode(_digests(path).read_bytes(), type=Made)
        if path.stat().st_size == made.size:
            return made
    return None


def make(path: Path, chunks: Callable[[], Iterable[bytes]]) -> Made:
    """Write a file with its digests, unless another process was faster.

    Raises:
        StoreError: It cannot be written; nothing of it is left.
        BusyError: Another process makes it and does not come to an end.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(path.parent / ".lock", f"making {path.name}", wait_s=_WAIT_S):
            if made := find(path):
                return made
            md5, size = hashlib.md5(usedforsecurity=False), 0

            def noted() -> Iterator[bytes]:
                nonlocal size
                for chunk in chunks():
                    md5.update(chunk)
                    size += len(chunk)
                    yield chunk

            sha256 = write_atomically(path, noted())
            made = Made(name=path.name, sha256=sha256, md5=md5.hexdigest(), size=size)
            write_atomically(_digests(path), [msgspec.json.encode(made)])
            return made
    except OSError as error:
        raise StoreError(
            f"cannot write {path}: {error.strerror}",
            hint="Make room; it is made again when somebody asks.",
        ) from error


def prune(artifacts: Path, bundles: Path) -> list[str]:
    """Remove what was made of generations that are not there any more; return which."""
    here = {f"{_DIRECTORY}{number:06}" for number in numbers(bundles)}
    gone = []
    with suppress(FileNotFoundError):
        for path in artifacts.iterdir():
            if path.name.startswith(_DIRECTORY) and path.name not in here:
                shutil.rmtree(path, ignore_errors=True)
                gone.append(path.name)
    return gone


def archive(files: Mapping[str, Path], modified: int) -> Iterator[bytes]:
    """Yield ``vedette.tar.gz``: ``rules/<name>`` for each file, the same bytes each time.

    Args:
        files: Where they are, by name.
        modified: What each file's time is, epoch seconds.
    """
    sink = _Sink()
    with gzip.GzipFile("", "wb", GZIP_LEVEL, sink, mtime=modified) as packed:
        for name, path in files.items():
            info = tarfile.TarInfo(f"rules/{name}")
            info.size, info.mtime, info.mode = path.stat().st_size, modified, 0o644
            packed.write(info.tobuf(tarfile.USTAR_FORMAT))
            with path.open("rb") as file:
                while block := file.read(_BLOCK):
                    packed.write(block)
                    yield from sink.take()
            packed.write(bytes(-info.size % _RECORD))
        packed.write(bytes(_TAR_END))
    yield from sink.take()


def compressed(path: Path) -> Iterator[bytes]:
    """Yield a file as one zstd frame."""
    packer = zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=True)
    with path.open("rb") as file:
        yield from packer.read_to_iter(file, read_size=_BLOCK, write_size=_BLOCK)


def decoded(path: Path) -> Iterator[bytes]:
    """Yield the lines of a base64 file as raw text, one value a line, for who encodes it again.

    Raises:
        BundleError: A value cannot be a line: it has an end of line in it, or a CR at its end.
    """
    with path.open("rb", buffering=_BLOCK) as lines:
        while block := lines.readlines(_BLOCK):
            text = b"".join([b64decode(line) + b"\n" for line in block])
            if text.count(b"\n") != len(block) or b"\r\n" in text:
                raise BundleError(
                    f"{path.name} has values that cannot be lines of a text",
                    hint="Take it as it is: /o/ instead of /d/, as 'other content'.",
                )
            yield text


class _Sink:
    """Collects what a compressor writes."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing waits here."""

    def take(self) -> Iterator[bytes]:
        parts, self._parts = self._parts, []
        if parts:
            yield b"".join(parts)


def _digests(path: Path) -> Path:
    return path.with_name(f"{path.name}.digests")
