"""A STIX indicator -> our items: its values, with what the object and its surroundings say.

Whatever cannot become an indicator is yielded with its reason; nothing is dropped silently.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from vedette.errors import UnusableValueError
from vedette.model import Context, Indicator, Rejected, Skipped
from vedette.normalize import normalize
from vedette.stix.patterns import Refused, Unmatched, Value, meanings
from vedette.stix.surroundings import TLP_ORDER, Surroundings, tlp_in
from vedette.stix.wire import IndicatorObject, WireError, seconds

REVISION = 1
"""Raise it when the same object becomes something else: it makes every object be read again."""

REVOKED = "revoked"
NOT_YET = "not valid yet"
BENIGN = "indicates something benign"

_TEXT_MAX = 500
_SHOWN = 200
_TAGS_MAX = 50
_CONFIDENCE_MAX = 100


class Defaults(Struct, frozen=True, kw_only=True):
    """What an operator says about all objects of a source."""

    info: str
    """For an indicator without name, description and anything that it indicates."""
    tags: tuple[str, ...] = ()
    tlp: str = ""
    """Where no marking says one."""


def starts(indicator: IndicatorObject, now: float) -> int:
    """Return from when on an indicator holds, epoch seconds; 0 if it does already.

    Raises:
        WireError: Its ``valid_from`` is no time.
    """
    start = seconds(indicator.valid_from)
    return start if start > now else 0


def context_of(
    indicator: IndicatorObject, surroundings: Surroundings, defaults: Defaults
) -> Context:
    """What is said about all values of an indicator."""
    indicated = surroundings.indicated(indicator.id)
    labels = indicator.labels or []
    tags = (
        *defaults.tags,
        *indicated,
        *labels,
        *(f"indicator-type:{kind}" for kind in indicator.indicator_types or ()),
        *(
            f"kill-chain:{phase.kill_chain_name}:{phase.phase_name}"
            for phase in indicator.kill_chain_phases or ()
        ),
    )
    urls = (reference.url or "" for reference in indicator.external_references or ())
    tlps = [surroundings.tlp(indicator.object_marking_refs or ()), *map(tlp_in, labels)]
    info = _line(indicator.name) or _line(indicator.description) or ", ".join(indicated)
    return Context(
        key=indicator.id,
        info=info or defaults.info,
        organisation=surroundings.organisation(indicator.created_by_ref),
        tags=tuple(dict.fromkeys(text for tag in tags if (text := _line(tag)[:_SHOWN])))[
            :_TAGS_MAX
        ],
        tlp=max(tlps, key=_rank) or defaults.tlp,
        date=(indicator.created or "")[:10],
        url=next((url for url in urls if url.startswith(("http://", "https://"))), ""),
    )


def convert(
    indicator: IndicatorObject, context: Context, *, now: float
) -> Iterator[Indicator | Rejected | Skipped]:
    """Yield what one object becomes.

    Raises:
        WireError: One of its times is none.
    """
    if reason := _left_out(indicator, now):
        yield Skipped(reason)
        return
    changed = seconds(indicator.modified)
    expires = seconds(indicator.valid_until)
    said = indicator.confidence
    for meaning in meanings(indicator.pattern):
        if isinstance(meaning, Unmatched):
            yield Skipped(f"no engine can match {meaning.path}")
        elif isinstance(meaning, Refused):
            yield Rejected(meaning.text[:_SHOWN], indicator.id, meaning.reason)
        else:
            yield _indicator(
                meaning,
                context,
                comment=_line(indicator.description),
                changed=changed,
                expires=expires,
                confidence=-1 if said is None else int(min(max(said, 0), _CONFIDENCE_MAX)),
            )


def _left_out(indicator: IndicatorObject, now: float) -> str:
    """Why an object has no values to look for, or ``""``."""
    if indicator.revoked:
        return REVOKED
    if "benign" in (*(indicator.indicator_types or ()), *(indicator.labels or ())):
        return BENIGN
    if (indicator.pattern_type or "stix").lower() != "stix":
        return f"pattern of type {_line(indicator.pattern_type)[:40]}"
    if not indicator.pattern:
        raise WireError("no pattern")
    return NOT_YET if starts(indicator, now) else ""


def _indicator(
    meaning: Value, context: Context, *, comment: str, changed: int, expires: int, confidence: int
) -> Indicator | Rejected:
    try:
        key = normalize(meaning.type, meaning.text)
    except UnusableValueError as error:
        return Rejected(meaning.text[:_SHOWN], context.key, str(error))
    return Indicator(
        type=key.type,
        value=key.value,
        ref=context.key,
        context=context,
        comment=comment,
        changed=changed,
        expires=expires,
        confidence=confidence,
    )


def _rank(tlp: str) -> int:
    return TLP_ORDER.index(tlp) if tlp else -1


def _line(text: str | None) -> str:
    return " ".join((text or "").split())[:_TEXT_MAX]
