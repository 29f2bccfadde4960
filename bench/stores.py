"""Folded tables made without any EVE: to fill stores of tens of millions of keys in minutes.

Key number ``n`` always has the same field and value, so that lists of indicators that were seen, or
were not, can be made afterwards without a look into the store.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from bench.eve import START_S
from bench.eve_world import Numbers
from bench.names import made_up, real
from vedette.observe.folded import OBSERVATIONS, SIGHTINGS, Folded, Hour

MIX: Mapping[str, int] = {
    "dns.query": 34,
    "dns.response.rrname": 10,
    "dns.response.ip": 10,
    "tls.sni": 12,
    "tls.cert_fingerprint": 4,
    "http.host": 4,
    "http.url": 6,
    "filemd5": 4,
    "filesha256": 6,
    "ip.dst": 10,
}
"""Hundredths of all keys, by field."""

NAMES = ("dns.query", "dns.response.rrname", "tls.sni", "http.host")
HASHES: Mapping[str, int] = {"tls.cert_fingerprint": 40, "filemd5": 32, "filesha256": 64}

_DOMAINS = 300_000
_LEFT = pa.array(["www", "api", "cdn", "static", "img", "mail", "login", "edge", "m", "s3", "d"])
_DAY_S = 86_400
_SECOND_US = 1_000_000
_VALUES = 3.3  # remembered of an event on average, in the EVE of bench.eve
_FIELDS = pa.array(sorted(MIX))
_FIELD_OF = np.repeat([sorted(MIX).index(field) for field in MIX], list(MIX.values()))
_HEX = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
_TIME = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """How much is made, and in which pieces."""

    keys: int
    """Distinct (field, value) pairs in the end."""
    observations: int
    """Rows by field, value, client, server and day, but for a few that fall on one another."""
    batches: int
    days: int = 60
    hosts: int = 2_000
    head: int = 50_000
    """Keys that are met in every batch, again and again."""
    seed: int = 1
    first: int = 0
    """Number of the first key that is new in them; those before it may be met again."""


class Keys:
    """Values by number."""

    def __init__(self) -> None:
        listed = list(islice(real(), _DOMAINS)) or list(islice(made_up(), _DOMAINS))
        self._domains = pa.array(listed)

    def fields(self, numbers: Numbers) -> Numbers:
        """Return where the fields stand in the sorted list of fields."""
        found: Numbers = _FIELD_OF[numbers % len(_FIELD_OF)]
        return found

    def values(self, numbers: Numbers) -> pa.Array:
        """Return the values, each of its own spelling by field."""
        fields = self.fields(numbers)
        out = np.empty(len(numbers), dtype=object)
        for place, field in enumerate(_FIELDS.to_pylist()):
            chosen = np.flatnonzero(fields == place)
            if len(chosen):
                out[chosen] = self.of(field, numbers[chosen]).to_numpy(zero_copy_only=False)
        return pa.array(out, pa.string())

    def of(self, field: str, numbers: Numbers) -> pa.Array:
        """Return the values of keys that all belong to one field."""
        if field in HASHES:
            return _digests(numbers, HASHES[field])
        if field in {"dns.response.ip", "ip.dst"}:
            return _addresses(numbers)
        names = self._names(numbers)
        if field == "http.url":
            return pc.binary_join_element_wise(names, "/f/", _text(numbers), ".js", "")
        return names

    def domains(self, numbers: Numbers) -> pa.Array:
        """Return the domains that the names of these keys are below."""
        return self._domains.take(pa.array(_mixed(numbers) % len(self._domains)))

    def _names(self, numbers: Numbers) -> pa.Array:
        left = _LEFT.take(pa.array(_mixed(numbers) // 7 % len(_LEFT)))
        return pc.binary_join_element_wise(
            left, _text(numbers), pa.scalar("."), self.domains(numbers), ""
        )


def batches(rows: Rows, keys: Keys | None = None) -> Iterator[Folded]:
    """Yield batches as a fold gives them, day after day; the same for the same numbers."""
    keys = keys or Keys()
    rng = np.random.default_rng(rows.seed)
    clients = pa.array(sorted(f"10.0.{n // 250}.{n % 250 + 1}" for n in range(rows.hosts)))
    fresh = (rows.keys - rows.first) // rows.batches
    per_batch = rows.observations // rows.batches
    for batch in range(rows.batches):
        day = batch * rows.days // rows.batches
        first = rows.first + batch * fresh
        numbers = np.arange(first, first + fresh)
        head = min(rows.head, first)
        table = _sorted_keys(keys, np.concatenate([np.arange(head), numbers]))
        chosen = np.concatenate(
            [
                np.arange(head, head + fresh),
                _skewed(rng, head or fresh, per_batch - fresh),
            ]
        )
        yield _folded(table, chosen, clients, day, rng)


class _Table:
    """Keys of one batch in the order of their bytes."""

    def __init__(self, fields: Numbers, values: pa.Array, numbers: Numbers) -> None:
        order = pc.sort_indices(
            pa.table({"f": fields, "v": values.cast(pa.binary())}),
            sort_keys=[("f", "ascending"), ("v", "ascending")],
        ).to_numpy()
        self.fields = fields[order]
        self.values = values.take(pa.array(order))
        self.numbers = numbers[order]
        self.rank = np.empty(len(order), dtype=np.int64)
        self.rank[order] = np.arange(len(order))


def _sorted_keys(keys: Keys, numbers: Numbers) -> _Table:
    return _Table(keys.fields(numbers), keys.values(numbers), numbers)


def _skewed(rng: np.random.Generator, below: int, count: int) -> Numbers:
    """Positions of which the first ones come much more often."""
    return (below * rng.random(count) ** 2).astype(np.int64)


def _folded(
    table: _Table, chosen: Numbers, clients: pa.Array, day: int, rng: np.random.Generator
) -> Folded:
    """Rows for the chosen positions, each seen by some client on that day."""
    count = len(clients)
    pairs = np.unique(table.rank[chosen] * count + rng.integers(0, count, len(chosen)))
    key, client = pairs // count, pairs % count
    size = len(pairs)
    start = (START_S + day * _DAY_S) * _SECOND_US
    first = start + rng.integers(0, _DAY_S * _SECOND_US // 2, size)
    last = first + rng.integers(0, _DAY_S * _SECOND_US // 2, size)
    seen = rng.geometric(0.5, size).astype(np.uint64)
    columns: dict[str, Any] = {
        "field": _FIELDS.take(pa.array(table.fields[key])),
        "value": table.values.take(pa.array(key)),
        "client": clients.take(pa.array(client)),
        "server": _addresses(table.numbers[key] % 40_000),
        "day": pa.array(np.full(size, START_S // _DAY_S + day, dtype=np.int32)).cast(pa.date32()),
        "first_seen": pa.array(first).cast(_TIME),
        "last_seen": pa.array(last).cast(_TIME),
        "count": pa.array(seen),
        "flow_id": pa.array(rng.integers(1 << 40, 1 << 51, size).astype(np.uint64)),
    }
    observations = pa.table(columns, schema=OBSERVATIONS)
    sightings = _sightings(observations, key, first, last, seen)
    events = int(seen.sum() / _VALUES)
    counts = {"lines": events, "events": events}
    hour = Hour(start // _SECOND_US, int(first.min()), int(last.max()), counts["events"])
    return Folded(observations, sightings, (hour,), counts)


def _sightings(
    observations: pa.Table, key: Numbers, first: Numbers, last: Numbers, seen: Numbers
) -> pa.Table:
    starts = np.flatnonzero(np.r_[True, key[1:] != key[:-1]])
    # Rows of one key are ordered by client, so the first of equally early ones is the least.
    earliest = np.lexsort((np.arange(len(key)), first, key))[starts]
    picked = observations.take(pa.array(earliest))
    fields, values = picked["field"].to_pylist(), picked["value"].to_pylist()
    hashes = [
        xxhash.xxh64_intdigest(f"{field}\0{value}".encode())
        for field, value in zip(fields, values, strict=True)
    ]
    return pa.table(
        {
            "field": picked["field"],
            "value": picked["value"],
            "first_seen": picked["first_seen"],
            "client": picked["client"],
            "server": picked["server"],
            "last_seen": pa.array(np.maximum.reduceat(last, starts)).cast(_TIME),
            "count": pa.array(np.add.reduceat(seen, starts)),
            "key": pa.array(hashes, pa.uint64()),
        },
        schema=SIGHTINGS,
    )


def _mixed(numbers: Numbers) -> Numbers:
    """Numbers in disorder: neighbours are far apart."""
    mixed: Numbers = numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return (mixed >> np.uint64(20)).astype(np.int64)


def _text(numbers: Numbers) -> pa.Array:
    return pa.array(numbers).cast(pa.string())


def _addresses(numbers: Numbers) -> pa.Array:
    """Addresses, another one for each number below 2**29, all of them public."""
    bits = numbers.astype(np.uint64) * np.uint64(2_654_435_761) & np.uint64(0x1FFF_FFFF)
    parts = [bits >> np.uint64(shift) & np.uint64(0xFF) for shift in (16, 8, 0)]
    first = (bits >> np.uint64(24)) + np.uint64(32)
    return pc.binary_join_element_wise(*map(_text, (first, *parts)), ".")


def _digests(numbers: Numbers, digits: int) -> pa.Array:
    """Digests: as random as real ones, the same for the same number."""
    count, words = len(numbers), digits // 16 + 1
    mixed: Numbers = numbers.astype(np.uint64)[:, None] * np.uint64(words) + np.arange(
        words, dtype=np.uint64
    )
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ mixed >> np.uint64(shift)) * np.uint64(factor)
    octets = mixed.view(np.uint8).reshape(count, -1)[:, : digits // 2]
    text = np.stack([_HEX[octets >> 4], _HEX[octets & 15]], axis=2).reshape(-1)
    offsets = np.arange(count + 1, dtype=np.int32) * np.int32(digits)
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(text))
