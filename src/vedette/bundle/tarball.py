"""Plain tar files of one spelling: regular files, one header for a name and a size, no extensions.

Hard rule: there is exactly one right sequence of bytes for given members. Links, devices, long
names, other owners, bytes behind the end: whatever a tar may hold besides is refused, not skipped.
"""

from __future__ import annotations

import os
import re
import secrets
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from vedette.errors import TrustError
from vedette.files import sync_directory

BLOCK = 512
_END = bytes(2 * BLOCK)
_CHUNK = 1 << 20
_NAME_MAX = 100
_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")


class Part(NamedTuple):
    """A member to be written."""

    name: str
    size: int
    content: bytes | Path


def write(path: Path, parts: Iterable[Part]) -> None:
    """Write a tar in one step; the same parts give the same bytes.

    Nothing is asked of the file system but names and bytes: sticks have no modes.

    Raises:
        OSError: It cannot be written; ``path`` is as it was.
    """
    made = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with made.open("xb") as target:
            for part in parts:
                _write_part(target, part)
            target.write(_END)
            target.flush()
            os.fsync(target.fileno())
        made.replace(path)
    except BaseException:
        made.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def _write_part(target: BinaryIO, part: Part) -> None:
    target.write(header(part.name, part.size))
    if isinstance(part.content, bytes):
        target.write(part.content)
    else:
        with part.content.open("rb") as file:
            while chunk := file.read(_CHUNK):
                target.write(chunk)
    target.write(bytes(-part.size % BLOCK))


def header(name: str, size: int) -> bytes:
    """Return the header of a member.

    Raises:
        OSError: The member cannot be in a tar of this kind: it is too large.
    """
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    try:
        return info.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict")
    except ValueError as error:
        raise OSError(f"{name}: {error}") from error


class Reader:
    """Reads the members of a tar in their order.

    Args:
        file: At its start.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._left = 0
        self._padding = 0

    def next(self, name: str, size: int | None = None, *, most: int | None = None) -> int:
        """Go to the next member, which must be this one.

        Args:
            name: Its name.
            size: Its size, if it is known.
            most: More bytes than this are refused.

        Returns:
            Its size.

        Raises:
            TrustError: Another member comes, or none, or the header is another one than ours.
            OSError: The file cannot be read.
        """
        for _ in self.chunks():  # what was not read of the last one
            pass
        block = self._read(BLOCK)
        found = _size(block)
        if size is not None and found != size:
            raise _not_ours(f"{name} is not of the size that was signed")
        if most is not None and found > most:
            raise _not_ours(f"{name} is larger than such a file can be")
        if not _is_header(block, name, found):
            raise _not_ours(f"its next file is not {name}, or is not a plain file")
        self._left, self._padding = found, -found % BLOCK
        return found

    def chunks(self) -> Iterator[bytes]:
        """Yield the rest of the member.

        Raises:
            TrustError: The file ends before.
            OSError: The file cannot be read.
        """
        while self._left:
            chunk = self._read(min(_CHUNK, self._left))
            self._left -= len(chunk)
            yield chunk
        padding, self._padding = self._padding, 0
        if any(self._read(padding)):
            raise _not_ours("there is something between its files")

    def end(self) -> None:
        """Check that the tar, and the file, end here.

        Raises:
            TrustError: They do not.
            OSError: The file cannot be read.
        """
        for _ in self.chunks():
            pass
        if self._read(len(_END)) != _END or self._file.read(1):
            raise _not_ours("there is something behind its last file")

    def _read(self, size: int) -> bytes:
        data = self._file.read(size)
        if len(data) != size:
            raise TrustError("the archive is cut off", hint="Copy it again, whole.")
        return data


def _is_header(block: bytes, name: str, size: int) -> bool:
    try:
        return header(name, size) == block
    except OSError:
        return False


def is_plain_name(name: str) -> bool:
    """Whether a name may be in such a tar: it leads nowhere else, on any system."""
    return len(name) <= _NAME_MAX and _PLAIN.fullmatch(name) is not None


def _size(block: bytes) -> int:
    try:
        return int(block[124:135], 8)
    except ValueError as error:
        raise _not_ours("a header of it is damaged") from error


def _not_ours(why: str) -> TrustError:
    return TrustError(
        f"this is not an archive as `vedette bundle export` writes it: {why}",
        hint="Copy it again. If it stays so, it was changed on its way: export it again.",
    )
