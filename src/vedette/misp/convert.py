"""MISP attribute -> indicators: types from the buffers table, composites split, values normalized.

Whatever cannot become an indicator is yielded with its reason; nothing is dropped silently.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from vedette.buffers import UNMATCHABLE, misp_types
from vedette.errors import UnusableValueError
from vedette.misp.wire import Attribute, Event, Tag
from vedette.model import Context, Indicator, Rejected, Skipped
from vedette.normalize import normalize

REVISION = 2
"""Raise it when the same attribute becomes something else: it makes every event read again."""

TLP_ORDER = ("clear", "green", "amber", "amber+strict", "red")
"""From free to secret; ``white`` is the old name of ``clear``."""

_TLP_RANK: Mapping[str, int] = MappingProxyType(
    {f"tlp:{name}": rank for rank, name in enumerate(TLP_ORDER)} | {"tlp:white": 0}
)
_THREAT_LEVEL = MappingProxyType({"1": "high", "2": "medium", "3": "low"})
_PARTS = misp_types()
_VALUE_MAX = 200
_COMMENT_MAX = 500
_INFO_MAX = 500


def context_of(event: Event, key: str, *, base_url: str = "") -> Context:
    """What an event says about all its attributes.

    Args:
        event: The event.
        key: Its group key, the uuid.
        base_url: The MISP that a person can open it on; feeds have none.
    """
    tags = own_tags(event.tags)
    organisation = event.orgc or event.org
    return Context(
        key=key,
        info=" ".join((event.info or "").split())[:_INFO_MAX],
        organisation=(organisation.name or "") if organisation else "",
        tags=tags,
        tlp=tlp_of(tags),
        threat_level=_THREAT_LEVEL.get(str(event.threat_level_id), ""),
        date=event.date or "",
        url=f"{base_url.rstrip('/')}/events/view/{key}" if base_url else "",
    )


def own_tags(tags: list[Tag] | None) -> tuple[str, ...]:
    """Names of tags, without those that an attribute merely inherits from its event."""
    if not tags:
        return ()
    # A loop: of a million attributes nearly all have inherited tags only.
    names = []
    for tag in tags:
        if (not tag.inherited or tag.inherited == "0") and tag.name and tag.name not in names:
            names.append(tag.name)
    return tuple(names)


def tlp_of(tags: Iterable[str]) -> str:
    """The most restrictive TLP among tags, or ``""``."""
    ranks = [_TLP_RANK[tag] for name in tags if (tag := name.lower()) in _TLP_RANK]
    return TLP_ORDER[max(ranks)] if ranks else ""


def convert(
    attribute: Attribute, context: Context, *, changed: int = 0, expires: int = 0
) -> Iterator[Indicator | Rejected | Skipped]:
    """Yield what one attribute becomes: one item, or one for each usable part of a composite.

    Args:
        attribute: The attribute.
        context: Of its event.
        changed: When it was last changed or seen, see :func:`vedette.misp.times.last_change`.
        expires: From when on it is void, epoch seconds; 0: never.
    """
    parts = _PARTS.get(attribute.type)
    if parts is None:
        yield Skipped(_why_unmatchable(attribute.type))
        return
    whole = attribute.value if isinstance(attribute.value, str) else str(attribute.value)
    halves = whole.split("|", 1) if parts[0][0] else ()
    for part, indicator_type in parts:
        if part > len(halves):
            yield Rejected(whole[:_VALUE_MAX], _ref(attribute, context), "no '|' in composite")
            return
        text = halves[part - 1] if part else whole
        try:
            key = normalize(indicator_type, text)
        except UnusableValueError as error:
            yield Rejected(text[:_VALUE_MAX], _ref(attribute, context), str(error))
            continue
        yield Indicator(
            type=key.type,
            value=key.value,
            # Two events may list one value: without an id the event tells their claims apart.
            ref=attribute.uuid or context.key,
            context=context,
            comment=(attribute.comment or "")[:_COMMENT_MAX],
            tags=own_tags(attribute.tags),
            changed=changed,
            expires=expires,
        )


def _ref(attribute: Attribute, context: Context) -> str:
    return f"{context.key}/{attribute.uuid or ''}"


def _why_unmatchable(misp_type: str) -> str:
    if why := UNMATCHABLE.get(misp_type):
        return f"no engine can match {misp_type}: {why}"
    return f"unknown MISP type {misp_type[:64]}"
