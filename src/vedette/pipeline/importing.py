"""Keep what a person took out of a report as a source of its own, and say what that changes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import structlog

from vedette.config import parse_duration
from vedette.errors import SourceError, StoreError, UsageError
from vedette.model import Key
from vedette.pipeline.hub import Hub
from vedette.pipeline.pulling import pull_within
from vedette.sources.imported import Imported, Row, Taken, read_rows, write_import
from vedette.store import PullSummary
from vedette.store.records import check_name

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What an import would change of an earlier one with the same name."""

    is_new: bool
    added: tuple[Key, ...]
    removed: tuple[Key, ...]


def difference(hub: Hub, name: str, keys: Iterable[Key]) -> Difference:
    """Compare with what was taken under this name before.

    Raises:
        UsageError: The name cannot be one, or is that of another kind of source.
    """
    check_name("source", name)
    wanted = dict.fromkeys(keys)
    before: set[Key] = set()
    record = next((one for one in hub.store.sources() if one.name == name), None)
    if record is not None:
        if record.kind != Imported.kind:
            raise UsageError(
                f"'{name}' is a source of kind {record.kind} already",
                hint="Choose another name with --name.",
            )
        before = _keys(_place(hub, name))
    return Difference(
        is_new=record is None,
        added=tuple(key for key in wanted if key not in before),
        removed=tuple(sorted(before - wanted.keys())),
    )


def take(hub: Hub, name: str, taken: Taken, rows: Iterable[Row]) -> PullSummary:
    """Keep values as a source of this name, in place of what it had.

    Raises:
        UsageError: The name cannot be one.
        StoreError: The file cannot be written.
        BusyError: Another Vedette is working; nothing was taken.
    """
    check_name("source", name)
    with hub.working(f"importing {name}"):
        _write(_place(hub, name), taken, rows)
        if all(record.name != name for record in hub.store.sources()):
            settings = {"location": str(_place(hub, name))}
            interval_s = parse_duration(hub.settings.run.interval)
            hub.store.add_source(name, Imported.kind, settings, interval_s)
        summary = pull_within(hub, name, accept=True)
    log.info("import.taken", source=name, entries=summary.entries)
    return summary


def _write(path: Path, taken: Taken, rows: Iterable[Row]) -> None:
    try:
        path.parent.mkdir(mode=0o750, exist_ok=True)
        write_import(path, taken, rows)
    except OSError as error:
        raise StoreError(
            f"cannot write {path}: {error.strerror}", hint="Make room, or let us write there."
        ) from error


def remove(hub: Hub, name: str) -> int:
    """Forget a source of any kind, and the file of what was taken if it is an import.

    Returns:
        How many entries it had.

    Raises:
        UsageError: There is no such source.
        StoreError: The file cannot be removed; the source is gone all the same.
        BusyError: Another Vedette is working.
    """
    with hub.working(f"removing source {name}"):
        kind = hub.store.source(name).kind
        entries = hub.store.remove_source(name)
        if kind == Imported.kind:
            path = _place(hub, name)
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise StoreError(
                    f"'{name}' is gone, but not {path}: {error.strerror}", hint="Remove it by hand."
                ) from error
    return entries


def _place(hub: Hub, name: str) -> Path:
    return hub.settings.state_dir.absolute() / "imports" / f"{name}.jsonl"


def _keys(path: Path) -> set[Key]:
    try:
        _taken, rows = read_rows(path)
    except (OSError, SourceError):
        return set()
    return {Key(row.type, row.value) for row in rows}
