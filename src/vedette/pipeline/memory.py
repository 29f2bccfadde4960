"""What the network's memory can be asked, wherever it is kept.

The daemon owns the store, so a command either asks the daemon or opens the store itself
(:mod:`vedette.pipeline.pooling`): both are a :class:`Memory` and answer with the same records.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, Protocol

from msgspec import Struct

from vedette.model import Key
from vedette.pool.records import (
    Coverage,
    Day,
    Found,
    NewSighting,
    Prevalence,
    Sighting,
    Who,
)

if TYPE_CHECKING:
    import pyarrow as pa  # of the extra; commands start without it


class Place(NamedTuple):
    """A value where it was, or may have been, seen."""

    field: str
    value: str
    below: bool = False
    """Whether every name below it is meant too."""


class Wanted(Struct, frozen=True, kw_only=True):
    """Which sightings are asked for; what is empty does not matter."""

    fields: tuple[str, ...] = ()
    since: datetime | None = None
    """Of sightings: last seen then or later. Of new ones: came in then or later."""
    until: datetime | None = None
    """Of sightings: first seen before. Of new ones: came in before."""
    host: str = ""
    """One end, ours or theirs, within the retention; of new ones: of the first event."""
    sensor: str = ""
    contains: str = ""
    """A part of the value, whatever the case."""
    below: str = ""
    """A name: it and every name below it."""
    learning: bool = False
    """Of new ones: those of the learning period, too."""
    limit: int = 100
    """At most so many; 0: all."""


class Cursor(Struct, frozen=True, kw_only=True):
    """How far a reader of new sightings has come: what comes after it is unread."""

    found_at: datetime
    field: str
    value: str


class TableSize(Struct, frozen=True, kw_only=True):
    """What one table takes."""

    table: str
    rows: int
    """As stored: rows that are not merged yet count apiece."""
    bytes: int
    """On disk, compressed."""
    parts: int = 0


class Input(Struct, frozen=True, kw_only=True):
    """Where the reading of one input stands."""

    kind: str
    place: str
    sensor: str
    updated_at: datetime
    counts: dict[str, int]
    """``lines``, ``events`` and what was skipped, by reason."""


class Status(Struct, frozen=True, kw_only=True):
    """How the memory is."""

    engine: str
    """In words: which engine, and where."""
    owner: str
    """Who has it open: ``this command``, or the daemon with its process id."""
    known: int
    """Distinct (field, value) pairs."""
    tables: tuple[TableSize, ...]
    inputs: tuple[Input, ...]
    spool_files: int
    spool_bytes: int
    native: str
    """``yes``, or why the native reader is not in use."""
    coverage: Coverage


class Expired(Struct, frozen=True, kw_only=True):
    """What a run of the retention dropped."""

    partitions: tuple[str, ...]
    """Months that went whole, ``202601``."""
    rows: int
    bytes: int


class Memory(Protocol):
    """The questions. Contract test: tests/unit/pipeline/test_service.py, local and over the socket.

    Every method raises PoolError when the store cannot answer, and BusyError when its owner went
    away meanwhile.
    """

    def coverage(self) -> Coverage:
        """How much of the past the answers cover."""
        ...

    def status(self) -> Status:
        """Sizes, backlog, and where reading stands."""
        ...

    def sightings(self, wanted: Wanted) -> Iterator[Sighting]:
        """Sightings, the last seen first."""
        ...

    def seen(self, places: Sequence[Place]) -> list[Sighting]:
        """The sightings of these values, the earliest first; nothing for what was never seen."""
        ...

    def who(self, places: Sequence[Place], *, limit: int = 0) -> list[Who]:
        """Who showed these values and to whom, within the retention, the last seen first."""
        ...

    def days(self, places: Sequence[Place]) -> list[Day]:
        """The days on which any of these values was seen, within the retention, in order."""
        ...

    def new(self, wanted: Wanted, after: Cursor | None = None) -> Iterator[NewSighting]:
        """Values that nobody had seen before, in the order in which they came in."""
        ...

    def found(self, keys: Iterable[Key]) -> Iterator[Found]:
        """Which of any number of indicators the network has already met: one join."""
        ...

    def prevalence(self, keys: Iterable[Key], *, days: int) -> Iterator[Prevalence]:
        """How common each of any number of candidates is: one query."""
        ...

    def rows(self, table: str) -> Iterator[pa.RecordBatch]:
        """All of a table, merged, in the order of its key, in batches of bounded size."""
        ...

    def expire(self) -> Expired:
        """Drop the observations that the retention no longer keeps."""
        ...
