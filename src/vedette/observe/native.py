"""The fold in C: the same results as ``PythonFold``, several times faster.

The library reads what is plain and hands every other line to ``Observer``, the reference. Where it
is missing (an installation from source without a C compiler), ``why_not`` says so.
"""

from __future__ import annotations

import ctypes
import ipaddress
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache

import pyarrow as pa

from vedette.fields import FIELDS
from vedette.observe import library
from vedette.observe.folded import OBSERVATIONS, SIGHTINGS, Folded, Hour
from vedette.observe.observing import Observed, Observer

_PADDING = b"\0 \t\r"
_HANDED_MAX = 4096
_CHUNK_BYTES = 1 << 30
"""Text of one Arrow column chunk: its offsets are 32 bits wide."""
_BYTES_OF_ROW = 256
"""More text than this a row counts as several rows: long values fill the memory."""
_PLACES = {"first_seen": "first_us", "last_seen": "last_us", "flow_id": "last", "key": "last"}
"""What columns are called in the library, if not the same."""


def why_not() -> str:
    """Return why the native fold cannot be used, for people; empty if it can."""
    return _load()[1]


@cache
def _load() -> tuple[ctypes.CDLL | None, str]:
    try:
        return library.load(), ""
    except OSError as error:
        return None, str(error)


class NativeFold:
    """Collects observations; see ``folded.Fold``."""

    def __init__(self, skip: Iterable[str] = (), home: Iterable[str] = ()) -> None:
        """Take the names of fields that are not wanted, and our own networks (CIDR).

        Raises:
            ValueError: A network is none.
            ImportError: There is no library; see ``why_not``.
        """
        skip, home = list(skip), list(home)
        self._observe = Observer(skip, home)
        loaded, reason = _load()
        if loaded is None:
            raise ImportError(reason)
        self._library = loaded
        names = _names(skip)
        networks = b"".join(map(_network, home))
        self._handed = (library.Line * _HANDED_MAX)()
        self._counts: Counter[str] = Counter()
        self._fold = loaded.vf_new(
            names, len(names), networks, len(networks) // library.NETWORK_SIZE, os.urandom(16)
        )
        if not self._fold:
            raise MemoryError

    def __del__(self) -> None:
        """Give the memory back."""
        if getattr(self, "_fold", None):
            self._library.vf_free(self._fold)

    def add(self, data: bytes) -> None:
        """Take in whole lines. Never raises for what a line holds: it is counted."""
        at, count = 0, ctypes.c_size_t()
        while at < len(data):
            at = self._library.vf_scan(
                self._fold, data, len(data), at, self._handed, _HANDED_MAX, ctypes.byref(count)
            )
            if at < 0:
                raise MemoryError
            for line in self._handed[: count.value]:
                self._read(data[line.offset : line.offset + line.length].strip(_PADDING))

    def _read(self, line: bytes) -> None:
        """Take in a line that the library does not understand."""
        if not line:
            return
        seen = self._observe(line)
        self._counts["lines"] += 1
        self._counts[seen.outcome] += 1
        self._counts.update(seen.also)
        if seen.time_us is not None:
            self._check(self._library.vf_count(self._fold, seen.time_us))
            self._put(seen, seen.time_us)

    def _put(self, seen: Observed, time_us: int) -> None:
        client, server = seen.client.encode(), seen.server.encode()
        for number, text in seen.values:
            value = text.encode()
            self._check(
                self._library.vf_put(
                    self._fold,
                    number,
                    value,
                    len(value),
                    client,
                    len(client),
                    server,
                    len(server),
                    time_us,
                    seen.flow_id,
                )
            )

    def __len__(self) -> int:
        """About how many rows have been collected: when to take."""
        rows: int = self._library.vf_rows(self._fold)
        size: int = self._library.vf_bytes(self._fold)
        return max(rows, size // _BYTES_OF_ROW)

    def take(self) -> Folded:
        """Return what was collected since the last call, and start afresh."""
        self._check(self._library.vf_sort(self._fold))
        folded = Folded(
            observations=self._table(OBSERVATIONS, self._library.vf_rows(self._fold)),
            sightings=self._table(SIGHTINGS, self._library.vf_sightings(self._fold)),
            hours=tuple(sorted(self._hours())),
            counts=self._all_counts(),
        )
        self._library.vf_clear(self._fold)
        self._counts.clear()
        return folded

    def _table(self, schema: pa.Schema, rows: int) -> pa.Table:
        return pa.Table.from_batches(self._batches(schema, rows), schema)

    def _batches(self, schema: pa.Schema, rows: int) -> Iterator[pa.RecordBatch]:
        sightings, start, sizes = schema is SIGHTINGS, 0, library.Sizes()
        while start < rows:
            count = self._library.vf_measure(
                self._fold, sightings, start, _CHUNK_BYTES, ctypes.byref(sizes)
            )
            columns = library.Columns()
            buffers = [_allocate(columns, field, count, sizes) for field in schema]
            self._library.vf_write(
                self._fold, sightings, start, start + count, ctypes.byref(columns)
            )
            arrays = [
                pa.Array.from_buffers(field.type, count, [None, *filled])
                for field, filled in zip(schema, buffers, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)
            start += count

    def _hours(self) -> Iterator[Hour]:
        count = self._library.vf_hours(self._fold, None, 0)
        hours = (library.Hour * count)()
        self._library.vf_hours(self._fold, hours, count)
        for hour in hours:
            yield Hour(hour.hour, hour.first_us, hour.last_us, hour.events)

    def _all_counts(self) -> dict[str, int]:
        native = library.Counts()
        self._library.vf_get_counts(self._fold, ctypes.byref(native))
        counts = self._counts.copy()
        for name in library.COUNTS:
            counts[name] += getattr(native, name)
        return {name: count for name, count in counts.items() if count}

    @staticmethod
    def _check(code: int) -> None:
        if code < 0:
            raise MemoryError


def _allocate(
    columns: library.Columns, field: pa.Field, rows: int, sizes: library.Sizes
) -> list[pa.Buffer]:
    """Return the buffers of a column, and tell the library where they are."""
    name = _PLACES.get(field.name, field.name)
    if not pa.types.is_string(field.type):
        values = pa.allocate_buffer(rows * field.type.bit_width // 8)
        setattr(columns, name, values.address)
        return [values]
    offsets = pa.allocate_buffer(rows * 4 + 4)
    texts = pa.allocate_buffer(getattr(sizes, name))
    setattr(columns, f"{name}_offsets", offsets.address)
    setattr(columns, name, texts.address)
    return [offsets, texts]


def _names(skip: Iterable[str]) -> ctypes.Array[ctypes.c_char_p]:
    """Return the names of the wanted fields, each at its number."""
    unwanted = frozenset(skip)
    count = 1 + max(field.number for field in FIELDS)
    names = (ctypes.c_char_p * count)()
    for field in FIELDS:
        if field.name not in unwanted:
            names[field.number] = field.name.encode()
    return names


def _network(text: str) -> bytes:
    network = ipaddress.ip_network(text)
    v4 = network.version == 4  # noqa: PLR2004
    mapped = b"\0" * 10 + b"\xff\xff" if v4 else b""
    bits = network.prefixlen + 8 * len(mapped)
    return mapped + network.network_address.packed + bytes((bits, v4))
