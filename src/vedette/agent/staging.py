"""Files on their way to a sensor: fetched, compared with the signed manifest, not installed yet.

They are named by their SHA-256, so that what is there is right: a file gets its name only when all
of it was read and compared.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from vedette.errors import SensorError, TrustError

_RESERVE = 16 << 20
_PART = ".part-"


class Staging:
    """A directory of fetched files.

    Args:
        path: On the file system of the rules; it is created.
    """

    def __init__(self, path: Path) -> None:
        """Touch nothing yet."""
        self.path = path

    def file(self, digest: str) -> Path | None:
        """Where the file of this SHA-256 is, if it is there."""
        path = self.path / digest
        return path if path.is_file() else None

    def save(self, name: str, digest: str, chunks: Iterable[bytes]) -> Path:
        """Write a file, and give it its name if it is the right one.

        Args:
            name: For people.
            digest: The SHA-256 that it must have, in hex.
            chunks: Its content.

        Raises:
            TrustError: It is another file.
            SensorError: It cannot be written.
            OSError: Reading the chunks failed.
        """
        found = hashlib.sha256()
        handle, part = self._begin(name)
        try:
            with os.fdopen(handle, "wb", buffering=0) as file:
                for chunk in chunks:
                    found.update(chunk)
                    _write(file.fileno(), chunk, name)
            _compare(name, digest, found.hexdigest())
            path = self.path / digest
            part.replace(path)
        except BaseException:
            with suppress(OSError):
                part.unlink()
            raise
        return path

    def make_room(self, needed: int, what: str) -> None:
        """Make sure that there is room.

        Raises:
            SensorError: There is not.
        """
        try:
            self._make()
            free = shutil.disk_usage(self.path).free
        except OSError as error:
            raise _unwritable(self.path, error) from error
        if free < needed + _RESERVE:
            raise SensorError(
                f"no room for {what}: it needs {needed >> 20:,} MiB and"
                f" {_RESERVE >> 20} MiB to spare, {free >> 20:,} MiB are free at {self.path}",
                hint="Free some space; it is tried again. What is installed is untouched.",
            )

    def clear(self) -> None:
        """Remove everything, also what a killed agent left."""
        shutil.rmtree(self.path, ignore_errors=True)

    def clear_unfinished(self) -> None:
        """Remove what a killed agent left in the middle."""
        for path in self.path.glob(f"{_PART}*"):
            path.unlink(missing_ok=True)

    def _make(self) -> None:
        rules = self.path.parent
        if not rules.exists():
            rules.mkdir(parents=True, exist_ok=True)
            rules.chmod(0o755)  # the engine is another user, and our umask may be a strict one
        self.path.mkdir(exist_ok=True)

    def _begin(self, name: str) -> tuple[int, Path]:
        try:
            self._make()
            handle, part = tempfile.mkstemp(prefix=_PART, dir=self.path)
        except OSError as error:
            raise _unwritable(self.path / name, error) from error
        return handle, Path(part)


def _compare(name: str, wanted: str, found: str) -> None:
    if wanted != found:
        raise TrustError(
            f"{name} is not the file that was announced: its SHA-256 is another one",
            hint="Damaged on the way, or changed by somebody between hub and sensor. Nothing of it"
            " was installed; it is tried again.",
        )


def _write(descriptor: int, chunk: bytes, name: str) -> None:
    view = memoryview(chunk)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except OSError as error:
            raise _unwritable(Path(name), error) from error


def _unwritable(path: Path, error: OSError) -> SensorError:
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    return SensorError(
        f"cannot write {path}: {error.strerror or error}",
        hint="Free some space; it is tried again. What is installed is untouched."
        if full
        else "The agent must be able to write there.",
    )
