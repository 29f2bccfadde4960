"""The fake MISP's ``/attributes`` and ``/objects``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vedette.testing.fake_misp import render
from vedette.testing.fake_misp.bulk import BulkEvent, bulk_page
from vedette.testing.fake_misp.call import (
    JSON,
    Call,
    Refusal,
    attribute_of,
    event_of,
    object_of,
    reply,
    saved,
    unwrapped,
)
from vedette.testing.fake_misp.model import FakeAttribute, FakeEvent
from vedette.testing.fake_misp.search import search_attributes, select_events
from vedette.testing.fake_misp.state import truth
from vedette.testing.loopback import Response


def search(call: Call) -> Any:  # noqa: ANN401
    """``attributes/restSearch``."""
    events = select_events(call.state, call.query)
    if (page := bulk_page(events, call.query)) is not None:
        body, count = page
        return Response(200, body, JSON, {"X-Result-Count": str(count)})
    for event in events:
        if isinstance(event, BulkEvent):
            event.materialize()
    found = search_attributes(call.state, call.query, unlimited_max=call.unlimited_max)
    rows = [
        render.found_attribute(
            attribute,
            event,
            event_tags=truth(call.query.get("includeEventTags")),
            event_uuid=truth(call.query.get("includeEventUuid")),
        )
        for event, attribute in found.rows
    ]
    headers = {
        "X-Result-Count": str(found.result_count),
        "X-Skipped-Elements-Count": str(found.skipped),
    }
    return reply({"response": {"Attribute": rows}}, headers)


def view_attribute(call: Call) -> Any:  # noqa: ANN401
    """``attributes/view/ID``."""
    _, attribute = attribute_of(call)
    return {"Attribute": render.attribute(attribute)}


def add_attribute(call: Call) -> Any:  # noqa: ANN401
    """``attributes/add/EVENT``: one, or a list."""
    event = event_of(call)
    many = call.items or [unwrapped(call, "Attribute")]
    added = [_add_one(call, event, data) for data in many]
    rendered = [render.attribute(item) for item in added]
    return {"Attribute": rendered if len(call.items) > 1 else rendered[0]}


def _add_one(call: Call, event: FakeEvent, data: Mapping[str, Any]) -> FakeAttribute:
    if any(
        (item.type, item.value) == (data.get("type"), data.get("value"))
        for item in event.live_attributes()
    ):
        raise Refusal(403, "Could not add Attribute: a similar attribute already exists")
    return call.state.add_attribute(event, data)


def edit_attribute(call: Call) -> Any:  # noqa: ANN401
    """``attributes/edit/ID``."""
    event, attribute = attribute_of(call)
    call.state.edit_attribute(event, attribute, unwrapped(call, "Attribute"))
    return {"Attribute": render.attribute(attribute)}


def delete_attribute(call: Call) -> Any:  # noqa: ANN401
    """``attributes/delete/ID``, soft or hard."""
    event, attribute = attribute_of(call)
    call.state.delete_attribute(event, attribute, hard=truth(call.query.get("hard")))
    return {"message": "Attribute deleted."}


def restore_attribute(call: Call) -> Any:  # noqa: ANN401
    """``attributes/restore/ID``."""
    event, attribute = attribute_of(call)
    call.state.restore_attribute(event, attribute)
    return {"Attribute": render.attribute(attribute)}


def view_object(call: Call) -> Any:  # noqa: ANN401
    """``objects/view/ID``."""
    event, item = object_of(call)
    return {"Object": render.obj(item, event)}


def add_object(call: Call) -> Any:  # noqa: ANN401
    """``objects/add/EVENT``."""
    event = event_of(call)
    item = call.state.add_object(event, unwrapped(call, "Object"))
    return {"Object": render.obj(item, event)}


def delete_object(call: Call) -> Any:  # noqa: ANN401
    """``objects/delete/ID``."""
    event, item = object_of(call)
    call.state.delete_object(event, item, hard=truth(call.query.get("hard")))
    return saved("Object deleted", call)
