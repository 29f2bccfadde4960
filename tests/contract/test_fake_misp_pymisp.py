"""The fake MISP is good enough for the real client library."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymisp import (
    MISPAttribute,
    MISPEvent,
    MISPFeed,
    MISPObject,
    MISPOrganisation,
    MISPSighting,
    MISPTag,
    PyMISP,
)
from pymisp.exceptions import MISPServerError, PyMISPError

from vedette.testing.fake_misp import SIGHTER, USER, FakeMisp, Fault, FaultKind
from vedette.testing.loopback import LoopbackServer, files_of


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


def test_objects_are_edited_found_and_exist(client: PyMISP, event: MISPEvent) -> None:
    thing = fresh(client, event).objects[0]
    thing.comment = "changed"
    thing.add_attribute("filename", value="dropper.exe", type="filename")
    client.update_object(thing)
    (found,) = client.search(controller="objects", object_name="file", pythonify=True)
    assert isinstance(found, MISPObject)
    assert found.comment == "changed"
    assert [item.value for item in found.attributes] == ["0" * 64, "dropper.exe"]
    assert client.object_exists(thing.uuid)
    assert client.attribute_exists(thing.attributes[0].uuid)


def test_attributes_are_listed(client: PyMISP, event: MISPEvent) -> None:
    listed = client.attributes(pythonify=True)
    assert [item.value for item in listed][:1] == ["evil.example"]


def test_events_are_searched_by_what_is_in_them(client: PyMISP, event: MISPEvent) -> None:
    other = MISPEvent()
    other.info = "another"
    other.date = dt.date(2020, 1, 2)
    client.add_event(other)

    def found(**query: object) -> list[str]:
        return [item.info for item in client.search(pythonify=True, **query)]  # type: ignore[arg-type]

    for query in (
        {"value": "EVIL.example"},
        {"type_attribute": ["sha256"]},
        {"tags": ["tlp:amber"]},
        {"eventinfo": "%wave%"},
        {"uuid": event.uuid},
        {"date_from": "2021-01-01"},
        {"timestamp": "1d", "value": "198.51.100.7"},
    ):
        assert found(**query) == ["Emotet wave"], query
    assert found(date_to="2020-12-31") == found(tags="!tlp:amber") == ["another"]
    assert found(value="none") == []


def test_the_index_is_searched_sorted_and_minimal(client: PyMISP, event: MISPEvent) -> None:
    other = MISPEvent()
    other.info = "another"
    other.threat_level_id = 3
    client.add_event(other)
    client.publish(event)

    def found(**query: object) -> list[str]:
        return [item["info"] for item in client.search_index(**query)]  # type: ignore[arg-type]

    assert found() == ["Emotet wave", "another"]
    assert found(sort="info", desc=True) == ["another", "Emotet wave"]
    assert found(published=True) == found(attribute="evil.example") == ["Emotet wave"]
    assert found(tags="tlp:amber") == found(all="%emotet%") == ["Emotet wave"]
    assert found(threatlevel=[3]) == found(eventinfo="another") == ["another"]
    assert found(org="no such organisation") == []
    (row, _) = client.search_index(minimal=True)
    assert {"uuid", "timestamp", "published", "sighting_timestamp"} < set(row)
    assert "info" not in row


def test_attributes_come_with_scores_sightings_and_warnings(
    misp: FakeMisp, client: PyMISP, event: MISPEvent
) -> None:
    misp.state.add_decaying_model("model", ["domain"], lifetime_days=10)
    misp.state.add_warninglist("known", ["evil.example"], type="hostname", matching=["domain"])
    client.add_sighting({"value": "evil.example", "source": "gate"})
    (found,) = client.search(
        controller="attributes",
        value="evil.example",
        include_decay_score=True,
        include_sightings=True,
        includeWarninglistHits=1,
        pythonify=True,
    )
    assert isinstance(found, MISPAttribute)
    assert [score["decayed"] for score in found.decay_score] == [False]
    assert [sighting.source for sighting in found.Sighting] == ["gate"]
    assert [hit["warninglist_name"] for hit in found.warnings] == ["known"]
    assert client.search(
        controller="attributes", value="evil.example", enforce_warninglist=True
    ) == {"Attribute": []}


def test_sightings_are_added_listed_searched_and_deleted(client: PyMISP, event: MISPEvent) -> None:
    (attribute,) = client.search(controller="attributes", value="evil.example", pythonify=True)
    assert isinstance(attribute, MISPAttribute)
    report = MISPSighting()
    report.from_dict(source="gate", type="1")
    added = client.add_sighting(report, attribute, pythonify=True)
    assert isinstance(added, MISPSighting)
    client.add_sighting({"values": ["198.51.100.7"]})
    assert [one.source for one in client.sightings(attribute, pythonify=True)] == ["gate"]
    assert len(client.sightings(event)) == len(client.sightings()) == 2
    (found,) = client.search_sightings(
        context="attribute",
        context_id=attribute.id,
        include_attribute=True,
        include_event_meta=True,
        pythonify=True,
    )
    assert isinstance(found, dict)
    assert (found["sighting"].uuid, found["attribute"].value, found["event"].uuid) == (
        added.uuid,
        "evil.example",
        event.uuid,
    )
    client.delete_sighting(added)
    assert client.search_sightings(context="attribute", context_id=attribute.id) == []
    assert list(client.add_sighting({"value": "none.example"})) == ["message"]


def test_who_may_only_report_sightings_can(misp: FakeMisp, event: MISPEvent) -> None:
    reporter = PyMISP(misp.url, misp.add_key(SIGHTER, "Sensors"))
    assert reporter.misp_instance_version["perm_sighting"] is True
    added = reporter.add_sighting({"value": "evil.example"})
    assert added["Sighting"]["Organisation"]["name"] == "Sensors"
    assert reporter.publish(event)["errors"][0] == 403


def test_warning_lists_are_read_switched_and_asked(misp: FakeMisp, client: PyMISP) -> None:
    misp.state.add_warninglist("one", ["a.example", "b.example"], enabled=False)
    (listed,) = client.warninglists(pythonify=True)
    assert (listed.name, listed.warninglist_entry_count) == ("one", "2")
    client.enable_warninglist(listed)
    whole = client.get_warninglist(listed, pythonify=True)
    assert whole.enabled
    assert [entry["value"] for entry in whole.WarninglistEntry] == ["a.example", "b.example"]
    assert list(client.values_in_warninglist(["a.example", "c.example"])) == ["a.example"]
    client.disable_warninglist(listed)
    assert client.values_in_warninglist(["a.example"]) == []
    assert client.update_warninglists()["saved"]


def test_tags_are_listed_searched_added_and_deleted(client: PyMISP, event: MISPEvent) -> None:
    fresh_tag = MISPTag()
    fresh_tag.from_dict(name="malware:emotet")
    added = client.add_tag(fresh_tag, pythonify=True)
    assert isinstance(added, MISPTag)
    assert [tag.name for tag in client.tags(pythonify=True)] == ["tlp:amber", "malware:emotet"]
    assert client.get_tag(added, pythonify=True).name == "malware:emotet"
    (found,) = client.search_tags("tlp:%", pythonify=True)
    client.delete_tag(found)
    assert not fresh(client, event).tags


def test_organisations_and_users_are_known(misp: FakeMisp, client: PyMISP) -> None:
    partner = MISPOrganisation()
    partner.name = "Partner"
    added = client.add_organisation(partner, pythonify=True)
    assert isinstance(added, MISPOrganisation)
    assert [one.name for one in client.organisations(pythonify=True)] == ["Vedette Test"]
    assert len(client.organisations(scope="all")) == 2
    assert client.get_organisation(added, pythonify=True).uuid == added.uuid
    key = misp.add_key(USER, "Partner")
    user, role, _ = PyMISP(misp.url, key).get_user(pythonify=True, expanded=True)
    assert (user.org_id, role.name, role.perm_publish) == (added.id, "User", False)
    assert len(client.users()) == 3


def test_what_was_deleted_is_on_the_blocklist(client: PyMISP, event: MISPEvent) -> None:
    client.delete_event(event)
    (blocked,) = client.event_blocklists(pythonify=True)
    assert blocked.event_uuid == event.uuid
    assert "errors" in client.add_event(event)
    client.delete_event_blocklist(event.uuid)
    assert "errors" not in client.add_event(event)


def test_decaying_models_are_listed_and_switched(misp: FakeMisp, client: PyMISP) -> None:
    misp.state.add_decaying_model("model", ["domain"], lifetime_days=10)
    (model,) = client.decaying_models(pythonify=True)
    client.disable_decaying_model(model)
    assert not misp.state.decaying_models[1].enabled


def test_an_exported_feed_is_fetched_by_another_misp(
    client: PyMISP, event: MISPEvent, tmp_path: Path
) -> None:
    client.publish(event)
    made = fresh(client, event).to_feed(with_meta=True)
    manifest = made["Event"].pop("_manifest")
    made["Event"].pop("_hashes")
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    (tmp_path / f"{event.uuid}.json").write_text(json.dumps(made))
    with FakeMisp() as other, LoopbackServer(files_of(tmp_path)) as server:
        theirs = PyMISP(other.url, other.key)
        feed = MISPFeed()
        feed.from_dict(name="ours", url=server.url, provider="x", source_format="misp")
        added = theirs.add_feed(feed, pythonify=True)
        assert isinstance(added, MISPFeed)
        theirs.enable_feed(added)
        theirs.fetch_feed(added)
        assert theirs.cache_all_feeds()["saved"]
        assert theirs.compare_feeds() == []
        copy = fresh(theirs, event)
    assert (copy.info, copy.published) == ("Emotet wave", True)
    assert copy.timestamp == fresh(client, event).timestamp
    assert [item.uuid for item in copy.attributes] == [item.uuid for item in event.attributes]
    assert [item.value for item in copy.objects[0].attributes] == ["0" * 64]


def test_a_user_who_may_only_read_is_refused_changes(misp: FakeMisp, event: MISPEvent) -> None:
    reader = PyMISP(misp.url, misp.read_only_key)
    assert reader._current_role.name == "read only"
    refused = reader.publish(event)
    assert refused["errors"][0] == 403


def test_a_failure_reaches_the_client_as_one(misp: FakeMisp, client: PyMISP) -> None:
    misp.faults.add(Fault(FaultKind.STATUS, path="restSearch", status=500, body=b"{}"))
    with pytest.raises(MISPServerError, match="500"):
        client.search(controller="attributes")


def test_a_search_beyond_the_memory_of_php_reaches_the_client_as_a_failure() -> None:
    with FakeMisp(attributes=20, unlimited_max=10) as misp:
        client = PyMISP(misp.url, misp.key)
        with pytest.raises(MISPServerError, match="500"):
            client.search(controller="attributes")
        assert len(client.search(controller="attributes", limit=20)["Attribute"]) == 20


def test_a_key_of_another_organisation_sees_what_is_shared(
    misp: FakeMisp, client: PyMISP, event: MISPEvent
) -> None:
    partner = PyMISP(misp.url, misp.add_key(USER, "Partner"))
    assert partner.event_exists(event.uuid)
    event.distribution = 0
    client.update_event(event)
    assert not partner.event_exists(event.uuid)
    assert partner.search(controller="attributes", deleted=[0, 1]) == {"Attribute": []}
