"""Files that others read while we write, and files that others wrote.

A reader sees the old content or the new one, never a part; a compressed file is read as a stream,
never past its limit, and a truncated one is an error, never a short list.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import mmap
import os
import shutil
import stat
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import zstandard

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

DECOMPRESSED_MAX = 4 * 2**30
"""Most bytes that one file may unpack to, unless the caller says otherwise."""

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_LAYERS_MAX = 2  # a .gz that a web server compressed once more
_ZSTD_INPUT = 1024  # one zstd block of 4 bytes may stand for 128 KiB
_BLOCK = 1 << 16


class UnpackError(OSError):
    """A compressed file is damaged, cut off, or unpacks to more than its limit."""


class ExposedError(OSError):
    """Everybody on this machine may read, or write, a file that holds a secret."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"everybody may read or change {path}, which holds a secret")
        self.hint = f"Close it: chmod o= {path}"


def write_atomically(path: Path, chunks: Iterable[bytes], mode: int = 0o644) -> str:
    """Replace ``path`` by the chunks, in one step, and make it last.

    Returns:
        The SHA-256 of what was written, in hex.

    Raises:
        OSError: The disk is full or the directory may not be written; ``path`` is as it was.
    """
    digest = hashlib.sha256()
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as target:
            for chunk in chunks:
                digest.update(chunk)
                target.write(chunk)
            target.flush()
            os.fchmod(target.fileno(), mode)
            os.fsync(target.fileno())
        os.replace(name, path)  # noqa: PTH105 - the name is a str from mkstemp
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(name)  # noqa: PTH108
        raise
    sync_directory(path.parent)
    return digest.hexdigest()


def sync_directory(directory: Path) -> None:
    """Make renames and new names in a directory survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_regular(path: Path) -> BinaryIO:
    """Open a file that has an end: a pipe or a device would keep its reader waiting.

    Raises:
        OSError: It cannot be opened, or is anything but a regular file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    raise OSError("a directory, not a file" if stat.S_ISDIR(mode) else "not a regular file")


def read_secret(path: Path, *, most: int = 1 << 16) -> bytes:
    """Read a small file with a key, a password or the like; its group may read it, others not.

    Raises:
        ExposedError: Others may read or write it.
        OSError: It cannot be read, or is longer than ``most`` bytes.
    """
    with open_regular(path) as file:
        if os.fstat(file.fileno()).st_mode & (stat.S_IROTH | stat.S_IWOTH):
            raise ExposedError(path)
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(f"longer than {most:,} bytes")
    return content


@contextmanager
def mapped(path: Path) -> Iterator[bytes | mmap.mmap]:
    """Map a file for reading; an empty one, which cannot be mapped, is ``b""``.

    Raises:
        OSError: It cannot be opened.
    """
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            yield b""
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield data


@contextmanager
def stage_in(root: Path, prefix: str) -> Iterator[Path]:
    """Make a directory that is gone afterwards; what a killed one left there goes with it.

    Args:
        root: Where; on the same file system as whatever is moved out of it.
        prefix: Of its name, which nothing else in ``root`` begins with.
    """
    for left in root.glob(f"{prefix}*"):
        shutil.rmtree(left, ignore_errors=True)
    stage = Path(tempfile.mkdtemp(prefix=prefix, dir=root))
    try:
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def open_decompressed(
    source: Path | BinaryIO, *, max_bytes: int = DECOMPRESSED_MAX
) -> io.BufferedReader:
    """Open a file by what it contains: gzip, zstd (any number of frames) or plain bytes.

    The result reads as a stream; closing it closes the file. Every failure, here or while reading,
    is an ``OSError``: :class:`UnpackError` when the content is to blame.

    Args:
        source: A path, or an open binary file at its start.
        max_bytes: Reading past this many unpacked bytes is an error.
    """
    raw = source.open("rb") if isinstance(source, Path) else source
    stream = raw if isinstance(raw, io.BufferedReader) else io.BufferedReader(_Forward(raw), _BLOCK)
    try:
        for _ in range(_LAYERS_MAX):
            magic = stream.peek(4)[:4]
            if magic.startswith(_GZIP):
                stream = io.BufferedReader(_Gzip(stream), _BLOCK)
            elif magic == _ZSTD:
                stream = io.BufferedReader(_Zstd(stream), _BLOCK)
            else:
                break
    except BaseException:
        stream.close()
        raise
    return io.BufferedReader(_Capped(stream, max_bytes), _BLOCK)


class _Layer(io.RawIOBase):
    """A raw stream made from another one, which it closes."""

    def __init__(self, inner: BinaryIO) -> None:
        self._inner = inner

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        if not self.closed:
            self._inner.close()
        super().close()

    def _fill(self, buffer: WriteableBuffer, read: Callable[[int], bytes]) -> int:
        view = memoryview(buffer).cast("B")
        data = read(len(view))
        view[: len(data)] = data
        return len(data)


class _Forward(_Layer):
    """Any binary file as a raw stream."""

    def readinto(self, buffer: WriteableBuffer) -> int:
        return self._fill(buffer, self._inner.read)


class _Gzip(_Layer):
    def __init__(self, inner: BinaryIO) -> None:
        super().__init__(inner)
        self._file = gzip.GzipFile(fileobj=inner, mode="rb")

    def readinto(self, buffer: WriteableBuffer) -> int:
        try:
            return self._fill(buffer, self._file.read1)
        except EOFError as error:
            raise UnpackError("the gzip data is cut off") from error
        except (zlib.error, gzip.BadGzipFile) as error:
            raise UnpackError("the gzip data is damaged") from error


class _Zstd(_Layer):
    """Frame by frame: the library's own stream reader takes a cut-off frame for the end."""

    def __init__(self, inner: BinaryIO) -> None:
        super().__init__(inner)
        self._decompressor = zstandard.ZstdDecompressor()
        self._frame = self._decompressor.decompressobj()
        self._started = False
        self._input = b""
        self._output = b""
        self._position = 0

    def readinto(self, buffer: WriteableBuffer) -> int:
        while self._position == len(self._output):
            self._input = self._input or self._inner.read(_ZSTD_INPUT)
            if not self._input:
                if self._started:
                    raise UnpackError("the zstd data is cut off")
                return 0
            self._advance()
        return self._fill(buffer, self._take)

    def _advance(self) -> None:
        try:
            self._output = self._frame.decompress(self._input)
        except zstandard.ZstdError as error:
            raise UnpackError("the zstd data is damaged") from error
        self._position = 0
        self._started = True
        self._input = b""
        if self._frame.eof:
            self._input = self._frame.unused_data
            self._frame = self._decompressor.decompressobj()
            self._started = False

    def _take(self, size: int) -> bytes:
        start = self._position
        self._position = min(start + size, len(self._output))
        return self._output[start : self._position]


class _Capped(_Layer):
    def __init__(self, inner: BinaryIO, max_bytes: int) -> None:
        super().__init__(inner)
        self._left = max_bytes

    def readinto(self, buffer: WriteableBuffer) -> int:
        size = self._fill(buffer, self._read)
        self._left -= size
        if self._left < 0:
            raise UnpackError("the file unpacks to more than its limit")
        return size

    def _read(self, size: int) -> bytes:
        inner = self._inner
        return inner.read1(size) if isinstance(inner, io.BufferedReader) else inner.read(size)
