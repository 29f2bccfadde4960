"""Domains and hostnames: what a listed name above covers is left out, the rest is split into sets.

``domain`` matches the name and all below it, so a listed name below another one would only alert
twice. Both streams are sorted by ``reverse_key``: all below a name follow it directly.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import TypeAlias, TypeVar

from vedette.model import IndicatorType
from vedette.normalize import reverse_key
from vedette.ruleset.lines import Chunk
from vedette.ruleset.sets import LABELS_MAX, SetSpec
from vedette.ruleset.tally import Tally, Valued

FLUSH_EVERY = 1 << 13
DOTTED = SetSpec("domain")
HOSTNAMES = SetSpec("hostname")
TOO_MANY_LABELS = f"name of more than {LABELS_MAX} labels (before 8.0.7)"
_DOMAIN, _HOSTNAME = IndicatorType.DOMAIN, IndicatorType.HOSTNAME


V = TypeVar("V", bound=Valued)
Write: TypeAlias = Callable[[SetSpec, Sequence[V]], Iterable[Chunk]]
"""From the items of a set to lines of its file."""


def prune(domains: Iterable[V], hostnames: Iterable[V], tally: Tally) -> Iterator[V]:
    """Yield the names that no listed domain above covers, in the order of ``reverse_key``."""
    covered = "\0"
    for key, item in _merge(domains, hostnames):
        if key.startswith(covered):
            tally.pruned[item.type] += 1
            continue
        if item.type is _DOMAIN:
            covered = key
        yield item


def _merge(domains: Iterable[V], hostnames: Iterable[V]) -> Iterator[tuple[str, V]]:
    """Merge by key; each key ends with ``!``, so that "below or equal" is "starts with"."""
    others = iter(hostnames)
    other = next(others, None)
    other_key = reverse_key(other.value) + "!" if other is not None else ""
    for item in domains:
        key = reverse_key(item.value) + "!"
        while other is not None and other_key < key:
            yield other_key, other
            other = next(others, None)
            other_key = reverse_key(other.value) + "!" if other is not None else ""
        yield key, item
    while other is not None:
        yield reverse_key(other.value) + "!", other
        other = next(others, None)


def compile_names(
    kept: Iterable[V], forms: Collection[str], write: Write[V], tally: Tally
) -> Iterator[Chunk]:
    """Write names that :func:`prune` kept.

    Args:
        kept: The names, in order.
        forms: Which of ``dotted`` (domains for ``match subdomain``), ``labels`` (domains by number
            of labels) and ``exact`` (hostnames) to write.
        write: Makes lines of the items of one set.
        tally: Counts the names that no set can hold.
    """
    domains: list[V] = []
    hostnames: list[V] = []
    for number, item in enumerate(kept, 1):
        (hostnames if item.type is _HOSTNAME else domains).append(item)
        if not number % FLUSH_EVERY:
            yield from _write_all(domains, hostnames, forms, write, tally)
            domains.clear()
            hostnames.clear()
    yield from _write_all(domains, hostnames, forms, write, tally)


def _write_all(
    domains: list[V], hostnames: list[V], forms: Collection[str], write: Write[V], tally: Tally
) -> Iterator[Chunk]:
    if hostnames and "exact" in forms:
        yield from write(HOSTNAMES, hostnames)
    if domains and "dotted" in forms:
        yield from write(DOTTED, domains)
    if domains and "labels" in forms:
        counted: defaultdict[int, list[V]] = defaultdict(list)
        for item in domains:
            counted[item.value.count(".") + 1].append(item)
        for labels, items in counted.items():
            if labels > LABELS_MAX:
                tally.unmatched[TOO_MANY_LABELS] += len(items)
            else:
                yield from write(SetSpec("domain", f"l{labels}"), items)
