"""Sets whose entries are single values: strings, certificates, file hashes.

A string that 7.0 cannot read whole from a file goes, as its MD5, into a ``long`` set beside: there
the rule hashes the buffer first. All profiles share it, so that all share the files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from vedette.buffers import LIST_STRING_MAX, Dataset, DatasetType
from vedette.model import Key
from vedette.ruleset.lines import Chunk, encode, long_digest
from vedette.ruleset.sets import SetSpec

BATCH = 1 << 13
_LONG_SUSPECT = LIST_STRING_MAX // 4  # characters; UTF-8 has at most four bytes for one


def is_long(value: str) -> bool:
    """Whether 7.0 would cut the string into pieces."""
    return len(value) > _LONG_SUSPECT and len(value.encode()) > LIST_STRING_MAX


def compile_strings(dataset: Dataset, keys: Iterable[Key]) -> Iterator[Chunk]:
    """Write one dataset's values, in their order; long ones last, sorted by their MD5."""
    spec = SetSpec(dataset.name)
    may_be_long = dataset.type is DatasetType.STRING
    long: list[str] = []
    values = (key.value for key in keys)
    while batch := list(islice(values, BATCH)):
        if may_be_long and max(map(len, batch)) > _LONG_SUSPECT:
            long += filter(is_long, batch)
            batch = [value for value in batch if not is_long(value)]
        if batch:
            yield encode(spec, batch)
    yield from compile_long(spec, long)


def compile_long(spec: SetSpec, values: list[str]) -> Iterator[Chunk]:
    """Write long values as MD5, and, for the diff, as themselves."""
    if values:
        digests = sorted({long_digest(value) for value in values})
        yield encode(spec._replace(role="long"), digests)
        yield encode(SetSpec(spec.indicator_type, "values"), values)
