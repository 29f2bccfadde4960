"""memcap and hashsize of a dataset: arithmetic on measured costs, never over an engine's cap.

One hard rule: an entry over memcap makes the engine answer "data added" and forget another one,
so what is published, and what is added over the socket, must fit by calculation.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from vedette.buffers import DatasetType

HASHSIZE_CAP = 65536
"""``datasets.limits.single-hashsize`` of 8.x as shipped; 7.0.9 and later allow 262144."""
_HASHSIZE_MIN = 1024
_BUCKET_BYTES = 64
_MIB = 1 << 20
_ENTRY_BYTES: Mapping[DatasetType, int] = MappingProxyType(
    {
        # The dearer engine of 7.0.10 and 8.0.7; of strings 8.x also counts the bytes.
        DatasetType.STRING: 104,
        DatasetType.IP: 104,
        DatasetType.MD5: 104,
        DatasetType.SHA256: 120,
    }
)


class Size(NamedTuple):
    """What stands in the rule."""

    memcap_bytes: int
    hashsize: int


def used_bytes(kind: DatasetType, entries: int, value_bytes: int, hashsize: int) -> int:
    """Return what the engine counts against memcap.

    Args:
        kind: The dataset's type.
        entries: Number of entries.
        value_bytes: Bytes of all values of a string set, plus their JSON in a JSON set.
        hashsize: Buckets.
    """
    return _BUCKET_BYTES * hashsize + entries * _ENTRY_BYTES[kind] + value_bytes


def fits(n: int, value_bytes: int, memcap: int, hashsize: int, kind: DatasetType) -> bool:
    """Whether ``n`` entries of ``value_bytes`` in all fit, on every engine."""
    return used_bytes(kind, n, value_bytes, hashsize) <= memcap


def size(kind: DatasetType, entries: int, value_bytes: int, previous: Size | None = None) -> Size:
    """Choose memcap and hashsize with a quarter of room for additions over the socket.

    The size of the previous generation stays while it leaves at least 10 % of room and is at most
    four times too large: a rule's text should not change because a list grew a little.
    """
    hashsize = min(HASHSIZE_CAP, max(_HASHSIZE_MIN, _next_power(entries)))
    wanted = _need(kind, entries, value_bytes, hashsize, 125)
    if previous is not None:
        least = _need(kind, entries, value_bytes, previous.hashsize, 110)
        enough = previous.memcap_bytes >= least and previous.hashsize * 2 >= hashsize
        modest = previous.memcap_bytes <= 4 * wanted and previous.hashsize <= 4 * hashsize
        if enough and modest and previous.hashsize <= HASHSIZE_CAP:
            return previous
    return Size(_round_up(wanted), hashsize)


def _need(kind: DatasetType, entries: int, value_bytes: int, hashsize: int, percent: int) -> int:
    fixed = used_bytes(kind, 0, 0, hashsize)
    return fixed + (used_bytes(kind, entries, value_bytes, 0) * percent + 99) // 100 + _MIB


def _next_power(number: int) -> int:
    return 1 << max(0, number - 1).bit_length()


def _round_up(size_bytes: int) -> int:
    """Round up to MiB in steps of a quarter of the power of two below (8, 10, 12, 14, 16, 20)."""
    mib = -(-size_bytes // _MIB)
    step = max(1, (1 << (mib.bit_length() - 1)) // 4)
    return -(-mib // step) * step * _MIB
