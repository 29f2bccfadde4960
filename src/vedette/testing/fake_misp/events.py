"""The fake MISP's ``/events`` and its blocklist."""

from __future__ import annotations

from typing import Any

from vedette.testing.fake_misp import render
from vedette.testing.fake_misp.bulk import BulkEvent
from vedette.testing.fake_misp.call import (
    Call,
    Refusal,
    event_of,
    page_of,
    reply,
    saved,
    unwrapped,
)
from vedette.testing.fake_misp.memory import truth
from vedette.testing.fake_misp.model import FakeEvent
from vedette.testing.fake_misp.search import (
    ATTRIBUTE_FILTERS,
    deleted,
    matching,
    select_events,
)
from vedette.testing.fake_misp.terms import terms
from vedette.testing.loopback import Response

_INDEX_NAMES = {
    "datefrom": "from",
    "dateuntil": "to",
    "threatlevel": "threat_level_id",
    "timestamp": "event_timestamp",
}
"""The index has names of its own for some filters."""
_SORTED_BY = ("id", "date", "info", "timestamp", "publish_timestamp", "threat_level_id")


def index(call: Call) -> Any:  # noqa: ANN401
    """``events/index``, with its ``minimal`` form; without a limit it is everything."""
    query = {_INDEX_NAMES.get(name, name): value for name, value in call.query.items()}
    events = [
        event
        for event in select_events(call.state, query, call.user)
        if _is_in_index(event, query) and _has_value(call, event, query.get("attribute"))
    ]
    if query.get("sort") in _SORTED_BY:
        events.sort(
            key=lambda event: getattr(event, str(query["sort"])),
            reverse=str(query.get("direction", "asc")).lower() == "desc",
        )
    events = page_of(events, query)
    if truth(query.get("minimal")):
        return [render.minimal_row(event) for event in events]
    return [call.view.index_row(event) for event in events]


def _is_in_index(event: FakeEvent, query: dict[str, Any]) -> bool:
    """The filters that only the index has."""
    names = [tag.name for tag in event.tags]
    for name, values in (
        ("tags", names),
        ("distribution", [event.distribution]),
        ("analysis", [event.analysis]),
    ):
        if (asked := terms(query.get(name))) is not None and not asked.allow_any(values):
            return False
    if text := str(query.get("all") or "").strip("%").lower():
        values = [item.value for item in event.attributes.values()]
        return any(text in one.lower() for one in (event.info, *names, *values))
    return True


def _has_value(call: Call, event: FakeEvent, value: object) -> bool:
    return value is None or any(matching(call.view, event, {"value": value}))


def view_event(call: Call) -> Any:  # noqa: ANN401
    """``events/view/ID``."""
    event = event_of(call)
    gone = call.query.get("deleted") or call.named.get("deleted")
    return {"Event": call.view.event(event, deleted=bool(gone))}


def search_events(call: Call) -> Response:
    """``events/restSearch``: whole events; ``timestamp`` is the event's here."""
    query = dict(call.query)
    if query.get("timestamp") not in (None, ""):
        query["event_timestamp"] = query.pop("timestamp")
    events = select_events(call.state, query, call.user)
    events = page_of([event for event in events if _is_wanted(call, event, query)], query)
    if truth(query.get("metadata")):
        found = [call.view.event_head(event) for event in events]
    else:
        found = [_whole(call, event) for event in events]
    answer = {"response": [{"Event": event} for event in found]}
    return reply(answer, {"X-Result-Count": str(len(events))})


def _is_wanted(call: Call, event: FakeEvent, query: dict[str, Any]) -> bool:
    asked = {name for name in ATTRIBUTE_FILTERS if query.get(name) not in (None, "")}
    if (uuids := terms(query.get("uuid"))) is not None and not uuids.allow_any([event.uuid]):
        asked.add("uuid")
    if (tags := terms(query.get("tags"))) is not None and not tags.allow_any(
        tag.name for tag in event.tags
    ):
        asked.add("tags")
    if not asked:
        return True
    if isinstance(event, BulkEvent):
        event.materialize(call.state)
    return any(matching(call.view, event, query))


def _whole(call: Call, event: FakeEvent) -> dict[str, Any]:
    if isinstance(event, BulkEvent):
        event.materialize(call.state)
    return call.view.event(event, deleted=True in deleted(call.query.get("deleted")))


def add_event(call: Call) -> Any:  # noqa: ANN401
    """``events/add``."""
    data = unwrapped(call, "Event")
    if not data.get("info"):
        raise Refusal(403, "Could not add Event")
    if data.get("uuid") and call.state.event(data["uuid"]):
        raise Refusal(403, "Event already exists, if you would like to edit it, use the url")
    if data.get("uuid") in call.state.blocklist:
        raise Refusal(403, "Event blocked by event blocklist.")
    return {"Event": call.view.event(call.state.add_event(data, call.user.org))}


def edit_event(call: Call) -> Any:  # noqa: ANN401
    """``events/edit/ID``."""
    event = event_of(call, edit=True)
    call.state.edit_event(event, unwrapped(call, "Event"))
    return {"Event": call.view.event(event)}


def delete_event(call: Call) -> Any:  # noqa: ANN401
    """``events/delete/ID``."""
    call.state.delete_event(event_of(call, edit=True))
    return saved("Event deleted.", call)


def publish(call: Call) -> Any:  # noqa: ANN401
    """``events/publish/ID`` and ``events/alert/ID``."""
    call.state.publish(event_of(call, edit=True))
    return saved("Job queued", call)


def unpublish(call: Call) -> Any:  # noqa: ANN401
    """``events/unpublish/ID``."""
    call.state.unpublish(event_of(call, edit=True))
    return saved("Event unpublished.", call)


def list_blocklist(call: Call) -> Any:  # noqa: ANN401
    """``eventBlocklists/index``: what was deleted, for administrators only."""
    return [{"EventBlocklist": entry} for entry in call.state.blocklist.values()]


def delete_from_blocklist(call: Call) -> Any:  # noqa: ANN401
    """``eventBlocklists/delete/UUID``: the event may come again."""
    for key, entry in call.state.blocklist.items():
        if call.ref in {key, entry["id"]}:
            del call.state.blocklist[key]
            return saved("Blocklist entry removed", call)
    raise Refusal(404, "Invalid blocklist entry")
