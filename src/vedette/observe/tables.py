"""Observations in columns of numbers: grouped, sorted, and made into Arrow tables.

Values and addresses are numbers here; only the order of their texts is needed, and each distinct
text is looked at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

from vedette.observe.folded import OBSERVATIONS, SIGHTINGS

DAY_US = 86_400_000_000
_TIME = pa.timestamp("us", tz="UTC")

Integers = npt.NDArray[np.int64]
Unsigned = npt.NDArray[np.uint64]


class Rows(NamedTuple):
    """Columns of equal length, each row one observation or several with the same first three."""

    key: Integers
    """Number of a field and value."""
    ends: Integers
    """Number of a client and server."""
    day: Integers
    """Days since 1970."""
    first_us: Integers
    last_us: Integers
    events: Integers
    flow_id: Unsigned


_NOTHING: Integers = np.empty(0, np.int64)
NO_ROWS = Rows(
    key=_NOTHING,
    ends=_NOTHING,
    day=_NOTHING,
    first_us=_NOTHING,
    last_us=_NOTHING,
    events=_NOTHING,
    flow_id=np.empty(0, np.uint64),
)


class Keys(NamedTuple):
    """Fields and values, sorted by both."""

    names: Sequence[str]
    """Fields in order."""
    fields: Integers
    """For each value, the position of its field."""
    values: Sequence[bytes]
    """As UTF-8."""


class Ends(NamedTuple):
    """Clients and servers, sorted by both."""

    clients: Sequence[str]
    servers: Sequence[str]


def single(key: Integers, ends: Integers, time_us: Integers, flow_id: Unsigned) -> Rows:
    """Return one row for each observation."""
    return Rows(key, ends, time_us // DAY_US, time_us, time_us, np.ones_like(time_us), flow_id)


def joined(one: Rows, other: Rows) -> Rows:
    """Return the rows of both."""
    return Rows(*(np.concatenate(columns) for columns in zip(one, other, strict=True)))


def grouped(rows: Rows) -> Rows:
    """Return the rows sorted by key, ends and day, those that are equal in these as one."""
    if not len(rows.key):
        return rows
    order = _order(rows)
    key, ends, day = rows.key[order], rows.ends[order], rows.day[order]
    starts = _starts(key, ends, day)
    return Rows(
        key[starts],
        ends[starts],
        day[starts],
        np.minimum.reduceat(rows.first_us[order], starts),
        np.maximum.reduceat(rows.last_us[order], starts),
        np.add.reduceat(rows.events[order], starts),
        np.maximum.reduceat(rows.flow_id[order], starts),
    )


def observations(rows: Rows, keys: Keys, ends: Ends) -> pa.Table:
    """Return grouped rows, whose numbers are positions in ``keys`` and ``ends``, as a table."""
    columns = [
        *_named(keys, rows.key),
        *_between(ends, rows.ends),
        _numbers(pa.date32(), rows.day.astype(np.int32)),
        _numbers(_TIME, rows.first_us),
        _numbers(_TIME, rows.last_us),
        _numbers(pa.uint64(), rows.events),
        _numbers(pa.uint64(), rows.flow_id),
    ]
    return pa.Table.from_arrays(columns, schema=OBSERVATIONS)


def sightings(rows: Rows, keys: Keys, ends: Ends) -> pa.Table:
    """Return one row for each key of grouped rows, all of which have some."""
    if not len(rows.key):
        return SIGHTINGS.empty_table()
    starts = _starts(rows.key)
    first_us = np.minimum.reduceat(rows.first_us, starts)
    lengths = np.diff(starts, append=len(rows.key))
    # The ends are in order within a key: its first row as early as the earliest has the least.
    earliest = np.flatnonzero(rows.first_us == np.repeat(first_us, lengths))
    who = rows.ends[earliest[np.searchsorted(earliest, starts)]]
    columns = [
        *_named(keys, rows.key[starts]),
        _numbers(_TIME, first_us),
        *_between(ends, who),
        _numbers(_TIME, np.maximum.reduceat(rows.last_us, starts)),
        _numbers(pa.uint64(), np.add.reduceat(rows.events, starts)),
        _numbers(pa.uint64(), _hashes(keys)),
    ]
    return pa.Table.from_arrays(columns, schema=SIGHTINGS)


def _named(keys: Keys, positions: Integers) -> tuple[pa.Array, pa.Array]:
    """Return fields and values."""
    names = _texts(keys.names).take(_numbers(pa.int64(), keys.fields[positions]))
    return names, _array(keys.values).take(_numbers(pa.int64(), positions))


def _between(ends: Ends, positions: Integers) -> tuple[pa.Array, pa.Array]:
    """Return clients and servers."""
    taken = _numbers(pa.int64(), positions)
    return _texts(ends.clients).take(taken), _texts(ends.servers).take(taken)


def _hashes(keys: Keys) -> Unsigned:
    digest = xxhash.xxh64_intdigest
    prefixes = [f"{name}\0".encode() for name in keys.names]
    pairs = zip(keys.fields.tolist(), keys.values, strict=True)
    hashes = (digest(prefixes[field] + value) for field, value in pairs)
    return np.fromiter(hashes, np.uint64, len(keys.values))


def _order(rows: Rows) -> Integers:
    spans = [int(column.max()) + 1 for column in (rows.key, rows.ends, rows.day)]
    if spans[0] * spans[1] * spans[2] <= np.iinfo(np.int64).max:
        return np.argsort((rows.key * spans[1] + rows.ends) * spans[2] + rows.day)
    return np.lexsort((rows.day, rows.ends, rows.key))


def _starts(*columns: Integers) -> Integers:
    """Return where a row differs from the one before in any column."""
    differs = np.ones(len(columns[0]), dtype=bool)
    differs[1:] = False
    for column in columns:
        differs[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(differs)


def _texts(texts: Sequence[str]) -> pa.Array:
    return _array([text.encode() for text in texts])


def _array(encoded: Sequence[bytes]) -> pa.Array:
    """Return texts as an array; ``pa.array`` would import pandas, half a second and 60 MB."""
    offsets = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)), out=offsets[1:])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded))]
    large = pa.Array.from_buffers(pa.large_string(), len(encoded), buffers)
    return large.cast(pa.string())


def _numbers(kind: pa.DataType, numbers: npt.NDArray[np.generic]) -> pa.Array:
    return pa.Array.from_buffers(kind, len(numbers), [None, pa.py_buffer(numbers)])
