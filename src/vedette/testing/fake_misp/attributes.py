"""The fake MISP's ``/attributes`` and ``/objects``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vedette.testing.fake_misp import render
from vedette.testing.fake_misp.bulk import BulkEvent
from vedette.testing.fake_misp.call import (
    JSON,
    Call,
    Refusal,
    attribute_of,
    event_of,
    object_of,
    page_of,
    reply,
    saved,
    unwrapped,
)
from vedette.testing.fake_misp.formats import FORMATS, RESTRICTED, TooMuchError
from vedette.testing.fake_misp.memory import truth
from vedette.testing.fake_misp.model import FakeAttribute, FakeEvent
from vedette.testing.fake_misp.search import (
    Row,
    matching,
    scores,
    search_attributes,
    select_events,
)
from vedette.testing.loopback import Response


def search(call: Call) -> Response:
    """``attributes/restSearch``."""
    form = str(call.query.get("returnFormat") or "json")
    if form != "json" and form not in FORMATS:
        raise Refusal(404, "Invalid output format.")
    query = {**({"to_ids": 1, "published": 1} if form in RESTRICTED else {}), **call.query}
    events = select_events(call.state, query, call.user)
    if form == "json" and (page := call.bulk.page(events, query)) is not None:
        body, count = page
        headers = {"X-Result-Count": str(count), "X-Skipped-Elements-Count": "0"}
        return Response(200, body, JSON, headers)
    for event in events:
        if isinstance(event, BulkEvent):
            event.materialize(call.state)
    found = search_attributes(call.view, query, unlimited_max=call.unlimited_max)
    if form != "json":
        return _formatted(form, found.rows, query, found.headers)
    rows = [_row(call, row) for row in found.rows]
    return reply({"response": {"Attribute": rows}}, found.headers)


def _formatted(
    form: str, rows: list[Row], query: Mapping[str, Any], headers: Mapping[str, str]
) -> Response:
    try:
        content_type, text = FORMATS[form](rows, query)
    except TooMuchError as error:
        raise Refusal(500, "An Internal Error Has Occurred.") from error
    return Response(200, text.encode(), content_type, headers)


def _row(call: Call, row: Row) -> dict[str, Any]:
    """One attribute with everything that the query asked to have with it."""
    event, item = row
    query, state = call.query, call.state
    decay = truth(query.get("includeDecayScore"))
    context = truth(query.get("includeContext"))
    fields = call.view.found_attribute(
        item,
        event,
        event_tags=truth(query.get("includeEventTags")) or decay or context,
        event_uuid=truth(query.get("includeEventUuid")),
    )
    if context:
        fields["Event"] = call.view.event_head(event)
    if decay and (found := scores(state, item, query)):
        fields["decay_score"] = found
    if truth(query.get("includeSightings")):
        fields["Sighting"] = [render.sighting(one) for one in state.sightings_of(item)]
    if truth(query.get("includeWarninglistHits")) and (hits := [*state.warnings_for(item)]):
        fields["warnings"] = hits
    return fields


def list_attributes(call: Call) -> Any:  # noqa: ANN401
    """``attributes/index``: live ones, 60 on a page."""
    rows = [
        item
        for event in select_events(call.state, {}, call.user)
        for _, item in matching(call.view, event, {})
    ]
    return [call.view.attribute(item) for item in page_of(rows, {"limit": 60, **call.query})]


def view_attribute(call: Call) -> Any:  # noqa: ANN401
    """``attributes/view/ID``."""
    _, attribute = attribute_of(call)
    return {"Attribute": call.view.attribute(attribute)}


def add_attribute(call: Call) -> Any:  # noqa: ANN401
    """``attributes/add/EVENT``: one, or a list."""
    event = event_of(call, edit=True)
    many = call.items or [unwrapped(call, "Attribute")]
    added = [_add_one(call, event, data) for data in many]
    rendered = [call.view.attribute(item) for item in added]
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
    event, attribute = attribute_of(call, edit=True)
    call.state.edit_attribute(event, attribute, unwrapped(call, "Attribute"))
    return {"Attribute": call.view.attribute(attribute)}


def delete_attribute(call: Call) -> Any:  # noqa: ANN401
    """``attributes/delete/ID``, soft or hard."""
    event, attribute = attribute_of(call, edit=True)
    call.state.delete_attribute(event, attribute, hard=truth(call.query.get("hard")))
    return {"message": "Attribute deleted."}


def restore_attribute(call: Call) -> Any:  # noqa: ANN401
    """``attributes/restore/ID``."""
    event, attribute = attribute_of(call, edit=True)
    call.state.restore_attribute(event, attribute)
    return {"Attribute": call.view.attribute(attribute)}


def search_objects(call: Call) -> Response:
    """``objects/restSearch``: objects with an attribute that is wanted."""
    found = []
    for event in select_events(call.state, call.query, call.user):
        wanted = {item.object_id for _, item in matching(call.view, event, call.query)}
        found += [
            {"Object": call.view.obj(item, event)}
            for item in event.objects.values()
            if item.id in wanted and call.view.sees(event, item)
        ]
    page = page_of(found, call.query)
    return reply({"response": page}, {"X-Result-Count": str(len(page))})


def view_object(call: Call) -> Any:  # noqa: ANN401
    """``objects/view/ID``."""
    event, item = object_of(call)
    return {"Object": call.view.obj(item, event)}


def add_object(call: Call) -> Any:  # noqa: ANN401
    """``objects/add/EVENT``."""
    event = event_of(call, edit=True)
    item = call.state.add_object(event, unwrapped(call, "Object"))
    return {"Object": call.view.obj(item, event)}


def edit_object(call: Call) -> Any:  # noqa: ANN401
    """``objects/edit/ID``."""
    event, item = object_of(call, edit=True)
    call.state.edit_object(event, item, unwrapped(call, "Object"))
    return {"Object": call.view.obj(item, event)}


def delete_object(call: Call) -> Any:  # noqa: ANN401
    """``objects/delete/ID``."""
    event, item = object_of(call, edit=True)
    call.state.delete_object(event, item, hard=truth(call.query.get("hard")))
    return saved("Object deleted", call)
