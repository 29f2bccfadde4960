"""The fake MISP's ``/events``."""

from __future__ import annotations

from typing import Any

from vedette.testing.fake_misp import render
from vedette.testing.fake_misp.bulk import BulkEvent
from vedette.testing.fake_misp.call import Call, Refusal, event_of, saved, unwrapped
from vedette.testing.fake_misp.model import FakeEvent
from vedette.testing.fake_misp.search import select_events
from vedette.testing.fake_misp.state import truth


def index(call: Call) -> Any:  # noqa: ANN401
    """``events/index``, with its ``minimal`` form."""
    events = select_events(call.state, call.query)
    if limit := int(call.query.get("limit") or 0):
        start = (max(int(call.query.get("page") or 1), 1) - 1) * limit
        events = events[start : start + limit]
    row = render.minimal_row if truth(call.query.get("minimal")) else render.index_row
    return [row(event) for event in events]


def view_event(call: Call) -> Any:  # noqa: ANN401
    """``events/view/ID``."""
    event = event_of(call)
    deleted = call.query.get("deleted") or call.named.get("deleted")
    return {"Event": render.event(event, deleted=bool(deleted))}


def search_events(call: Call) -> Any:  # noqa: ANN401
    """``events/restSearch``."""
    events = select_events(call.state, call.query)
    limit = int(call.query.get("limit") or 0)
    if limit:
        start = (max(int(call.query.get("page") or 1), 1) - 1) * limit
        events = events[start : start + limit]
    form = render.event_head if truth(call.query.get("metadata")) else _whole
    return {"response": [{"Event": form(event)} for event in events]}


def add_event(call: Call) -> Any:  # noqa: ANN401
    """``events/add``."""
    data = unwrapped(call, "Event")
    if not data.get("info"):
        raise Refusal(403, "Could not add Event")
    if data.get("uuid") and call.state.event(data["uuid"]):
        raise Refusal(403, "Event already exists, if you would like to edit it, use the url")
    return {"Event": render.event(call.state.add_event(data))}


def edit_event(call: Call) -> Any:  # noqa: ANN401
    """``events/edit/ID``."""
    event = event_of(call)
    call.state.edit_event(event, unwrapped(call, "Event"))
    return {"Event": render.event(event)}


def delete_event(call: Call) -> Any:  # noqa: ANN401
    """``events/delete/ID``."""
    call.state.delete_event(event_of(call))
    return saved("Event deleted.", call)


def publish(call: Call) -> Any:  # noqa: ANN401
    """``events/publish/ID`` and ``events/alert/ID``."""
    call.state.publish(event_of(call))
    return saved("Job queued", call)


def unpublish(call: Call) -> Any:  # noqa: ANN401
    """``events/unpublish/ID``."""
    call.state.unpublish(event_of(call))
    return saved("Event unpublished.", call)


def _whole(event: FakeEvent) -> dict[str, Any]:
    if isinstance(event, BulkEvent):
        event.materialize()
    return render.event(event)
