"""The fake MISP's ``/sightings``: by attribute, by value, many at once, and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from vedette.testing.fake_misp import render
from vedette.testing.fake_misp.bulk import BulkEvent
from vedette.testing.fake_misp.call import Call, Refusal, find_attribute, reply, saved, unwrapped
from vedette.testing.fake_misp.memory import truth
from vedette.testing.fake_misp.model import FakeAttribute, FakeSighting
from vedette.testing.fake_misp.search import matching, select_events
from vedette.testing.fake_misp.terms import listed, moment, time_test
from vedette.testing.loopback import Response

_SOURCE_MAX = 255
_TYPES = frozenset({"0", "1", "2"})
_NO_MATCH = "No valid attributes found that match the criteria."
_BAD_TYPE = "Invalid type, please change it before you POST 1000000 sightings."


def add_sighting(call: Call) -> Any:  # noqa: ANN401
    """``sightings/add`` and ``sightings/add/ATTRIBUTE``: errors are 200 with a message only."""
    data = unwrapped(call, "Sighting")
    ref = call.ref if call.ref != "add" else data.get("uuid") or data.get("id")
    if isinstance(ref, list) or len(str(data.get("source") or "")) > _SOURCE_MAX:
        raise Refusal(500, "An Internal Error Has Occurred.")
    kind = str(data.get("type") or "0")
    if kind not in _TYPES:
        return {"message": f"Could not add the Sighting. Reason: {_BAD_TYPE}"}
    attributes = list(_meant(call, ref, data))
    if not attributes:
        return {"message": f"Could not add the Sighting. Reason: {_NO_MATCH}"}
    added = [
        call.state.add_sighting(
            attribute,
            org=call.user.org,
            type=kind,
            source=str(data.get("source") or "").strip(),
            date=moment(data.get("timestamp"), call.state.now()) or 0,
        )
        for attribute in attributes
    ]
    last = added[-1]
    assert last is not None  # nobody gave it a uuid that could be known  # noqa: S101
    return {"Sighting": render.sighting(last)}


def _meant(call: Call, ref: object, data: Mapping[str, Any]) -> Iterator[FakeAttribute]:
    """The attribute of an id or uuid; without one every attribute of these values."""
    if ref:
        if (found := find_attribute(call, ref)) is not None and not found[1].deleted:
            yield found[1]
        return
    values = listed(data.get("values")) or listed(data.get("value"))
    if not values:
        return
    for event in select_events(call.state, {}, call.user):
        if isinstance(event, BulkEvent):
            event.materialize(call.state)
        for _, attribute in matching(call.view, event, {"value": values}):
            yield attribute


def save_many(call: Call) -> Any:  # noqa: ANN401
    """``sightings/bulkSaveSightings/EVENT``: once for each uuid, whatever is repeated."""
    event = call.state.event(call.ref)
    if event is None or not call.sees(event):
        raise Refusal(405, "Event not found or not accessible by this user.")
    count = 0
    for data in call.items or listed(call.query.get("Sighting")):
        if not isinstance(data, dict):
            raise Refusal(500, "An Internal Error Has Occurred.")
        found = find_attribute(call, data.get("attribute_uuid", ""))
        if found is None or str(data.get("type", "0")) not in _TYPES:
            continue
        count += (
            call.state.add_sighting(
                found[1],
                org=call.user.org,
                type=str(data.get("type", "0")),
                source=str(data.get("source") or ""),
                date=moment(data.get("date_sighting"), call.state.now()) or 0,
                uuid_=str(data.get("uuid") or ""),
            )
            is not None
        )
    if not count:
        return {"saved": False, "success": "No sightings added."}
    return {"saved": True, "success": f"{count} sightings added."}


def delete_sighting(call: Call) -> Any:  # noqa: ANN401
    """``sightings/delete/ID``: one's own."""
    for sighting in call.state.sightings.values():
        if call.ref in {str(sighting.id), sighting.uuid}:
            if not call.user.may("site_admin") and sighting.org != call.user.org:
                break
            call.state.forget(sighting)
            return saved("Sighting successfully deleted.", call)
    raise Refusal(404, "Invalid sighting.")


def list_sightings(call: Call) -> Any:  # noqa: ANN401
    """``sightings/index``: all that the user may see."""
    return [render.sighting(item) for item in _visible(call)]


def list_of(call: Call) -> Any:  # noqa: ANN401
    """``sightings/listSightings``: of one event or attribute."""
    found = _of_context(call, str(call.query.get("context") or "attribute"))
    return [_with_org(item) for item in found if _is_of(item, call.query.get("org_id"))]


def search_sightings(call: Call) -> Response:
    """``sightings/restSearch``, also with a context; its count is useless."""
    context = "" if call.ref == "restSearch" else call.ref
    if context and not call.query.get("id"):
        raise Refusal(405, "An id must be provided if the context is set.")
    query = call.query
    rows = [
        {"Sighting": _found(call, item)}
        for item in (_of_context(call, context) if context else _visible(call))
        if _matches(item, query, call.state.now()) and _is_of(item, query.get("org_id"))
    ]
    return reply({"response": rows}, {"X-Result-Count": "0"})


def _matches(item: FakeSighting, query: Mapping[str, Any], now: int) -> bool:
    if query.get("type") not in (None, "") and item.type not in map(str, listed(query["type"])):
        return False
    if query.get("source") not in (None, "") and item.source != query["source"]:
        return False
    low, high = moment(query.get("from"), now), moment(query.get("to"), now)
    if (low is not None and item.date < low) or (high is not None and item.date > high):
        return False
    return query.get("last") in (None, "") or time_test(query["last"], now)(item.date)


def _found(call: Call, item: FakeSighting) -> dict[str, Any]:
    fields = render.sighting(item)
    found = find_attribute(call, item.attribute_uuid)
    if found is None:
        return fields
    event, attribute = found
    fields["value"] = attribute.value
    if truth(call.query.get("includeAttribute")):
        fields["Attribute"] = call.view.attribute(attribute)
    if truth(call.query.get("includeEvent")):
        fields["Event"] = render.found_event(event)
    return fields


def _of_context(call: Call, context: str) -> list[FakeSighting]:
    refs = {str(one) for one in listed(call.query.get("id"))}
    if context == "event":
        events = {str(event.id) for event in map(call.state.event, refs) if event is not None}
        return [item for item in _visible(call) if str(item.event_id) in events]
    return [item for item in _visible(call) if refs & {str(item.attribute_id), item.attribute_uuid}]


def _visible(call: Call) -> list[FakeSighting]:
    """Those of one's own events, and one's own reports: MISP's default policy."""
    return [
        item
        for item in call.state.sightings.values()
        if (event := call.state.events.get(item.event_id)) is not None
        and (
            call.user.may("site_admin")
            or call.user.org.id == event.org.id
            or (call.sees(event) and item.org == call.user.org)
        )
    ]


def _is_of(item: FakeSighting, org: object) -> bool:
    return org in (None, "") or str(org) in {str(item.org.id), item.org.uuid, item.org.name}


def _with_org(item: FakeSighting) -> dict[str, Any]:
    return {"Sighting": render.sighting(item), "Organisation": {"name": item.org.name}}
