"""JSON sets (8.x): each entry with a short context, which the engine copies into the alert.

One hard rule: a line that the engine cannot take ends the load, silently and with all lines behind
it. So a line is at most ``LINE_MAX`` bytes, has no NUL, and no value stands twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from vedette.buffers import Dataset, Encoding
from vedette.model import Entry, IndicatorType
from vedette.ruleset.addresses import expand
from vedette.ruleset.lines import Chunk, encode, entry, long_digest
from vedette.ruleset.names import compile_names, prune
from vedette.ruleset.sets import SetSpec
from vedette.ruleset.strings import BATCH
from vedette.ruleset.tally import Claimed, Tally

CONTEXT_KEY = "vedette"
"""Alerts carry it at ``alert.context.vedette``."""
LINE_MAX = 1000
"""Measured on 8.0.7: over 1,013 bytes the alert has no context, over 1,022 the load ends."""

_TLP = ("", "clear", "white", "green", "amber", "amber+strict", "red")
_INFO_MIN = 24


class _Line(msgspec.Struct, omit_defaults=True, kw_only=True):
    v: str
    source: str = ""
    event: str = ""
    info: str = ""
    tags: list[str] = []
    tlp: str = ""


_encoder = msgspec.json.Encoder()


def compile_names_with_context(
    domains: Iterable[Claimed], hostnames: Iterable[Claimed], forms: Iterable[str]
) -> Iterator[Chunk]:
    """Write the sets of names; what is pruned or has no set was counted for the plain ones."""
    tally = Tally()
    kept = prune(domains, hostnames, tally)
    yield from compile_names(kept, set(forms), lambda spec, items: [_write(spec, items)[0]], tally)


def compile_with_context(dataset: Dataset, claimed: Iterable[Claimed]) -> Iterator[Chunk]:
    """Write one dataset's values; what a line cannot hold goes to ``long``, without context."""
    spec = SetSpec(dataset.name)
    too_large: set[str] = set()
    batch: list[Claimed] = []
    for item in claimed:
        batch.append(item)
        if len(batch) == BATCH:
            yield from _batch(spec, batch, too_large)
            batch.clear()
    yield from _batch(spec, batch, too_large)
    if too_large:
        yield encode(SetSpec(dataset.name, "long", context=True), sorted(too_large))


def compile_addresses_with_context(dataset: Dataset, claimed: Iterable[Claimed]) -> Iterator[Chunk]:
    """Write addresses; those of small networks carry what is said about their networks."""
    found: dict[str, list[Entry]] = {}
    for item in claimed:
        for address in expand(item.value) if "/" in item.value else (item.value,):
            found[address] = [*found.get(address, ()), *item.entries]
    spec = SetSpec(dataset.name)
    kind = IndicatorType(spec.indicator_type)
    items = [Claimed(kind, address, found[address]) for address in sorted(found)]
    if items:
        yield _write(spec, items)[0]


def line(value: str, claims: Sequence[Entry]) -> bytes:
    """Return the line of an entry, shortened until the engine takes it.

    Returns:
        The line, or nothing where even the entry alone is too large.
    """
    if "\0" in value:
        return b""
    record = _record(value, claims)
    for shorten in (_keep, _cut_info, _cut_tags, _cut_claims, _cut_all):
        shorten(record)
        if len(text := _encoder.encode(record)) <= LINE_MAX:
            return text
    return b""


def _record(value: str, claims: Sequence[Entry]) -> _Line:
    contexts = [claim.context for claim in claims]
    tags = [tag for claim in claims for tag in (*claim.context.tags, *claim.tags)]
    return _Line(
        v=value,
        source=_joined(claim.source for claim in claims),
        event=_joined(context.key for context in contexts),
        info=next((_clean(context.info) for context in contexts if context.info), ""),
        tags=[_clean(tag) for tag in dict.fromkeys(tags)],
        tlp=max((context.tlp for context in contexts), key=_strictness, default=""),
    )


def _joined(words: Iterable[str]) -> str:
    return ",".join(_clean(word) for word in dict.fromkeys(words) if word)


def _clean(text: str) -> str:
    return text.replace("\0", "")


def _strictness(tlp: str) -> int:
    return _TLP.index(tlp) if tlp in _TLP else 0


def _keep(record: _Line) -> None:
    """Try it whole."""


def _cut_info(record: _Line) -> None:
    """Keep as much of the info as fits, but not less than its beginning."""
    info, low, high = record.info, _INFO_MIN, len(record.info)
    while low < high:
        middle = (low + high + 1) // 2
        record.info = info[:middle] + "…"
        if len(_encoder.encode(record)) <= LINE_MAX:
            low = middle
        else:
            high = middle - 1
    record.info = info if low >= len(info) else info[:low] + "…"


def _cut_tags(record: _Line) -> None:
    while record.tags and len(_encoder.encode(record)) > LINE_MAX:
        record.tags = record.tags[: len(record.tags) * 3 // 4]


def _cut_claims(record: _Line) -> None:
    """Keep the first source and event; info goes."""
    record.source = record.source.partition(",")[0]
    record.event = record.event.partition(",")[0]
    record.info = ""


def _cut_all(record: _Line) -> None:
    record.source = record.event = record.tlp = ""


def _batch(spec: SetSpec, batch: Sequence[Claimed], too_large: set[str]) -> Iterator[Chunk]:
    if batch:
        chunk, missing = _write(spec, batch)
        too_large.update(map(long_digest, missing))
        if chunk.entries:
            yield chunk


def _write(spec: SetSpec, items: Sequence[Claimed]) -> tuple[Chunk, list[str]]:
    """Return the lines of a set, and the entries that no line can hold."""
    lines: list[bytes] = []
    missing: list[str] = []
    size = 0
    mapped = spec.source.encoding is not Encoding.PLAIN
    for item in items:
        value = entry(spec, item.value) if mapped else item.value
        if text := line(value, item.entries):
            lines.append(text)
            size += len(text) + len(value.encode())
        else:
            missing.append(value)
    data = b"".join([text + b"\n" for text in lines])
    return Chunk(spec._replace(context=True), data, len(lines), size), missing
