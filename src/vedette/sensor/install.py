"""The directory with Vedette's rules on a sensor: generations side by side, one of them current.

Hard rule: ``current`` is a link that is switched by one rename. Whatever fails before that, the
generation in force stays as it is, and an engine that starts at any moment finds whole files.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import NamedTuple, NoReturn, Protocol

import msgspec
import structlog

from vedette.errors import BusyError, SensorError
from vedette.files import sync_directory, write_atomically
from vedette.sensor.release import RULES_FILE, Release
from vedette.sensor.reload import Mark

log = structlog.get_logger(__name__)

CURRENT = "current"
RELEASE_FILE = "release.json"
_STATE_FILE = "engine.json"
_UNFINISHED = ".new-"
_HINTS: Mapping[int, str] = {
    errno.ENOSPC: "The disk is full. Free some space and push again; the generation in force is"
    " untouched.",
    errno.EDQUOT: "The quota is used up. Free some space and push again; the generation in force is"
    " untouched.",
    errno.EACCES: "Vedette must be able to write there: run it as the owner of the directory.",
    errno.EPERM: "Vedette must be able to write there: run it as the owner of the directory.",
    errno.EROFS: "The file system is read-only; choose another directory for the rules.",
}


class Elsewhere(Protocol):
    """The rules directory on the machine of the engine, where that is not this one."""

    path: Path
    """There."""

    def damaged(self, installed: Installed) -> list[str]:
        """Return the names of files that are missing there or are not what was published."""
        ...

    def run(self, command: Sequence[str], timeout_s: float) -> tuple[int, str]:
        """Run a command there; ``{tmp}`` in it becomes an empty directory.

        Returns:
            Its exit code and what it printed.

        Raises:
            SensorError: The machine cannot be reached.
        """
        ...


class Installed(NamedTuple):
    """A generation in the directory."""

    path: Path
    """On this machine."""
    release: Release
    elsewhere: Elsewhere | None = None
    """Where the engine reads it, if this is only a copy."""

    @property
    def rules(self) -> Path:
        """Its rules file, on the engine's machine."""
        path = self.elsewhere.path / self.path.name if self.elsewhere else self.path
        return path / RULES_FILE


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine was last proved to hold, and in which load of its rules."""

    content_id: str
    target: str
    mark: Mark
    memcaps: dict[str, int]
    """Of each set as the engine loaded it; a delta over the socket does not change it."""
    before: str = ""
    """Name of the generation that was in force before."""
    files: dict[str, str] = {}
    """How its files looked from outside (see :func:`looks`) before they were compared."""


class RulesDirectory:
    """Vedette's directory on one sensor.

    Args:
        path: It is created; nobody else may write in it.
    """

    _elsewhere: Elsewhere | None = None
    """Set by a directory that is only the copy of one on another machine."""

    def __init__(self, path: Path) -> None:
        """Touch nothing yet."""
        self.path = path

    @property
    def elsewhere(self) -> Elsewhere | None:
        """The directory that this one is a copy of, on another machine."""
        return self._elsewhere

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep a second push out.

        Raises:
            BusyError: One is going on.
            SensorError: The directory cannot be made.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            _explain(error, f"cannot use the rules directory {self.path}")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError as error:
            raise BusyError(
                f"another Vedette pushes to {self.path}",
                hint="Wait for it; two at once would undo each other's work.",
            ) from error
        finally:
            os.close(descriptor)

    def current(self) -> Installed | None:
        """Return the generation in force, None if there is none or it cannot be read."""
        try:
            return self.generation(os.readlink(self.path / CURRENT))  # noqa: PTH115
        except OSError:
            return None

    def generation(self, name: str) -> Installed | None:
        """Return a generation by the name of its directory."""
        return self._read(self.path / name) if name else None

    def install(self, release: Release, sources: Mapping[str, Path]) -> Installed:
        """Put a release beside the others, without bringing it into force.

        Args:
            release: What it consists of.
            sources: Where each of its files is now.

        Raises:
            SensorError: A file is damaged, or cannot be written; nothing has changed.
        """
        path = self._place(release)
        if there := self._read(path):
            return there
        self._clear_unfinished()
        new = self.path / f"{_UNFINISHED}{path.name}"
        try:
            new.mkdir(mode=0o755)
            new.chmod(0o755)
            self._fill(new, release, sources)
            new.rename(path)
            sync_directory(self.path)
        except BaseException as error:
            shutil.rmtree(new, ignore_errors=True)
            if isinstance(error, OSError):
                _explain(error, f"cannot install generation {release.generation} in {self.path}")
            raise
        log.info("release.installed", generation=release.generation, path=str(path))
        return Installed(path, release, self._elsewhere)

    def switch(self, installed: Installed) -> None:
        """Make a generation current, in one step.

        Raises:
            SensorError: The link cannot be written; the other one is still current.
        """
        link = self.path / f"{_UNFINISHED}{CURRENT}"
        try:
            with suppress(FileNotFoundError):
                link.unlink()
            link.symlink_to(installed.path.name)
            link.replace(self.path / CURRENT)
            sync_directory(self.path)
        except OSError as error:
            _explain(error, f"cannot make {installed.path} current")

    def prune(self, keep: int, *needed: str) -> None:
        """Remove all but the newest generations, the current one and those named."""
        current = self.current()
        generations = [path for path in self.path.glob("gen-*") if path.is_dir()]
        generations.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
        for path in generations[keep:]:
            if path.name not in needed and (current is None or path != current.path):
                shutil.rmtree(path, ignore_errors=True)

    def state(self) -> State | None:
        """What the engine was last proved to hold."""
        try:
            return msgspec.json.decode((self.path / _STATE_FILE).read_bytes(), type=State)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return None

    def remember(self, state: State | None) -> None:
        """Keep what the engine was proved to hold; None forgets it.

        Raises:
            SensorError: It cannot be written.
        """
        path = self.path / _STATE_FILE
        try:
            if state is None:
                path.unlink(missing_ok=True)
            else:
                write_atomically(path, [msgspec.json.encode(state)])
        except OSError as error:
            _explain(error, f"cannot write {path}")

    def is_as_proved(self, installed: Installed) -> bool:
        """Whether nobody wrote to the files of a generation since it was proved.

        Whatever else loaded them meanwhile, an engine that started or another tool's reload, then
        loaded what was published. Canaries cannot tell: one entry that is wrong does not harm them.
        """
        if installed.elsewhere:
            return not damaged(installed)  # how they look there is not known here
        state = self.state()
        return state is not None and state.files == looks(installed) and not damaged(installed)

    def _place(self, release: Release) -> Path:
        """Where it already is, whole, or a name that is free."""
        name = f"gen-{release.generation:06d}"
        names = (f"{name}.{n}" if n else name for n in count())
        return next(path for path in map(self.path.joinpath, names) if self._is_free(path, release))

    def _is_free(self, path: Path, release: Release) -> bool:
        """Whether a release may be put there; also if it is there already, whole."""
        there = _read(path)
        if there is None:
            return not path.exists()
        return there.release == release and not damaged(there)

    def _read(self, path: Path) -> Installed | None:
        there = _read(path)
        return there and there._replace(elsewhere=self._elsewhere)

    def _fill(self, new: Path, release: Release, sources: Mapping[str, Path]) -> None:
        current = self.current()
        for name, digest in release.files.items():
            target = new / name
            held = current.path / name if current else None
            if held and current and current.release.files.get(name) == digest == digest_of(held):
                target.hardlink_to(held)
                continue
            if not sources[name].exists():
                raise SensorError(
                    f"{sources[name]} of generation {release.generation} is gone",
                    hint="It was removed after it was published: vedette bundle build --whole",
                )
            self._copy(sources[name], target)
            if digest_of(target) != digest:
                raise SensorError(
                    f"{sources[name]} is not the file of generation {release.generation}",
                    hint="It was changed after it was published: vedette bundle build --whole",
                )
            _sync(target)
        write_atomically(new / RELEASE_FILE, [msgspec.json.encode(release)])

    def _copy(self, source: Path, target: Path) -> None:
        """Copy a file; one that lies in this directory already becomes the same file."""
        if self.path in source.parents:
            target.hardlink_to(source)
        else:
            shutil.copyfile(source, target)
        target.chmod(0o644)

    def _clear_unfinished(self) -> None:
        for path in self.path.glob(f"{_UNFINISHED}*"):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)


def damaged(installed: Installed) -> list[str]:
    """Return the names of files that are missing or are not what was published.

    Raises:
        SensorError: They are on another machine that cannot be reached.
    """
    if installed.elsewhere:
        return installed.elsewhere.damaged(installed)
    files = installed.release.files.items()
    return [name for name, digest in files if digest_of(installed.path / name) != digest]


def looks(installed: Installed) -> dict[str, str]:
    """Return what changes with each file whenever somebody writes to it; no clock has a say.

    A further link to a file, of the next generation, changes nothing of it.
    """
    found = {}
    for name in installed.release.files:
        with suppress(OSError):
            status = (installed.path / name).stat()
            found[name] = f"{status.st_ino} {status.st_size} {status.st_mtime_ns}"
    return found


def _read(path: Path) -> Installed | None:
    try:
        release = msgspec.json.decode((path / RELEASE_FILE).read_bytes(), type=Release)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    return Installed(path, release)


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file in hex, ``""`` if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _explain(error: OSError, what: str) -> NoReturn:
    hint = _HINTS.get(error.errno or 0, "")
    raise SensorError(f"{what}: {error.strerror or error}", hint=hint) from error
