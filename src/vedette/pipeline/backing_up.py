"""One file with everything that a hub needs to go on elsewhere; taken while it works.

The database is copied as it was at one moment (SQLite's own way: nobody waits for it), then the
generations that somebody is told or holds; links keep them, so that no build takes them away.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, BinaryIO

import msgspec
import structlog
import zstandard
from msgspec import Struct

from vedette import __version__
from vedette.bundle.generation import directory_of, open_generation
from vedette.errors import BundleError, StoreError
from vedette.files import stage_in, sync_directory
from vedette.pipeline.announcing import needed_generations
from vedette.pipeline.backup_index import (
    APART,
    BUNDLES,
    CONFIG,
    DATABASE,
    INDEX,
    MADE_AGAIN,
    Index,
    Member,
)
from vedette.pipeline.hub import Hub

log = structlog.get_logger(__name__)

SUFFIX = ".vedette-backup"
_STAGE = ".backup-"
_LEVEL = 6
_TRIES = 3


class BackedUp(Struct, frozen=True, kw_only=True):
    """A backup that was made."""

    path: str
    size: int
    index: Index
    removed: tuple[str, ...] = ()
    """Older ones that made room for it."""


def back_up(hub: Hub, target: Path, *, config: Path | None = None, keep: int = 0) -> BackedUp:
    """Write a backup, readable by its owner alone; the file is there whole or not at all.

    Args:
        hub: The open state directory.
        target: The file, or a directory, in which it gets a name with the time.
        config: The vedette.toml to put in.
        keep: So many of the backups with a time in that directory stay; 0: all.

    Raises:
        StoreError: It cannot be written, or the database is damaged; an older file of that name
            is as it was.
        BundleError: A generation that somebody is told is damaged.
    """
    now = datetime.now(UTC)
    is_directory = target.is_dir()
    path = target / f"{now:%Y%m%dT%H%M%SZ}{SUFFIX}" if is_directory else target
    try:
        with stage_in(hub.settings.state_dir, _STAGE) as stage, _written(path) as file:
            index = _fill(hub, stage, file, config, now)
        removed = _prune(target, keep) if is_directory and keep else ()
        size = path.stat().st_size
    except OSError as error:
        raise StoreError(
            f"cannot write the backup {path}: {error.strerror or error}",
            hint="Is there room, and may Vedette write there? What was there before is as it was.",
        ) from error
    log.info("backup.made", path=str(path), size=size, generations=list(index.generations))
    return BackedUp(path=str(path), size=size, index=index, removed=removed)


@contextmanager
def _written(path: Path) -> Iterator[BinaryIO]:
    """Open a new file that takes the place of ``path`` when the block ends well."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    new = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fchmod(file.fileno(), 0o600)
            os.fsync(file.fileno())
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def _fill(hub: Hub, stage: Path, file: BinaryIO, config: Path | None, now: datetime) -> Index:
    schema, instance, serial = _copy_database(hub, stage / DATABASE)
    generations = _hold_generations(hub, stage / BUNDLES)
    members: list[Member] = []
    compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
    with (
        compressor.stream_writer(file, closefd=False) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name, source in _files(hub, stage, config):
            members.append(_add(tar, name, source, now))
        index = Index(
            vedette=__version__,
            created_at=now,
            host=socket.gethostname(),
            instance=instance,
            schema=schema,
            serial=serial,
            generations=tuple(generations),
            members=tuple(members),
            outside=tuple(_outside(hub)),
        )
        _add_index(tar, index)
    return index


def _copy_database(hub: Hub, copy: Path) -> tuple[int, str, int]:
    """Copy the database as it is at this moment; returns its schema, instance and last serial.

    Raises:
        StoreError: It is damaged.
    """
    try:
        with (
            closing(sqlite3.connect(hub.settings.database)) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
            (found,) = target.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise StoreError(
                    f"the database {hub.settings.database} is damaged: {found}",
                    hint="No backup was made: keep the older ones. Restore the last good one.",
                )
            target.execute("PRAGMA journal_mode=DELETE")
            (schema,) = target.execute("PRAGMA user_version").fetchone()
            instance = target.execute("SELECT id FROM instance").fetchone()
            (serial,) = target.execute(
                "SELECT coalesce(max(serial), 0) FROM announcement"
            ).fetchone()
    except sqlite3.Error as error:
        raise StoreError(
            f"cannot copy the database {hub.settings.database}: {error}",
            hint="Is there room for a copy of it in the state directory?",
        ) from error
    return schema, instance[0] if instance else "", serial


def _hold_generations(hub: Hub, stage: Path) -> list[int]:
    """Link the files of each generation that is needed; returns their numbers.

    Raises:
        BundleError: One goes away each time we look.
    """
    bundles = hub.settings.bundles
    for _ in range(_TRIES):
        shutil.rmtree(stage, ignore_errors=True)
        current = open_generation(bundles)
        wanted = needed_generations(hub) | ({current.number} if current else set())
        there = {number for number in wanted if directory_of(bundles, number).is_dir()}
        try:
            for number in there:
                source = directory_of(bundles, number)
                shutil.copytree(source, stage / source.name, copy_function=_link)
            if (bundles / "pinned").is_file():
                shutil.copyfile(bundles / "pinned", stage / "pinned")
        except (shutil.Error, FileNotFoundError):
            continue  # a build took one away: ask again which are needed
        return sorted(there)
    raise BundleError(
        "generations come and go while they are copied",
        hint="Nothing was written. Try again, when no build is running.",
    )


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except PermissionError:  # fs.protected_hardlinks: not our file
        shutil.copyfile(source, target)


def _files(hub: Hub, stage: Path, config: Path | None) -> Iterator[tuple[str, Path]]:
    """Yield what goes in: name in the backup, and where it is now."""
    yield DATABASE, stage / DATABASE
    if config is not None:
        yield CONFIG, config
    for path in _walk(stage / BUNDLES):
        yield f"{BUNDLES}/{path.relative_to(stage / BUNDLES)}", path
    root = hub.settings.state_dir
    for top in sorted(root.iterdir()):
        if _belongs(top.name):
            for path in _walk(top):
                yield str(path.relative_to(root)), path


def _belongs(name: str) -> bool:
    """Whether something of the state directory is to be kept, that was not taken otherwise."""
    return not (
        name in MADE_AGAIN | APART | {BUNDLES}
        or name.startswith((".", DATABASE, "before-restore-"))
        or name.endswith(".lock")
    )


def _walk(top: Path) -> Iterator[Path]:
    """Yield the regular files below a directory, or the file itself."""
    if top.is_symlink():
        return
    if top.is_file():
        yield top
    elif top.is_dir():
        for child in sorted(top.iterdir()):
            yield from _walk(child)


class _Hashed:
    """A file whose digest is known when it was read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        return data


def _add(tar: tarfile.TarFile, name: str, source: Path, now: datetime) -> Member:
    with source.open("rb") as file:
        status = os.fstat(file.fileno())
        info = _info(name, status.st_size, now, status.st_mode & 0o755)
        hashed = _Hashed(file)
        tar.addfile(info, hashed)
    return Member(path=name, size=info.size, sha256=hashed.digest.hexdigest())


def _info(name: str, size: int, now: datetime, mode: int = 0o600) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = size
    info.mode = mode
    info.mtime = int(now.timestamp())
    return info


def _add_index(tar: tarfile.TarFile, index: Index) -> None:
    data = msgspec.json.encode(index)
    with tempfile.SpooledTemporaryFile() as file:
        file.write(data)
        file.seek(0)
        tar.addfile(_info(INDEX, len(data), index.created_at), file)


def _outside(hub: Hub) -> Iterable[str]:
    """Return files that settings name and that lie elsewhere: secrets, certificates."""
    serve, found = hub.settings.serve, set[str]()
    found |= {serve.tls_cert, serve.tls_key, hub.settings.notify.targets_file}
    found |= {place.ca_file for place in hub.settings.opensearch.values()}
    for record in hub.store.sources():
        found |= {
            str(value)
            for name, value in record.settings.items()
            if name.endswith(("_file", "_cert", "client_key")) and value
        }
    return sorted(found - {""})


def _prune(directory: Path, keep: int) -> tuple[str, ...]:
    """Remove all but the newest backups with a time in their names."""
    there = sorted(directory.glob(f"[0-9]*T[0-9]*Z{SUFFIX}"))
    removed = there[:-keep]
    for path in removed:
        path.unlink()
    return tuple(str(path) for path in removed)
