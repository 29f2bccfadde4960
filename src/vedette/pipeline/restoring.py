"""Put a backup in the place of a hub that is gone; everything is verified before anything moves.

Agents remember the last serial that they accepted and refuse smaller ones. That is why a restored
hub announces what it builds next in any case: its serials are of the clock, and greater.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import sqlite3
import struct
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import msgspec
from msgspec import Struct

from vedette.bundle.generation import repair, verify
from vedette.config import Settings
from vedette.errors import BundleError, BusyError, StoreError, UsageError
from vedette.files import open_decompressed, stage_in, sync_directory, write_atomically
from vedette.pipeline.backup_index import (
    BUNDLES,
    CONFIG,
    DATABASE,
    FORMAT,
    INDEX,
    Index,
    generation_of,
    is_safe,
)
from vedette.pipeline.lock import exclusive
from vedette.store.schema import MIGRATIONS

_STAGE = ".restoring-"
_BLOCK = 1 << 20
_INDEX_MAX = 64 << 20
_SECRET = ("keys",)
_LOCKS = ("run", "work", "rollout")
_SHARED_FIRST, _SHARED_SIZE = 0x40000002, 510  # of SQLite's own locks in the database file


class Restored(Struct, frozen=True, kw_only=True):
    """What was put in place."""

    index: Index
    aside: str
    """Where what was there before lies now; ``""``: there was nothing."""
    config: str
    """The vedette.toml that was written; ``""``: the one that was there stays."""


def check(path: Path, stage: Path) -> Index:
    """Unpack a backup into an empty directory and verify all of it.

    Args:
        path: The backup.
        stage: Where to; it is left half full when something is wrong.

    Raises:
        StoreError: It is no backup, is damaged or cut off, or is of a newer Vedette.
    """
    found: dict[str, tuple[int, str]] = {}
    index: Index | None = None
    try:
        with (
            open_decompressed(path, max_bytes=1 << 42) as stream,
            tarfile.open(fileobj=stream, mode="r|") as tar,
        ):
            for member in tar:
                if index is not None or not member.isreg() or not is_safe(member.name):
                    raise _damaged(path, f"'{member.name[:80]}' does not belong in it")
                content = tar.extractfile(member)
                if content is None:  # pragma: no cover - a regular file has a content
                    raise _damaged(path, f"'{member.name[:80]}' is no file")
                if member.name == INDEX:
                    index = _index(path, content.read(_INDEX_MAX))
                else:
                    found[member.name] = _unpack(content, stage / member.name, member.mode)
            while stream.read(_BLOCK):  # the checksum of the whole stands at its end
                pass
    except (tarfile.TarError, EOFError) as error:
        raise _damaged(path, str(error)) from error
    except OSError as error:
        if error.errno is not None:
            raise StoreError(
                f"cannot restore {path}: {error.strerror} ({error.filename or stage})",
                hint="Nothing was changed. Is the name right, and is there room to unpack it?",
            ) from error
        raise _damaged(path, str(error)) from error
    if index is None:
        raise _damaged(path, "its end is missing")
    _compare(path, index, found)
    _check_database(path, stage / DATABASE)
    _check_generations(path, stage)
    return index


def _damaged(path: Path, why: str) -> StoreError:
    return StoreError(
        f"{path} is no whole backup: {why}", hint="Nothing was changed. Take another one."
    )


def _index(path: Path, data: bytes) -> Index:
    try:
        index = msgspec.json.decode(data, type=Index)
    except msgspec.DecodeError as error:
        raise _damaged(path, f"its index cannot be read: {error}") from error
    if index.format > FORMAT or index.schema > len(MIGRATIONS):
        raise StoreError(
            f"{path} was made by a newer Vedette, {index.vedette}",
            hint="Nothing was changed. Install that version (or a newer one) first.",
        )
    return index


def _unpack(content: IO[bytes], target: Path, mode: int) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as file:
        while block := content.read(_BLOCK):
            digest.update(block)
            size += len(block)
            file.write(block)
        file.flush()
        os.fchmod(file.fileno(), mode & 0o755)
        os.fsync(file.fileno())
    return size, digest.hexdigest()


def _compare(path: Path, index: Index, found: dict[str, tuple[int, str]]) -> None:
    said = {member.path: (member.size, member.sha256) for member in index.members}
    for name in sorted(said.keys() | found.keys()):
        if said.get(name) != found.get(name):
            raise _damaged(path, f"'{name[:80]}' is not what was backed up")
    if DATABASE not in said:
        raise _damaged(path, "there is no database in it")


def _check_database(path: Path, database: Path) -> None:
    try:
        with closing(sqlite3.connect(database)) as db:
            (found,) = db.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        found = str(error)
    if found != "ok":
        raise _damaged(path, f"its database is damaged: {found}")


def _check_generations(path: Path, stage: Path) -> None:
    for directory in sorted((stage / BUNDLES).glob("gen-*")):
        try:
            verify(directory)
        except BundleError as error:
            raise _damaged(path, str(error)) from error


def restore(
    settings: Settings, path: Path, *, config: Path | None = None, replace: bool = False
) -> Restored:
    """Make a state directory what it was when a backup was made.

    Args:
        settings: Say where the state directory is.
        path: The backup.
        config: Where to write the vedette.toml of the backup; None: nowhere.
        replace: Put aside what is there.

    Raises:
        StoreError: The backup is damaged, or it cannot be put in place.
        UsageError: There is something in the state directory, and nobody said to replace it.
        BusyError: Some Vedette works on that state directory.
    """
    root = settings.state_dir
    try:
        root.mkdir(parents=True, exist_ok=True)
        if not replace and (there := _there(root)):
            raise UsageError(
                f"there is something in {root} already: {there[0].name}",
                hint="Nothing was changed. To put that aside and go on: --replace",
            )
        with stage_in(root, _STAGE) as stage:
            index = check(path, stage)
            with _alone(settings):
                aside, written = _place(settings, stage, config)
            return Restored(index=index, aside=aside, config=written)
    except OSError as error:
        raise StoreError(
            f"cannot restore into {root}: {error.strerror} ({error.filename})",
            hint="All of the state directory must belong to the user that Vedette runs as.",
        ) from error


def _there(root: Path) -> list[Path]:
    """Return what a restore would replace; the memory and locks stay where they are."""
    return [
        path
        for path in sorted(root.iterdir())
        if not (path.name == "pool" or path.name.endswith(".lock") or path.name.startswith("."))
        and not path.name.startswith("before-restore-")
    ]


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Hold every lock of the state directory.

    Raises:
        BusyError: Somebody works on it, or has its database open.
    """
    with ExitStack() as stack:
        for name in _LOCKS:
            lock = settings.state_dir / f"{name}.lock"
            stack.enter_context(exclusive(lock, "restoring a backup"))
        if pid := _opened_by(settings.database):
            raise BusyError(
                f"process {pid} has {settings.database} open",
                hint="Stop it (systemctl stop vedette-run vedette-serve). Nothing was changed.",
            )
        yield


def _opened_by(database: Path) -> int:
    """Return a process that has a database open, by the lock that SQLite holds as long; 0: none.

    The file may be damaged: it is not read.
    """
    try:
        descriptor = os.open(database, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    try:
        wanted = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, _SHARED_FIRST, _SHARED_SIZE, 0)
        kind, _, _, _, pid = struct.unpack("hhqqi", fcntl.fcntl(descriptor, fcntl.F_GETLK, wanted))
    finally:
        os.close(descriptor)
    return 0 if kind == fcntl.F_UNLCK else int(pid)


def _place(settings: Settings, stage: Path, config: Path | None) -> tuple[str, str]:
    """Move what was unpacked to where it belongs, the database last; return aside and config."""
    root = settings.state_dir
    aside = _put_aside(root)
    written = _write_config(stage / CONFIG, config)
    (stage / CONFIG).unlink(missing_ok=True)
    for name in _SECRET:
        _close(stage / name)
    tops = sorted(stage.iterdir(), key=lambda path: path.name == DATABASE)
    for top in tops:
        if top.name == DATABASE:
            top.chmod(0o640)
            sync_directory(root)
        top.rename(root / top.name)
    sync_directory(root)
    if settings.bundles.is_dir():
        repair(settings.bundles)
    return str(aside or ""), written


def _put_aside(root: Path) -> Path | None:
    there = _there(root)
    if not there:
        return None
    aside = root / f"before-restore-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    aside.mkdir(mode=0o700)
    for path in sorted(there, key=lambda path: path.name != DATABASE):
        path.rename(aside / path.name)
    sync_directory(root)
    return aside


def _write_config(source: Path, target: Path | None) -> str:
    if target is None or target.exists() or not source.exists():
        return ""
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, [source.read_bytes()])
    return str(target)


def _close(directory: Path) -> None:
    """Let nobody but the owner look into a directory of secrets."""
    if directory.is_dir():
        directory.chmod(0o700)
        for path in directory.rglob("*"):
            path.chmod(0o700 if path.is_dir() else 0o600)


def belongs_to(index: Index) -> dict[str, int]:
    """Return the bytes in a backup by what they are: database, generations, the rest."""
    sizes: dict[str, int] = {}
    for member in index.members:
        kind = "generations" if generation_of(member.path) else "other files"
        kind = "database" if member.path == DATABASE else kind
        sizes[kind] = sizes.get(kind, 0) + member.size
    return sizes
