"""Where the warning lists lie, and the index of them, which is kept beside the state.

The index is made again when a file of the lists changed. A list that is broken costs only itself.
"""

from __future__ import annotations

import hashlib
import importlib.util
import mmap
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import structlog

from vedette.config import Settings
from vedette.errors import ConfigError
from vedette.files import open_regular, write_atomically
from vedette.guard.lists_compile import Compiled, StaleTableError, compile_lists, pack, unpack
from vedette.guard.lists_model import BrokenListError, WarningList, read_list
from vedette.guard.warninglists import Index

log = structlog.get_logger(__name__)

PACKAGE = "pymispwarninglists"
_IN_PACKAGE = ("data", "misp-warninglists", "lists")
_FILE = "list.json"
_TABLE = "warninglists.table"
_LIST_MAX = 512 * 2**20

ListFiles = Mapping[str, Path]
"""Name of each list -> its file."""


class Place(NamedTuple):
    """Where the lists come from that are in force."""

    what: str
    """``[guard] warning_lists``, ``state``, or ``none``."""
    directory: Path | None


def fetched_lists(settings: Settings) -> Path:
    """The directory that ``vedette warninglist update`` writes."""
    return settings.state_dir / "warninglists"


def place_of(settings: Settings) -> Place:
    """Where the lists are taken from: the setting, or what was fetched.

    The installed package alone is not in force: what is on the sensors must not change because
    somebody installed or upgraded something.

    Raises:
        ConfigError: The setting names no directory with lists.
    """
    if named := settings.guard.warning_lists:
        directory = (Path(settings.home) / Path(named).expanduser()).absolute()
        if not list_files(directory):
            raise ConfigError(
                f"[guard] warning_lists: there are no warning lists in {directory}",
                hint="It must have directories with a list.json each, as MISP publishes them.",
            )
        return Place("[guard] warning_lists", directory)
    if list_files(fetched := fetched_lists(settings)):
        return Place("state", fetched)
    return Place("none", None)


def package_lists() -> Path | None:
    """The lists in the package :data:`PACKAGE`, if it is installed."""
    spec = importlib.util.find_spec(PACKAGE)
    for location in (spec.submodule_search_locations or ()) if spec else ():
        if list_files(directory := Path(location, *_IN_PACKAGE)):
            return directory
    return None


def list_files(directory: Path) -> ListFiles:
    """The lists in a directory, or in its ``lists``; empty if there is none."""
    for place in (directory, directory / "lists"):
        if found := {path.parent.name: path for path in sorted(place.glob(f"*/{_FILE}"))}:
            return found
    return {}


def read_lists(files: ListFiles, broken: dict[str, str]) -> Iterator[WarningList]:
    """Read lists one by one; of those that cannot be read, put the reason into ``broken``."""
    for name, path in files.items():
        try:
            yield read_list(name, _content(path))
        except OSError as error:
            broken[name] = error.strerror or str(error)
        except BrokenListError as error:
            broken[name] = str(error)


def _content(path: Path) -> bytes:
    with open_regular(path) as file:
        data = file.read(_LIST_MAX + 1)
    if len(data) > _LIST_MAX:
        raise BrokenListError("larger than 512 MiB")
    return data


def open_index(settings: Settings) -> Index:
    """Open the index of the lists that are in force; without lists it is empty.

    Takes a few ms if no file of the lists changed, some seconds otherwise.

    Raises:
        ConfigError: ``[guard] warning_lists`` names no directory with lists.
    """
    place = place_of(settings)
    if place.directory is None:
        log.info("warninglist.none", hint="vedette warninglist update")
        return Index.empty()
    files = list_files(place.directory)
    signature = _signature(files)
    table = settings.state_dir / _TABLE
    compiled = _load(table, signature) or _make(files, signature, table)
    return Index(compiled, drop=settings.guard.drop_lists, keep=settings.guard.keep_lists)


def unmet(settings: Settings, index: Index) -> list[tuple[str, str]]:
    """Return the settings that choose lists and meet none that is there, each with the pattern."""
    names = [info.name for info in index.lists]
    chosen = {"drop_lists": settings.guard.drop_lists, "keep_lists": settings.guard.keep_lists}
    return [
        (setting, pattern)
        for setting, patterns in chosen.items()
        for pattern in patterns
        if not any(fnmatchcase(name, pattern) for name in names)
    ]


def _signature(files: ListFiles) -> str:
    """What tells from outside whether a file is still the one that was read."""
    digest = hashlib.sha256()
    for name, path in files.items():
        try:
            status = path.stat()
        except OSError:
            digest.update(f"{name}\0".encode())
            continue
        digest.update(f"{name}\0{path}\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
    return digest.hexdigest()


def _load(table: Path, signature: str) -> Compiled | None:
    try:
        with table.open("rb") as file:
            data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        compiled = unpack(data)
    except (OSError, ValueError) as error:  # an empty file cannot be mapped: ValueError
        if not isinstance(error, FileNotFoundError | StaleTableError):
            log.warning("warninglist.table_unreadable", table=str(table), error=str(error))
        return None
    return compiled if compiled.header.signature == signature else None


def _make(files: ListFiles, signature: str, table: Path) -> Compiled:
    broken: dict[str, str] = {}
    compiled = compile_lists(read_lists(files, broken), signature, broken)
    for name, reason in broken.items():
        log.warning("warninglist.broken", list=name, reason=reason)
    log.info(
        "warninglist.indexed",
        lists=len(compiled.header.lists),
        entries=sum(info.entries for info in compiled.header.lists),
        broken=len(broken),
    )
    try:
        write_atomically(table, pack(compiled))
    except OSError as error:
        log.warning("warninglist.table_not_kept", table=str(table), error=error.strerror)
        return compiled
    return _load(table, signature) or compiled  # the mapped one is shared and takes no memory
