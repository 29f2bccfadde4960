"""From the indicators in force to the lines of all sets, as a stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from vedette.buffers import ROWS, Row
from vedette.model import IndicatorType, Key
from vedette.ruleset.addresses import compile_addresses, compile_ports
from vedette.ruleset.context import (
    compile_addresses_with_context,
    compile_names_with_context,
    compile_with_context,
)
from vedette.ruleset.engine import Target
from vedette.ruleset.lines import Chunk, encode
from vedette.ruleset.names import compile_names, prune
from vedette.ruleset.sets import SetSpec, buffers_for, has_context
from vedette.ruleset.strings import compile_strings
from vedette.ruleset.tally import Claimed, Indicators, Tally
from vedette.ruleset.urls import compile_urls

NAMES = (IndicatorType.DOMAIN, IndicatorType.HOSTNAME)
_ADDRESSES = (IndicatorType.IP_DST, IndicatorType.IP_SRC)
_PORTS = (IndicatorType.IP_DST_PORT, IndicatorType.IP_SRC_PORT)


def name_forms(targets: Iterable[Target]) -> frozenset[str]:
    """Return the forms of names that these targets need."""
    return frozenset({"exact", *("dotted" if t.match_subdomain else "labels" for t in targets)})


def compile_all(indicators: Indicators, targets: Sequence[Target], tally: Tally) -> Iterator[Chunk]:
    """Yield the lines of all sets without context; one set's chunks are in its file's order."""
    yield from compile_all_names(indicators, targets, tally)
    for kind in IndicatorType:
        if kind not in NAMES:
            yield from compile_type(kind, indicators, targets, tally)


def compile_all_names(
    indicators: Indicators, targets: Sequence[Target], tally: Tally
) -> Iterator[Chunk]:
    """Yield the lines of the sets of names."""
    domains, hostnames = (_counted(indicators.keys(kind), tally) for kind in NAMES)
    kept = prune(domains, hostnames, tally)
    yield from compile_names(kept, name_forms(targets), encode_keys, tally)


def compile_type(
    kind: IndicatorType, indicators: Indicators, targets: Sequence[Target], tally: Tally
) -> Iterator[Chunk]:
    """Yield the lines of the sets of one type that is not a name."""
    row = ROWS[kind]
    wanted = _datasets(row, targets)
    keys = _counted(indicators.keys(kind), tally)
    if kind is IndicatorType.URL:
        yield from compile_urls(keys, wanted)
    elif not wanted:
        for _ in keys:
            pass  # counted: the coverage page shows what no profile can match
    elif kind in _PORTS:
        yield from compile_ports(row.datasets[0], keys, tally)
    elif kind in _ADDRESSES:
        yield from compile_addresses(row.datasets[0], keys, tally)
    else:
        yield from compile_strings(row.datasets[0], keys)


def compile_context(indicators: Indicators, targets: Sequence[Target]) -> Iterator[Chunk]:
    """Yield the lines of the JSON sets, if any target wants context."""
    wanting = [target for target in targets if target.context]
    if not wanting:
        return
    domains, hostnames = (_claimed(indicators, kind) for kind in NAMES)
    yield from compile_names_with_context(domains, hostnames, name_forms(wanting))
    for kind, row in ROWS.items():
        dataset = row.datasets[0]
        if kind in NAMES or not has_context(dataset) or dataset.name not in _datasets(row, wanting):
            continue
        compile_one = compile_addresses_with_context if kind in _ADDRESSES else compile_with_context
        yield from compile_one(dataset, _claimed(indicators, kind))


def _datasets(row: Row, targets: Sequence[Target]) -> list[str]:
    """Return the names of the row's datasets that any target's engine can compare."""
    return [
        dataset.name
        for dataset in row.datasets
        if any(True for target in targets for _ in buffers_for(dataset, target))
    ]


def _counted(keys: Iterator[Key], tally: Tally) -> Iterator[Key]:
    count = 0
    kind: IndicatorType | None = None
    for key in keys:
        count += 1
        kind = key.type
        yield key
    if kind is not None:
        tally.listed[kind] += count


def _claimed(indicators: Indicators, kind: IndicatorType) -> Iterator[Claimed]:
    return (Claimed(*key, entries) for key, entries in indicators.with_context(kind))


def encode_keys(spec: SetSpec, keys: Sequence[Key]) -> Iterator[Chunk]:
    """Write the keys of one set as lines."""
    yield encode(spec, [key.value for key in keys])
