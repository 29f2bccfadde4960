"""The next state of sets from the last one and the keys that changed, without reading all keys.

One hard rule: the result is byte for byte what a full compilation writes (property test). A change
of a name may uncover or cover all names below it, so names are edited in regions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from vedette.buffers import ROWS
from vedette.model import IndicatorType, Key
from vedette.normalize import ancestors
from vedette.ruleset.compiler import encode_keys
from vedette.ruleset.lines import encode, long_digest, name_key, order, value_bytes
from vedette.ruleset.names import DOTTED, HOSTNAMES, compile_names, prune
from vedette.ruleset.sets import LABELS_MAX, SetSpec
from vedette.ruleset.strings import is_long
from vedette.ruleset.tally import Indicators, Tally

_DOMAIN, _HOSTNAME = IndicatorType.DOMAIN, IndicatorType.HOSTNAME
_STEPS = 4  # lines looked at one by one before the end of a region is searched


class Edit(NamedTuple):
    """What shall stand in a file from one key up to another."""

    low: bytes
    high: bytes
    """The first key behind."""
    data: bytes


class Piece(NamedTuple):
    """A part of the old file that is replaced."""

    start: int
    end: int
    data: bytes


class Spliced(NamedTuple):
    """How a file changes."""

    pieces: Sequence[Piece]
    entries: int
    """More (or fewer) than before."""
    value_bytes: int

    def chunks(self, old: bytes) -> Iterator[bytes]:
        """Yield the new content."""
        at = 0
        for start, end, data in self.pieces:
            yield old[at:start]
            yield data
            at = end
        yield old[at:]


class _Region(NamedTuple):
    """A name, and what shall be there of it and of all below it."""

    name: str
    data: Mapping[SetSpec, bytes]


def edit_names(
    changed: Collection[Key], indicators: Indicators, forms: Collection[str], tally: Tally
) -> dict[SetSpec, list[Edit]]:
    """Return the edits of all sets of names, sorted by place.

    Args:
        changed: Domains and hostnames that came or went, or may have.
        indicators: The state now.
        forms: As for :func:`vedette.ruleset.names.compile_names`.
        tally: Counts as there.
    """
    tops = _topmost(key.value for key in changed if key.type is _DOMAIN)
    below_tops = set(tops)
    hostnames = [
        key.value
        for key in changed
        if key.type is _HOSTNAME and below_tops.isdisjoint((key.value, *ancestors(key.value)))
    ]
    listed = indicators.listed(_asked(tops, hostnames))
    regions = [_Region(top, _region(top, listed, indicators, forms, tally)) for top in tops]
    edits: defaultdict[SetSpec, list[Edit]] = defaultdict(list)
    for region in regions:
        for spec in _specs(region.name, forms):
            edits[spec].append(_region_edit(region, spec))
    for name in hostnames:
        covered = any(Key(_DOMAIN, above) in listed for above in (name, *ancestors(name)))
        present = Key(_HOSTNAME, name) in listed and not covered
        edits[HOSTNAMES].append(_point(HOSTNAMES, name_key(name), name, present=present))
    for found in edits.values():
        found.sort()
    return dict(edits)


def edit_strings(
    kind: IndicatorType, changed: Collection[str], indicators: Indicators
) -> dict[SetSpec, list[Edit]]:
    """Return the edits of the sets of a type of single values, sorted by place."""
    spec = SetSpec(ROWS[kind].datasets[0].name)
    listed = indicators.listed(Key(kind, value) for value in changed)
    edits: defaultdict[SetSpec, list[Edit]] = defaultdict(list)
    for value in changed:
        present = Key(kind, value) in listed
        if spec.format == "base64" and is_long(value):
            long, values = spec._replace(role="long"), SetSpec(kind.value, "values")
            digest = long_digest(value)
            edits[long].append(_point(long, digest.encode(), digest, present=present))
            edits[values].append(_point(values, value.encode(), value, present=present))
        else:
            edits[spec].append(_point(spec, _key(spec, value), value, present=present))
    for found in edits.values():
        found.sort()
    return dict(edits)


def splice(spec: SetSpec, old: bytes, edits: Iterable[Edit]) -> Spliced | None:
    """Find what the edits change in a file's lines (without the canary's); None for nothing."""
    key_of = order(spec)
    pieces: list[Piece] = []
    entries = size = at = 0
    for low, high, data in edits:
        at = _find(old, low, at, len(old), key_of)
        end = _end(old, high, at, key_of)
        if (gone := old[at:end]) != data:
            pieces.append(Piece(at, end, data))
            entries += data.count(b"\n") - gone.count(b"\n")
            size += value_bytes(spec, data) - value_bytes(spec, gone)
        at = end
    return Spliced(pieces, entries, size) if pieces else None


def _topmost(names: Iterable[str]) -> list[str]:
    """Return the names of which no other is above, in order."""
    tops: list[str] = []
    covered = b""
    for key, name in sorted((name_key(name) + b"!", name) for name in set(names)):
        if not covered or not key.startswith(covered):
            tops.append(name)
            covered = key
    return tops


def _asked(tops: Iterable[str], hostnames: Iterable[str]) -> set[Key]:
    asked: set[Key] = set()
    for name in (*tops, *hostnames):
        asked.add(Key(_HOSTNAME, name))
        asked.add(Key(_DOMAIN, name))
        asked.update(Key(_DOMAIN, above) for above in ancestors(name))
    return asked


def _region(
    top: str,
    listed: Collection[Key],
    indicators: Indicators,
    forms: Collection[str],
    tally: Tally,
) -> dict[SetSpec, bytes]:
    if any(Key(_DOMAIN, above) in listed for above in ancestors(top)):
        kept: Iterable[Key] = ()
    elif (own := Key(_DOMAIN, top)) in listed:
        kept = (own,)
    else:
        below = list(indicators.descendants(top))
        domains = [key for key in below if key.type is _DOMAIN]
        hostnames = [key for key in below if key.type is _HOSTNAME]
        same = [own] if (own := Key(_HOSTNAME, top)) in listed else []
        kept = prune(domains, same + hostnames, Tally())
    data: defaultdict[SetSpec, bytes] = defaultdict(bytes)
    for chunk in compile_names(kept, forms, encode_keys, tally):
        data[chunk.spec] += chunk.data
    return data


def _specs(name: str, forms: Collection[str]) -> Iterator[SetSpec]:
    """Yield the sets that can hold a name or one below it."""
    yield HOSTNAMES
    if "dotted" in forms:
        yield DOTTED
    if "labels" in forms:
        for labels in range(name.count(".") + 1, LABELS_MAX + 1):
            yield SetSpec("domain", f"l{labels}")


def _region_edit(region: _Region, spec: SetSpec) -> Edit:
    key = name_key(region.name)
    return Edit(key, key + b'"', region.data.get(spec, b""))  # the character after "!"


def _point(spec: SetSpec, key: bytes, value: str, *, present: bool) -> Edit:
    return Edit(key, key + b"\0", encode(spec, [value]).data if present else b"")


def _key(spec: SetSpec, value: str) -> bytes:
    return order(spec)(encode(spec, [value]).data)


def _find(data: bytes, key: bytes, low: int, high: int, key_of: Callable[[bytes], bytes]) -> int:
    """Return where the first line with a key of at least ``key`` begins, by bisection."""
    while low < high:
        middle = (low + high) // 2
        start = data.rfind(b"\n", low, middle) + 1 or low
        end = data.find(b"\n", middle, high) + 1
        if key_of(data[start:end]) < key:
            low = end
        else:
            high = start
    return low


def _end(data: bytes, key: bytes, at: int, key_of: Callable[[bytes], bytes]) -> int:
    """Like :func:`_find`, for a key that is near in most cases."""
    for _ in range(_STEPS):
        end = data.find(b"\n", at) + 1
        if not end or key_of(data[at:end]) >= key:
            return at
        at = end
    return _find(data, key, at, len(data), key_of)
