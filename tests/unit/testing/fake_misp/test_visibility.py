from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from vedette.testing.fake_misp import READ_ONLY, SYNC_USER, USER, FakeMisp

Ask = Callable[..., Any]
DOMAIN = {"type": "domain", "value": "a.example"}


def seen(ask: Ask, key: str) -> list[str]:
    found: list[str] = ask("/attributes/restSearch", {"deleted": [0, 1]}, key=key).values
    return found


def test_an_event_for_its_organisation_only_does_not_exist_for_others(
    misp: FakeMisp, ask: Ask
) -> None:
    partner = misp.add_key(READ_ONLY, "Partner")
    event = misp.state.add_event({"info": "x", "Attribute": [DOMAIN]})
    assert seen(ask, partner) == ["a.example"]
    misp.state.edit_event(event, {"distribution": "0"})
    assert seen(ask, partner) == []
    assert ask("/events/index", {"minimal": 1}, key=partner).json == []
    assert ask(f"/events/view/{event.uuid}", key=partner).status == 404
    assert ask("/attributes/view/1", key=partner).status == 404
    assert seen(ask, misp.read_only_key) == ["a.example"], "of the same organisation"


@pytest.mark.parametrize("what", ["attribute", "object"])
def test_a_part_can_be_narrower_than_its_event(misp: FakeMisp, ask: Ask, what: str) -> None:
    partner = misp.add_key(READ_ONLY, "Partner")
    event = misp.state.add_event({"info": "x", "Attribute": [DOMAIN]})
    inside = {"type": "md5", "value": "0", "distribution": "0" if what == "attribute" else "5"}
    data = {"name": "file", "Attribute": [inside]}
    misp.state.add_object(event, data | ({"distribution": "0"} if what == "object" else {}))
    assert seen(ask, partner) == ["a.example"]
    assert seen(ask, misp.key) == ["a.example", "0"]
    shown = ask(f"/events/view/{event.id}", key=partner).json["Event"]
    assert [len(item["Attribute"]) for item in shown["Object"]] == ([0] if what != "object" else [])


def test_a_sharing_group_is_for_its_members(misp: FakeMisp, ask: Ask) -> None:
    keys = [misp.add_key(READ_ONLY, name) for name in ("Member", "Stranger")]
    misp.state.sharing_groups["7"] = frozenset({misp.state.org("Member").id})
    data = {"info": "x", "distribution": "4", "sharing_group_id": "7", "Attribute": [DOMAIN]}
    misp.state.add_event(data)
    assert [len(seen(ask, key)) for key in keys] == [1, 0]


def test_only_who_made_an_event_may_change_it(misp: FakeMisp, ask: Ask) -> None:
    partner = misp.add_key(SYNC_USER, "Partner")
    misp.state.add_event({"info": "x", "Attribute": [DOMAIN]})
    own = ask("/events/add", {"info": "y"}, key=partner).json["Event"]
    assert own["Orgc"]["name"] == "Partner"
    for ref, status in ((1, 403), (own["id"], 200)):
        body = DOMAIN | {"value": "b.example"}
        assert ask(f"/attributes/add/{ref}", body, key=partner).status == status
        assert ask(f"/events/publish/{ref}", {}, key=partner).status == status
        assert ask(f"/events/delete/{ref}", {}, key=partner).status == status


def test_a_local_tag_may_be_put_on_what_others_made(misp: FakeMisp, ask: Ask) -> None:
    partner = misp.add_key(USER, "Partner")
    event = misp.state.add_event({"info": "x"})
    body = {"uuid": event.uuid, "tag": "ours"}
    assert ask("/tags/attachTagToObject", body, key=partner).status == 403
    assert ask("/tags/attachTagToObject", body | {"local": True}, key=partner).status == 200
    assert ask("/tags/removeTagFromObject", body, key=partner).status == 200


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/attributes/restSearch", True),
        ("/events/restSearch", True),
        ("/events/index", True),
        ("/warninglists/index", True),
        ("/servers/getVersion", True),
        ("/tags/index", True),
        ("/users/view/me", True),
        ("/events/add", False),
        ("/events/edit/1", False),
        ("/events/publish/1", False),
        ("/attributes/add/1", False),
        ("/objects/add/1", False),
        ("/tags/attachTagToObject", False),
        ("/sightings/add", False),
        ("/sightings/bulkSaveSightings/1", False),
        ("/eventBlocklists/index", False),
        ("/admin/users/index", False),
        ("/feeds/add", False),
    ],
)
def test_what_a_read_only_key_may_do(misp: FakeMisp, ask: Ask, path: str, allowed: bool) -> None:
    misp.state.add_event({"info": "x"})
    assert ask(path, {}, key=misp.read_only_key).status == (200 if allowed else 403)


def test_only_an_administrator_is_told_which_events_were_deleted(misp: FakeMisp, ask: Ask) -> None:
    event = misp.state.add_event({"info": "x"})
    misp.state.delete_event(event)
    (entry,) = ask("/eventBlocklists/index").json
    assert entry["EventBlocklist"]["event_uuid"] == event.uuid
    assert ask("/events/add", {"info": "x", "uuid": event.uuid}).status == 403
    ask(f"/eventBlocklists/delete/{event.uuid}", {})
    assert ask("/events/add", {"info": "x", "uuid": event.uuid}).status == 200
