"""Pull a source into the store, or look at what would come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

import msgspec
import structlog

from vedette.errors import SourceError, UsageError, VedetteError
from vedette.model import (
    Broken,
    Fetched,
    Indicator,
    IndicatorType,
    Item,
    Rejected,
    Skipped,
    Unchanged,
)
from vedette.pipeline.hub import Hub
from vedette.sources import build
from vedette.sources.base import Source
from vedette.store import PullSummary, SourceRecord

log = structlog.get_logger(__name__)

_SAMPLES = 5


def source_of(record: SourceRecord) -> Source:
    """Make the source that a record of the store describes.

    Raises:
        UsageError: Its kind or settings mean nothing to this version.
    """
    return build(record.kind, {**record.settings, "name": record.name})


def pull(
    hub: Hub, name: str, *, accept: bool = False, tick: Callable[[], None] = lambda: None
) -> PullSummary:
    """Bring the store to what the source says now.

    Args:
        hub: The open state directory.
        name: The source.
        accept: Let the source shrink or grow as it did.
        tick: Called for every item, for a progress display.

    Raises:
        SourceError: The source could not be read to its end; its last good state stays.
        HeldError: It shrank by a third or grew beyond measure; its last good state stays.
        BusyError: Another Vedette is working.
    """
    hub.store.source(name)  # a wrong name is told at once, whoever works
    with hub.working(f"pulling {name}"):
        return pull_within(hub, name, accept=accept, tick=tick)


def pull_within(
    hub: Hub, name: str, *, accept: bool = False, tick: Callable[[], None] = lambda: None
) -> PullSummary:
    """Do what :func:`pull` does, for who holds the lock of :meth:`Hub.working` already."""
    record = hub.store.source(name)
    running = hub.store.pull(name, accept=accept)
    try:
        for item in _items(_usable(record), running.known()):
            running.take(item)
            tick()
    except SourceError as error:
        running.fail(str(error), error.hint)
        log.debug("source.failed", source=name, error=str(error))  # the caller says it
        raise
    summary = running.finish()
    hub.store.entries.forget_contexts()
    log.info(
        "source.pulled",
        source=name,
        outcome=summary.outcome,
        entries=summary.entries,
        added=summary.added,
        removed=summary.removed,
        rejected=sum(summary.rejected.values()),
    )
    return summary


def _usable(record: SourceRecord) -> Source:
    """Make a source of what was stored, perhaps by a version that was less strict.

    Raises:
        SourceError: It means nothing to this version.
    """
    try:
        return source_of(record)
    except UsageError as error:
        raise SourceError(
            str(error),
            hint="Its last good state stays in force. Set it right:"
            f" vedette source set {record.name} SETTING=VALUE",
        ) from error


def _items(source: Source, known: Mapping[str, str]) -> Iterator[Item]:
    """The plug-point: whatever a kind of source raises counts as a source that failed."""
    try:
        yield from source.fetch(known)
    except VedetteError:
        raise
    except Exception as error:
        raise SourceError(
            f"source '{source.name}' failed unexpectedly: {type(error).__name__}: {error}",
            hint="This is a fault in that kind of source; its last good state stays in force.",
        ) from error


class Preview(msgspec.Struct, kw_only=True):
    """What a source would bring, after its filters; nothing was saved."""

    source: str
    kind: str
    connection: dict[str, object] = {}
    """What the other side says of itself, where it does (a MISP: version, role)."""
    types: dict[str, int] = {}
    """Distinct indicators by type."""
    groups: int = 0
    rejected: dict[str, int] = {}
    skipped: dict[str, int] = {}
    broken: dict[str, str] = {}
    samples: dict[str, list[str]] = {}


def preview(source: Source, *, tick: Callable[[], None] = lambda: None) -> Preview:
    """Read a source to its end and count what would come.

    Raises:
        SourceError: It could not be read to its end.
    """
    found = Preview(source=source.name, kind=source.kind)
    check = getattr(source, "check", None)
    if callable(check):
        found.connection = check()
    seen: dict[IndicatorType, set[int]] = {}
    rejected: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    for item in _items(source, {}):
        tick()
        if isinstance(item, Indicator):
            values = seen.setdefault(item.type, set())
            # 8 bytes instead of the text: a million values fit in 60 MB
            values.add(hash(item.value))
            if len(samples := found.samples.setdefault(item.type.value, [])) < _SAMPLES:
                samples.append(item.value)
        elif isinstance(item, Rejected):
            rejected[item.reason] += 1
        elif isinstance(item, Skipped):
            skipped[item.reason] += item.count
        elif isinstance(item, Broken):
            found.broken[item.key] = item.reason
        elif isinstance(item, Fetched | Unchanged):
            found.groups += 1
    found.types = {kind.value: len(seen[kind]) for kind in IndicatorType if kind in seen}
    found.rejected = dict(rejected.most_common())
    found.skipped = dict(skipped.most_common())
    return found
