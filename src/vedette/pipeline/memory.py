"""What the network's memory can be asked, wherever it is kept.

The daemon owns the store, so a command either asks the daemon or opens the store itself
(:mod:`vedette.pipeline.pooling`): both are a :class:`Memory` and answer with the same records.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from vedette.model import Key
from vedette.pool.records import (
    Coverage,
    Cursor,
    Day,
    Expired,
    Found,
    NewSighting,
    Place,
    Prevalence,
    Sighting,
    TableSize,
    Wanted,
    Who,
)
from vedette.store.intake import InputTotals

if TYPE_CHECKING:
    import pyarrow as pa  # of the extra; commands start without it


class Status(Struct, frozen=True, kw_only=True):
    """How the memory is."""

    engine: str
    """In words: which engine, and where."""
    owner: str
    """Who has it open: ``this command``, or the daemon with its process id."""
    known: int
    """Distinct (field, value) pairs."""
    tables: tuple[TableSize, ...]
    inputs: tuple[InputTotals, ...]
    spool_files: int
    """Batches that were read and are not in the store yet."""
    spool_bytes: int
    damaged_files: int
    """Batches that could not be read back and were set aside; 0 is how it should be."""
    native: str
    """``yes``, or why the native reader is not in use."""
    coverage: Coverage


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
