"""The fake MISP is good enough for the real client library."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pymisp import MISPAttribute, MISPEvent, MISPFeed, MISPObject, PyMISP
from pymisp.exceptions import MISPServerError, PyMISPError

from vedette.testing.fake_misp import FakeMisp
from vedette.testing.faults import Fault, FaultKind


@pytest.fixture
def misp() -> Iterator[FakeMisp]:
    with FakeMisp() as server:
        yield server


@pytest.fixture
def client(misp: FakeMisp) -> PyMISP:
    return PyMISP(misp.url, misp.key)


@pytest.fixture
def event(client: PyMISP) -> MISPEvent:
    draft = MISPEvent()
    draft.info = "Emotet wave"
    draft.threat_level_id = 1
    draft.add_tag("tlp:amber")
    draft.add_attribute("domain", "evil.example")
    draft.add_attribute("domain|ip", "c2.example|198.51.100.7", comment="panel")
    thing = draft.add_object(name="file", strict=False)
    thing.add_attribute("sha256", value="0" * 64, type="sha256")
    added = client.add_event(draft, pythonify=True)
    assert isinstance(added, MISPEvent)
    return added


def fresh(client: PyMISP, event: MISPEvent) -> MISPEvent:
    found = client.get_event(event, pythonify=True)
    assert isinstance(found, MISPEvent)
    return found


def test_the_client_can_be_made_and_knows_whom_it_talks_to(client: PyMISP) -> None:
    assert client.misp_instance_version["version"] == "2.5.1"
    assert client._current_role.name == "admin"
    assert "domain" in client.types


def test_a_client_with_a_bad_key_cannot_be_made(misp: FakeMisp) -> None:
    with pytest.raises(PyMISPError, match="Authentication failed"):
        PyMISP(misp.url, "x" * 40)


def test_an_event_comes_back_as_it_was_added(client: PyMISP, event: MISPEvent) -> None:
    found = fresh(client, event)
    assert (found.uuid, found.info, found.threat_level_id) == (event.uuid, "Emotet wave", 1)
    assert [tag.name for tag in found.tags] == ["tlp:amber"]
    assert [item.value for item in found.attributes] == ["evil.example", "c2.example|198.51.100.7"]
    assert [item.value for item in found.objects[0].attributes] == ["0" * 64]
    assert client.event_exists(event.uuid)
    assert not client.event_exists("aaaaaaaa-0000-4000-8000-000000000000")


def test_an_event_is_edited_and_deleted(client: PyMISP, event: MISPEvent) -> None:
    event.info = "Emotet, second wave"
    event.add_attribute("domain", "second.example")
    client.update_event(event)
    found = fresh(client, event)
    assert found.info == "Emotet, second wave"
    assert found.attributes[-1].value == "second.example"
    client.delete_event(event)
    assert not client.event_exists(event.uuid)


def test_attributes_are_added_edited_deleted_and_restored(client: PyMISP, event: MISPEvent) -> None:
    attribute = MISPAttribute()
    attribute.from_dict(type="ip-dst", value="198.51.100.9")
    added = client.add_attribute(event, attribute, pythonify=True)
    assert isinstance(added, MISPAttribute)
    added.comment = "changed"
    client.update_attribute(added)
    assert client.get_attribute(added, pythonify=True).comment == "changed"
    client.delete_attribute(added)
    assert added.uuid not in {item.uuid for item in fresh(client, event).attributes}
    client.restore_attribute(added)
    assert added.uuid in {item.uuid for item in fresh(client, event).attributes}
    client.delete_attribute(added, hard=True)
    assert not client.search(controller="attributes", uuid=added.uuid, pythonify=True)


def test_several_attributes_are_added_at_once_and_doubles_refused(
    client: PyMISP, event: MISPEvent
) -> None:
    many = [MISPAttribute() for _ in range(2)]
    for number, item in enumerate(many):
        item.from_dict(type="domain", value=f"many{number}.example")
    added = client.add_attribute(event, many, pythonify=True)
    assert [item.value for item in added["attributes"]] == ["many0.example", "many1.example"]
    assert "errors" in client.add_attribute(event, many[0])


def test_objects_are_added_viewed_and_deleted(client: PyMISP, event: MISPEvent) -> None:
    thing = MISPObject("domain-ip", strict=False)
    thing.add_attribute("domain", value="o.example", type="domain")
    added = client.add_object(event, thing, pythonify=True)
    assert isinstance(added, MISPObject)
    assert client.get_object(added, pythonify=True).attributes[0].value == "o.example"
    client.delete_object(added)
    assert len(fresh(client, event).objects) == 1


def test_publishing_ends_with_the_next_edit(client: PyMISP, event: MISPEvent) -> None:
    client.publish(event)
    assert fresh(client, event).published
    client.tag(event, "osint:lifetime")
    found = fresh(client, event)
    assert not found.published
    assert [tag.name for tag in found.tags] == ["tlp:amber", "osint:lifetime"]
    client.publish(event)
    client.unpublish(event)
    assert not fresh(client, event).published


def test_attributes_are_tagged_and_untagged(client: PyMISP, event: MISPEvent) -> None:
    (attribute,) = client.search(controller="attributes", value="evil.example", pythonify=True)
    assert isinstance(attribute, MISPAttribute)
    client.tag(attribute, "malware:emotet", local=True)
    assert [tag.name for tag in client.get_attribute(attribute, pythonify=True).tags] == [
        "malware:emotet"
    ]
    client.untag(attribute, "malware:emotet")
    assert not client.get_attribute(attribute, pythonify=True).tags


def test_attributes_are_searched_page_by_page(client: PyMISP, event: MISPEvent) -> None:
    pages = [
        client.search(
            controller="attributes",
            eventid=event.id,
            include_event_tags=True,
            include_event_uuid=True,
            limit=2,
            page=page,
            pythonify=True,
        )
        for page in (1, 2, 3)
    ]
    assert [len(page) for page in pages] == [2, 1, 0]
    first = pages[0][0]
    assert isinstance(first, MISPAttribute)
    assert first.Event.uuid == event.uuid
    assert [tag.name for tag in first.tags] == ["tlp:amber"]


def test_events_are_searched_and_indexed(client: PyMISP, event: MISPEvent) -> None:
    (found,) = client.search(eventid=event.id, metadata=True, pythonify=True)
    assert isinstance(found, MISPEvent)
    assert (found.info, found.attributes) == ("Emotet wave", [])
    assert [item["uuid"] for item in client.search_index(eventid=event.id)] == [event.uuid]
    assert [item.info for item in client.events(pythonify=True)] == ["Emotet wave"]


def test_feeds_are_kept(client: PyMISP) -> None:
    feed = MISPFeed()
    feed.from_dict(name="TweetFeed", url="https://feeds.example/misp", provider="x")
    added = client.add_feed(feed, pythonify=True)
    assert isinstance(added, MISPFeed)
    assert client.enable_feed(added, pythonify=True).enabled
    assert [item.name for item in client.feeds(pythonify=True)] == ["TweetFeed"]
    client.delete_feed(added)
    assert client.feeds() == []


def test_a_user_who_may_only_read_is_refused_changes(misp: FakeMisp, event: MISPEvent) -> None:
    reader = PyMISP(misp.url, misp.read_only_key)
    assert reader._current_role.name == "read only"
    refused = reader.publish(event)
    assert refused["errors"][0] == 403


def test_a_failure_reaches_the_client_as_one(misp: FakeMisp, client: PyMISP) -> None:
    misp.faults.add(Fault(FaultKind.STATUS, path="restSearch", status=500, body=b"{}"))
    with pytest.raises(MISPServerError, match="500"):
        client.search(controller="attributes")
