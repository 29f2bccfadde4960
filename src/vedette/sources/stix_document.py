"""One STIX document, read once: what its indicators are, without a source to compare them with."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from msgspec import Raw

from vedette.model import Fetched, Item
from vedette.sources.stix_group import Groups, Notes, head_of, left_out
from vedette.stix.convert import Defaults
from vedette.stix.surroundings import CONTEXT, OBSERVABLE, Surroundings
from vedette.stix.wire import Head, WireError, split_objects


def bundle_items(document: bytes) -> Iterator[Item] | None:
    """Return what the indicators of a bundle are; None if the document is none."""
    try:
        objects = split_objects(document)
    except WireError:
        return None
    heads = [(head_of(raw), raw) for raw in objects]
    if not any("--" in head.id for head, _ in heads):
        return None
    around = Surroundings()
    newest: dict[str, str] = {}
    observables: Counter[str] = Counter()
    for head, raw in heads:
        if head.type in CONTEXT:
            around.take(head.type, raw)
        elif head.type == "indicator":
            newest[head.id] = max(newest.get(head.id, ""), head.version)
        elif head.type in OBSERVABLE:
            observables[head.type] += 1
    groups = Groups({}, Defaults(info="STIX"), around, stamp="", now=time.time())
    current = ((h, raw) for h, raw in heads if h.type == "indicator" and h.version == newest[h.id])
    return _without_ends(groups, current, left_out(around, observables))


def _without_ends(
    groups: Groups, objects: Iterable[tuple[Head, Raw]], skipped: Mapping[str, int]
) -> Iterator[Item]:
    for head, raw in objects:
        yield from (item for item in groups.group(head, raw) if not isinstance(item, Fetched))
    yield from (item for item in groups.end(Notes(), skipped) if not isinstance(item, Fetched))
