"""Whether a store holds what a MISP publishes: the MISP is read through PyMISP alone.

Nothing here shares code with ``vedette.misp``: another endpoint, another client, another table of
types. Values in such tests are already spelt as Vedette spells them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from vedette.model import IndicatorType
from vedette.store import Store

PARTS: Mapping[str, tuple[tuple[int, str], ...]] = MappingProxyType(
    {
        "domain": ((-1, "domain"),),
        "hostname": ((-1, "hostname"),),
        "ip-dst": ((-1, "ip-dst"),),
        "ip-src": ((-1, "ip-src"),),
        "filename": ((-1, "filename"),),
        "md5": ((-1, "md5"),),
        "sha256": ((-1, "sha256"),),
        "filename|md5": ((1, "md5"),),
        "filename|sha256": ((1, "sha256"),),
        "domain|ip": ((0, "domain"), (1, "ip-dst")),
        "hostname|port": ((0, "hostname"),),
        "ip-dst|port": ((-1, "ip-dst-port"),),
    }
)
"""MISP type -> which half of the value (-1: all of it) becomes what; other types become nothing."""


class Claim(NamedTuple):
    """One value of one attribute, with everything that is kept of it."""

    type: str
    value: str
    ref: str
    event: str
    comment: str
    tags: frozenset[str]
    event_tags: frozenset[str]
    info: str
    changed: int


class Searching(Protocol):
    """What is needed of ``pymisp.PyMISP``."""

    def search(self, controller: str, **query: Any) -> Any:  # noqa: ANN401
        """Search events or attributes."""


def published(client: Searching) -> set[Claim]:
    """What a MISP publishes for detection, as its events say through PyMISP."""
    found = client.search("events", published=True, pythonify=False)
    if not isinstance(found, list):
        raise TypeError(f"PyMISP answered {found}")
    return {claim for item in found for claim in claims_of(item["Event"])}


def claims_of(event: Mapping[str, Any]) -> Iterator[Claim]:
    """What one event in MISP's JSON becomes, published or not."""
    attributes = list(event.get("Attribute") or ())
    for item in event.get("Object") or ():
        if not item.get("deleted"):
            attributes += item.get("Attribute") or ()
    for attribute in attributes:
        if attribute.get("deleted") or not attribute["to_ids"]:
            continue
        for half, kind in PARTS.get(attribute["type"], ()):
            whole = str(attribute["value"])
            yield Claim(
                kind,
                whole.replace("|", ",") if half < 0 else whole.split("|", 1)[half],
                attribute["uuid"],
                event["uuid"],
                attribute["comment"],
                _names(attribute),
                _names(event),
                event["info"],
                max(int(attribute["timestamp"]), _seconds(attribute.get("last_seen"))),
            )


def held(store: Store, source: str) -> set[Claim]:
    """What the store says that one source lists."""
    return {
        Claim(
            kind.value,
            key.value,
            entry.ref,
            entry.context.key,
            entry.comment,
            frozenset(entry.tags),
            frozenset(entry.context.tags),
            entry.context.info,
            entry.changed,
        )
        for kind in IndicatorType
        for key, entries in store.entries.with_context(kind)
        for entry in entries
        if entry.source == source
    }


def _names(tagged: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(tag["name"] for tag in tagged.get("Tag") or () if not tag.get("inherited"))


def _seconds(moment: str | None) -> int:
    return int(datetime.fromisoformat(moment).timestamp()) if moment else 0
