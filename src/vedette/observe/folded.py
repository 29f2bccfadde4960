"""What folding a stretch of EVE gives: sorted Arrow tables, ready for the pool.

Both folds (Python's and the native one) make exactly the same tables from the same lines.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import pyarrow as pa

_TIME = pa.timestamp("us", tz="UTC")

OBSERVATIONS = pa.schema(
    [
        ("field", pa.string()),
        ("value", pa.string()),
        ("client", pa.string()),
        ("server", pa.string()),
        ("day", pa.date32()),
        ("first_seen", _TIME),
        ("last_seen", _TIME),
        ("count", pa.uint64()),
        ("flow_id", pa.uint64()),
    ]
)
"""One row per field, value, client, server and day (UTC), sorted by these, bytewise.

``flow_id`` is the greatest of the row's: one example to pivot from, whatever the order of arrival.
"""

SIGHTINGS = pa.schema(
    [
        ("field", pa.string()),
        ("value", pa.string()),
        ("first_seen", _TIME),
        ("client", pa.string()),
        ("server", pa.string()),
        ("last_seen", _TIME),
        ("count", pa.uint64()),
        ("key", pa.uint64()),
    ]
)
"""One row per field and value, sorted by these, bytewise. Client and server are those of the
earliest observation (the least of equals). ``key`` is xxHash64 of ``field``, a NUL byte and
``value``, as the engine's ``xxHash64(concat(field, '\\0', value))`` computes it.
"""


class Hour(NamedTuple):
    """Events of one hour, of every type that EVE has, as long as they have a time."""

    hour: int
    """Unix time of its start, in seconds."""
    first_us: int
    last_us: int
    events: int


class Folded(NamedTuple):
    """Everything that a stretch of lines said."""

    observations: pa.Table
    sightings: pa.Table
    hours: tuple[Hour, ...]
    counts: Mapping[str, int]
    """``lines``, ``events`` (with an observation), and what was not used by reason:
    ``malformed``, ``unexpected`` (a shape that no engine writes), ``untimed``, ``ignored`` (events
    of types in which nothing is remembered) and ``empty`` (of other types, without a value). These
    add up to ``lines``. Beside them: ``encoding`` (lines used with U+FFFD in them) and
    ``value.long``."""


class Fold(Protocol):
    """Collects observations until they are taken. Not shared between threads."""

    def add(self, data: bytes) -> None:
        """Take in whole lines. Never raises for what a line holds: it is counted."""
        ...

    def __len__(self) -> int:
        """About how many rows have been collected: when to take."""
        ...

    def take(self) -> Folded:
        """Return what was collected since the last call, and start afresh."""
        ...
