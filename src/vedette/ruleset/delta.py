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
from vedette.ruleset.sets import SetSpec
from vedette.ruleset.strings import is_long
from vedette.ruleset.tally import Indicators, Tally

_DOMAIN, _HOSTNAME = IndicatorType.DOMAIN, IndicatorType.HOSTNAME
_FIRST_STEP = 32  # bytes; a little more than a line


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
    changed: Collection[Key],
    indicators: Indicators,
    forms: Collection[str],
    existing: Collection[SetSpec],
    tally: Tally,
) -> dict[SetSpec, list[Edit]]:
    """Return the edits of all sets of names, sorted by place.

    Args:
        changed: Domains and hostnames that came or went, or may have.
        indicators: The state now.
        forms: As for :func:`vedette.ruleset.names.compile_names`.
        existing: The sets of the last state.
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
    touched = {s for s in existing if s == DOTTED or (s.labels and not s.context)}
    touched.update([HOSTNAMES], *(region.data for region in regions))
    for spec in touched:
        edits[spec] = [
            _region_edit(region, spec)
            for region in regions
            if not spec.labels or spec.labels > region.name.count(".")
        ]
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
        at = _find(old, low, at, key_of)
        end = _find(old, high, at, key_of)
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


def _region_edit(region: _Region, spec: SetSpec) -> Edit:
    key = name_key(region.name)
    return Edit(key, key + b'"', region.data.get(spec, b""))  # the character after "!"


def _point(spec: SetSpec, key: bytes, value: str, *, present: bool) -> Edit:
    return Edit(key, key + b"\0", encode(spec, [value]).data if present else b"")


def _key(spec: SetSpec, value: str) -> bytes:
    return order(spec)(encode(spec, [value]).data)


def _find(data: bytes, key: bytes, at: int, key_of: Callable[[bytes], bytes]) -> int:
    """Return where the first line from ``at`` on with a key of at least ``key`` begins.

    Edits are sorted, so the place is looked for from the last one on, in doubling steps, and then
    by bisection.
    """
    low, high, step = at, len(data), _FIRST_STEP
    while low + step < high:
        start, end = _line_at(data, low + step, low, high)
        if key_of(data[start:end]) >= key:
            high = start
            break
        low = end
        step *= 2
    while low < high:
        start, end = _line_at(data, (low + high) // 2, low, high)
        if key_of(data[start:end]) < key:
            low = end
        else:
            high = start
    return low


def _line_at(data: bytes, place: int, low: int, high: int) -> tuple[int, int]:
    """Return where the line around a place begins and ends."""
    return data.rfind(b"\n", low, place) + 1 or low, data.find(b"\n", place, high) + 1
