"""Fetch warning lists into the state directory: from a directory, the package, or a MISP.

Each list is replaced whole, by one rename, and only by one that can be read: whatever fails, what
was there stays in force.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import structlog

from vedette.errors import StoreError, UsageError
from vedette.files import write_atomically
from vedette.guard.curated import TITLES
from vedette.guard.lists_model import (
    BrokenListError,
    ListKind,
    WarningList,
    name_of,
    read_list,
    write_list,
)
from vedette.misp import warninglists as misp_lists
from vedette.misp.client import MispClient, ServerFailedError, read_key
from vedette.pipeline.hub import Hub
from vedette.pipeline.pulling import source_of
from vedette.pipeline.warninglists import (
    PACKAGE,
    fetched_lists,
    list_files,
    package_lists,
    read_lists,
)
from vedette.sources.misp_api import MispApi

log = structlog.get_logger(__name__)

_FILE = "list.json"
_KEPT_SHARE = 2 / 3
"""A list that becomes smaller than this share of itself is pointed out."""


class ListChange(msgspec.Struct, kw_only=True):
    """A list that was written."""

    name: str
    before: int
    """Entries that it had; -1: it is new."""
    after: int
    version: str

    @property
    def shrank(self) -> bool:
        """Whether it lost more than a third."""
        return self.after < self.before * _KEPT_SHARE


class Fetched(msgspec.Struct, kw_only=True):
    """What became of the lists of one place."""

    place: str
    changed: list[ListChange] = []
    unchanged: int = 0
    broken: dict[str, str] = {}
    """List -> why it was not taken; what was held of it stays."""
    absent: list[str] = []
    """Lists that are held and that the place does not have; they stay."""


def fetch_lists(hub: Hub, place: str) -> Fetched:
    """Bring the lists in the state directory to what a place has.

    Args:
        hub: The open state directory.
        place: A directory, ``package``, or the name of a source that is a MISP.

    Raises:
        UsageError: The place is none of them, or has no lists.
        SourceError: The MISP cannot be asked; lists that had come already are whole, and stay.
        StoreError: The state directory cannot be written.
        BusyError: Another Vedette is working.
    """
    with hub.working("updating warning lists"):
        held = dict(list_files(fetched_lists(hub.settings)))
        found = Fetched(place=place)
        seen: set[str] = set()
        for one in _lists(hub, place, held, found.broken):
            seen.add(one.name)
            _take(one, fetched_lists(hub.settings), held.get(one.name), found)
        if not seen and not found.broken:
            raise UsageError(
                f"there are no warning lists in {place}",
                hint="It must have directories with a list.json each, as MISP publishes them.",
            )
    found.absent = sorted(held.keys() - seen - found.broken.keys())
    log.info(
        "warninglist.fetched",
        place=place,
        changed=len(found.changed),
        unchanged=found.unchanged,
        broken=len(found.broken),
    )
    return found


def _lists(
    hub: Hub, place: str, held: Mapping[str, Path], broken: dict[str, str]
) -> Iterator[WarningList]:
    if place == "package":
        directory = package_lists()
        if directory is None:
            raise UsageError(
                f"the package {PACKAGE} is not installed here",
                hint=f"pip install {PACKAGE}, or: vedette warninglist update --from DIRECTORY",
            )
        return read_lists(list_files(directory), broken)
    if Path(place).expanduser().is_dir():
        return read_lists(list_files(Path(place).expanduser()), broken)
    record = next((one for one in hub.store.sources() if one.name == place), None)
    source = source_of(record) if record else None
    if isinstance(source, MispApi):
        return _from_misp(source, held, broken)
    what = f"'{place}' is a source that is no MISP" if source else f"there is no '{place}'"
    raise UsageError(
        f"{what}: warning lists come from a directory, the package, or a MISP",
        hint="--from DIRECTORY, --from package, or --from NAME of a source of kind misp.",
    )


def _from_misp(
    source: MispApi, held: Mapping[str, Path], broken: dict[str, str]
) -> Iterator[WarningList]:
    """The lists that are enabled on a MISP."""
    names = _Names(held)
    key = read_key(source.key_file)
    with MispClient(source.url, key, source, rate_limit_wait_s=source.rate_limit_wait_s) as client:
        rows = misp_lists.index(client)
        enabled = [row for row in rows if row.enabled]
        if not enabled:
            raise UsageError(
                f"none of the {len(rows)} warning lists of {source.name} is enabled",
                hint="Enable those that you trust in MISP, under List Warninglists.",
            )
        for row in enabled:
            name = names.of(row)
            try:
                yield _converted(name, misp_lists.view(client, row))
            except (ServerFailedError, BrokenListError) as error:
                broken[name] = str(error)


class _Names:
    """MISP's API knows a list's title alone; the directory is that of the same title."""

    def __init__(self, held: Mapping[str, Path]) -> None:
        self._names = dict(TITLES)
        self._names |= {one.title: one.name for one in read_lists(held, {})}
        self._given: set[str] = set()

    def of(self, row: misp_lists.ListRow) -> str:
        title = " ".join(row.name.split())
        name = self._names.get(title) or name_of(title)
        if name in self._given:
            name = f"{name}-{row.id}"
        self._given.add(name)
        return name


def _converted(name: str, document: misp_lists.ListDocument) -> WarningList:
    """A list as its file would have it.

    Raises:
        BrokenListError: It is of a type that we do not know.
    """
    try:
        kind = ListKind(document.type)
    except ValueError as error:
        raise BrokenListError(f"unknown type {document.type[:40]!r}") from error
    one = WarningList(
        name=name,
        title=document.name,
        kind=kind,
        version=str(document.version),
        members=document.values,
        attributes=tuple(item.type for item in document.attributes),
        description=document.description or "",
    )
    return read_list(name, write_list(one))


def _take(one: WarningList, directory: Path, path: Path | None, found: Fetched) -> None:
    """Write a list if it is another one than we hold, and not empty where ours is not."""
    before = next(iter(read_lists({one.name: path}, {})), None) if path else None
    entries = len(before.members) if before else -1
    if before and not one.members and before.members:
        found.broken[one.name] = f"empty, while {entries:,} entries are held"
        return
    data = write_list(one)
    if before and write_list(before) == data:
        found.unchanged += 1
        return
    target = directory / one.name
    try:
        target.mkdir(parents=True, exist_ok=True)
        write_atomically(target / _FILE, [data])
    except OSError as error:
        raise StoreError(
            f"cannot write the warning list {one.name} to {target}: {error.strerror}",
            hint="Make room, or let Vedette write its state directory, and update again.",
        ) from error
    change = ListChange(name=one.name, before=entries, after=len(one.members), version=one.version)
    found.changed.append(change)
    if change.shrank:
        log.warning("warninglist.shrank", list=one.name, before=change.before, after=change.after)
