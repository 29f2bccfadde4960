from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from vedette.testing.fake_misp import SIGHTER, SYNC_USER, USER, FakeAttribute, FakeEvent, FakeMisp

Ask = Callable[..., Any]


def add(misp: FakeMisp, *values: str, **fields: Any) -> FakeEvent:
    attributes = [
        {"type": "domain|ip" if "|" in value else "domain", "value": value} for value in values
    ]
    return misp.state.add_event({"info": "x", "published": True, "Attribute": attributes} | fields)


def first(event: FakeEvent) -> FakeAttribute:
    return next(iter(event.attributes.values()))


def bulk(attribute: FakeAttribute, *uuids: str, **fields: Any) -> dict[str, Any]:
    items = [
        {"attribute_uuid": attribute.uuid, "uuid": uuid, "date_sighting": "1600000000"} | fields
        for uuid in uuids
    ]
    return {"Sighting": items}


A, B = "aaaaaaaa-0000-5000-8000-000000000000", "bbbbbbbb-0000-5000-8000-000000000000"


def test_a_sighting_moves_no_time_but_the_one_of_sightings(misp: FakeMisp, ask: Ask) -> None:
    event = add(misp, "a.example")
    misp.state.clock.now += 60  # type: ignore[attr-defined]
    told = ask(f"/sightings/add/{first(event).id}", {"source": "vedette"}).json["Sighting"]
    assert (told["type"], told["source"], told["date_sighting"]) == ("0", "vedette", "1700000060")
    (row,) = ask("/events/index", {"minimal": 1}).json
    assert (row["timestamp"], row["sighting_timestamp"]) == ("1700000000", "1700000060")
    assert event.published


def test_errors_are_200_with_a_message_and_nothing_else(misp: FakeMisp, ask: Ask) -> None:
    attribute = first(add(misp, "a.example"))
    for body in ({"value": "b.example"}, {"id": "99"}, {}, {"id": attribute.id, "type": "3"}):
        answer = ask("/sightings/add", body)
        assert (answer.status, list(answer.json)) == (200, ["message"]), body
    assert not misp.state.sightings


def test_a_value_is_every_attribute_that_has_it_even_as_half_of_one(
    misp: FakeMisp, ask: Ask
) -> None:
    for value in ("a.example", "A.example|192.0.2.1", "192.0.2.2|a.example", "b.a.example"):
        add(misp, value)
    ask("/sightings/add", {"values": ["A.EXAMPLE"]})
    assert [item.attribute_id for item in misp.state.sightings.values()] == [1, 2, 3]


def test_the_same_report_twice_is_two_sightings_without_a_uuid(misp: FakeMisp, ask: Ask) -> None:
    attribute = first(add(misp, "a.example"))
    for _ in range(2):
        ask("/sightings/add", {"id": attribute.id, "timestamp": "1600000000"})
    assert len(misp.state.sightings_of(attribute)) == 2


def test_a_uuid_wins_over_values_a_list_of_them_and_a_long_source_fail(
    misp: FakeMisp, ask: Ask
) -> None:
    event = add(misp, "a.example", "b.example")
    ask("/sightings/add", {"uuid": first(event).uuid, "values": ["b.example"]})
    assert [item.attribute_id for item in misp.state.sightings.values()] == [1]
    assert ask("/sightings/add", {"uuid": [first(event).uuid]}).status == 500
    assert ask("/sightings/add", {"id": 1, "source": "x" * 256}).status == 500
    assert ask("/sightings/add", {"id": 1, "source": "x" * 255}).status == 200


def test_many_at_once_are_saved_once_for_each_uuid(misp: FakeMisp, ask: Ask) -> None:
    event = add(misp, "a.example")
    body = bulk(first(event), A, B, type="1", source="vedette")
    path = f"/sightings/bulkSaveSightings/{event.uuid}"
    assert ask(path, body).json == {"saved": True, "success": "2 sightings added."}
    assert ask(path, body).json == {"saved": False, "success": "No sightings added."}
    assert [(item.type, item.date) for item in misp.state.sightings.values()] == [
        ("1", 1_600_000_000)
    ] * 2


def test_many_at_once_may_be_of_other_events_and_unknown_ones_are_passed_over(
    misp: FakeMisp, ask: Ask
) -> None:
    event, other = add(misp, "a.example"), add(misp, "b.example")
    items = bulk(first(other), A)["Sighting"] + [{"attribute_uuid": "none", "uuid": B}]
    answer = ask(f"/sightings/bulkSaveSightings/{event.uuid}", {"Sighting": items})
    assert answer.json["success"] == "1 sightings added."
    assert [item.event_id for item in misp.state.sightings.values()] == [other.id]
    assert ask("/sightings/bulkSaveSightings/none", {"Sighting": items}).status == 405


def test_who_may_report(misp: FakeMisp, ask: Ask) -> None:
    event = add(misp, "a.example")
    path = f"/sightings/bulkSaveSightings/{event.uuid}"
    for role, uuid in ((SIGHTER, A), (SYNC_USER, B), (USER, "c" + A[1:])):
        key = misp.add_key(role)
        assert ask(path, bulk(first(event), uuid), key=key).json["saved"], role
        assert "Sighting" in ask("/sightings/add", {"id": 1}, key=key).json
    for refused in (path, "/sightings/add"):
        assert ask(refused, bulk(first(event), A), key=misp.read_only_key).status == 403


def test_what_is_over_is_told_once_by_each_organisation(misp: FakeMisp, ask: Ask) -> None:
    attribute = first(add(misp, "a.example"))
    partner = misp.add_key(USER, "Partner")
    for key in (misp.key, misp.key, partner):
        ask("/sightings/add", {"id": attribute.id, "type": 2}, key=key)
    assert [item.org.name for item in misp.state.sightings_of(attribute)] == [
        "Vedette Test",
        "Partner",
    ]


def test_sightings_are_searched_and_their_count_is_useless(misp: FakeMisp, ask: Ask) -> None:
    event = add(misp, "a.example", "b.example")
    for n, uuid in enumerate((A, B)):
        body = bulk(list(event.attributes.values())[n], uuid, type=str(n), source=f"s{n}")
        ask(f"/sightings/bulkSaveSightings/{event.id}", body)

    def found(path: str = "", **query: Any) -> list[str]:
        answer = ask(f"/sightings/restSearch{path}", query)
        assert answer.headers["x-result-count"] == "0"
        return [item["Sighting"]["uuid"] for item in answer.json["response"]]

    assert found() == found("/event", id=event.uuid) == [A, B]
    assert found(last="1d") == []
    assert found(type="1") == found(source="s1") == found("/attribute", id="2") == [B]
    assert ask("/sightings/restSearch/attribute", {}).status == 405


def test_they_are_shown_with_their_attributes(misp: FakeMisp, ask: Ask) -> None:
    event = add(misp, "a.example", "b.example")
    misp.state.add_sighting(first(event), source="vedette")
    query = {"includeSightings": 1, "limit": 5}
    rows = ask("/attributes/restSearch", query).attributes
    assert [[one["source"] for one in row["Sighting"]] for row in rows] == [["vedette"], []]
    shown = ask(f"/events/view/{event.id}").json["Event"]["Attribute"]
    assert [len(item.get("Sighting", [])) for item in shown] == [1, 0]


def test_others_see_only_their_own_about_events_that_are_not_theirs(
    misp: FakeMisp, ask: Ask
) -> None:
    event = add(misp, "a.example")
    key = misp.add_key(USER, "Partner")
    misp.state.add_sighting(first(event), source="ours")
    ask("/sightings/add", {"id": 1, "source": "theirs"}, key=key)
    assert [item["source"] for item in ask("/sightings/index", key=key).json] == ["theirs"]
    assert len(ask("/sightings/index").json) == 2
    assert ask("/sightings/delete/1", {}, key=key).status == 404
    assert ask("/sightings/delete/2", {}, key=key).status == 200


def test_generated_attributes_can_be_sighted_without_making_them_all() -> None:
    with FakeMisp(attributes=30, per_event=10) as misp:
        event = misp.state.events[3]
        attribute = misp._bulk.attribute("00000019-0000-4000-8000-000000000019")
        assert attribute is not None
        assert (attribute[0], attribute[1].value) == (event, "d19.example-25.net")
        misp.state.add_sighting(attribute[1])
        assert (event.attributes, event.sighting_timestamp > 0) == ({}, True)
        assert misp._bulk.attribute("0000001e-0000-4000-8000-00000000001e") is None


@pytest.mark.parametrize("gone", ["attribute", "event"])
def test_with_what_they_are_about_sightings_go(misp: FakeMisp, gone: str) -> None:
    event = add(misp, "a.example")
    misp.state.add_sighting(first(event))
    if gone == "event":
        misp.state.delete_event(event)
    else:
        misp.state.delete_attribute(event, first(event), hard=True)
    assert not misp.state.sightings
