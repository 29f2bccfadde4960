"""MISP's JSON, pasted or saved: what it says with types is not guessed from its text."""

from __future__ import annotations

from collections.abc import Iterator

from vedette.misp.convert import context_of, convert
from vedette.misp.wire import WireError, read_event, split_events
from vedette.model import Indicator, Rejected, Skipped

NOT_FOR_DETECTION = "to_ids is false"


def misp_items(document: bytes) -> Iterator[Indicator | Rejected | Skipped] | None:
    """Return what the attributes of MISP events are; None if there is no event in the document."""
    try:
        events = split_events(document)
    except WireError:
        return None
    return (item for raw in events for item in _items(bytes(raw)))


def _items(raw: bytes) -> Iterator[Indicator | Rejected | Skipped]:
    try:
        event, misfits = read_event(raw)
    except WireError as error:
        yield Rejected(raw[:80].decode(errors="replace"), "an event", str(error))
        return
    context = context_of(event, event.uuid or "")
    for misfit in misfits:
        yield Rejected(misfit.value, misfit.uuid, misfit.reason)
    for attribute in event.all_attributes():
        if attribute.to_ids:
            yield from convert(attribute, context)
        else:
            yield Skipped(NOT_FOR_DETECTION)
