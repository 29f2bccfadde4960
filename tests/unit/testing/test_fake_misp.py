"""One test for each quirk of MISP 2.5 that the fake has, through its real HTTP."""

from __future__ import annotations

import gzip
import http.client
import json
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vedette.testing.fake_misp import ADMIN_KEY, READ_ONLY_KEY, FakeMisp
from vedette.testing.fake_misp.model import FakeAttribute, FakeEvent
from vedette.testing.faults import Fault, FaultKind


class Clock:
    now = 1_700_000_000

    def __call__(self) -> float:
        return self.now


class Answer:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def attributes(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.json["response"]["Attribute"]
        return found

    @property
    def values(self) -> list[str]:
        return [item["value"] for item in self.attributes]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def misp(clock: Clock) -> Iterator[FakeMisp]:
    with FakeMisp(clock=clock, unlimited_max=10) as server:
        yield server


def ask(
    misp: FakeMisp,
    path: str,
    body: object = None,
    *,
    key: str = ADMIN_KEY,
    accept: str = "application/json",
) -> Answer:
    connection = http.client.HTTPConnection(misp.url.removeprefix("http://"), timeout=5)
    try:
        method = "GET" if body is None else "POST"
        data = None if body is None else json.dumps(body)
        connection.request(method, path, data, {"Authorization": key, "Accept": accept})
        return Answer(connection.getresponse())
    finally:
        connection.close()


def search(misp: FakeMisp, **query: Any) -> Answer:
    return ask(misp, "/attributes/restSearch", query)


def add(misp: FakeMisp, *values: str, **fields: Any) -> FakeEvent:
    attributes = [{"type": "domain", "value": value} for value in values]
    return misp.state.add_event({"info": "x", "published": True, "Attribute": attributes} | fields)


def first(event: FakeEvent) -> FakeAttribute:
    return next(iter(event.attributes.values()))


# -- how it answers


def test_ids_and_times_are_strings_and_flags_are_booleans(misp: FakeMisp) -> None:
    add(misp, "a.example")
    (found,) = search(misp).attributes
    assert [found[name] for name in ("id", "event_id", "timestamp")] == ["1", "1", "1700000000"]
    assert (found["to_ids"], found["deleted"], found["first_seen"]) == (True, False, None)
    assert found["Event"]["publish_timestamp"] == "1700000000"
    (row,) = ask(misp, "/events/index", {"minimal": 1}).json
    assert row == {
        "id": "1",
        "timestamp": "1700000000",
        "sighting_timestamp": "0",
        "published": True,
        "uuid": found["Event"]["uuid"],
        "orgc_uuid": row["orgc_uuid"],
    }


def test_a_bad_key_is_403_and_not_401(misp: FakeMisp) -> None:
    answer = ask(misp, "/events/index", key="x" * 40)
    assert answer.status == 403
    assert answer.json["message"].startswith("Authentication failed.")


def test_without_the_accept_header_it_is_200_and_html(misp: FakeMisp) -> None:
    answer = ask(misp, "/events/index", accept="*/*")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=UTF-8")
    assert answer.body.startswith(b"<!DOCTYPE html>")


def test_what_does_not_exist_is_404(misp: FakeMisp) -> None:
    assert ask(misp, "/events/view/99").status == 404
    assert ask(misp, "/no/such").status == 404


def test_a_read_only_user_may_search_but_not_change(misp: FakeMisp) -> None:
    add(misp, "a.example")
    assert ask(misp, "/attributes/restSearch", {}, key=READ_ONLY_KEY).values == ["a.example"]
    assert ask(misp, "/events/add", {"info": "x"}, key=READ_ONLY_KEY).status == 403
    version = ask(misp, "/servers/getVersion", key=READ_ONLY_KEY).json
    assert (version["perm_sync"], version["perm_sighting"]) == (False, False)


def test_too_many_searches_are_429_with_the_seconds_to_wait() -> None:
    with FakeMisp(rate_limit=2) as misp:
        assert [search(misp).status for _ in range(3)] == [200, 200, 429]
        refused = search(misp)
        assert refused.headers["x-rate-limit-limit"] == "2"
        assert refused.headers["x-rate-limit-remaining"] == "0"
        assert 890 <= int(refused.headers["x-rate-limit-reset"]) <= 900
        assert "retry-after" not in refused.headers
        assert ask(misp, "/events/index").status == 200


def test_a_rate_limit_window_ends() -> None:
    with FakeMisp(rate_limit=1, rate_window_s=0.5) as misp:
        assert [search(misp).status for _ in range(2)] == [200, 429]
        time.sleep(0.6)
        assert search(misp).status == 200


def test_in_debug_mode_it_says_200_to_its_own_death() -> None:
    with FakeMisp(unlimited_max=2, debug=True) as misp:
        add(misp, "a.example", "b.example", "c.example")
        answer = search(misp)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=UTF-8")
    assert b"Allowed memory size" in answer.body


def test_what_it_cannot_understand_is_500(misp: FakeMisp) -> None:
    add(misp)
    assert ask(misp, "/attributes/add/1", {"value": "no type"}).status == 500


def test_a_request_may_be_compressed(misp: FakeMisp) -> None:
    add(misp, "a.example", "b.example")
    body = gzip.compress(json.dumps({"value": "b.example"}).encode())
    request = urllib.request.Request(
        f"{misp.url}/attributes/restSearch",
        body,
        {"Authorization": misp.key, "Accept": "application/json", "Content-Encoding": "gzip"},
    )
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert [item["value"] for item in json.load(answer)["response"]["Attribute"]] == [
            "b.example"
        ]


def test_its_clock_is_in_the_date_of_every_answer(misp: FakeMisp) -> None:
    assert search(misp).headers["date"] == "Tue, 14 Nov 2023 22:13:20 GMT"


def test_it_goes_away_and_comes_back_where_it_was_with_what_it_knew(misp: FakeMisp) -> None:
    add(misp, "a.example")
    misp.faults.add(Fault(FaultKind.STATUS, path="index", status=500, times=1))
    misp.outage()
    with pytest.raises(ConnectionRefusedError):
        search(misp)
    misp.recover()
    assert search(misp).values == ["a.example"]
    assert ask(misp, "/events/index").status == 500


# -- what each change does


def shown(event: FakeEvent) -> tuple[int, bool]:
    return event.timestamp - Clock.now, event.published


CHANGES = [
    *("add", "edit", "to_ids", "tag attribute", "tag event"),
    *("soft delete", "hard delete", "restore", "add object", "edit event"),
]


def edits(misp: FakeMisp, event: FakeEvent) -> dict[str, Any]:
    state, item = misp.state, first(event)
    return {
        "add": lambda: state.add_attribute(event, {"type": "url", "value": "x"}),
        "edit": lambda: state.edit_attribute(event, item, {"comment": "new"}),
        "to_ids": lambda: state.edit_attribute(event, item, {"to_ids": "0"}),
        "tag attribute": lambda: state.tag(item, "tlp:red"),
        "tag event": lambda: state.tag(event, "tlp:red"),
        "soft delete": lambda: state.delete_attribute(event, item, hard=False),
        "hard delete": lambda: state.delete_attribute(event, item, hard=True),
        "restore": lambda: state.restore_attribute(event, item),
        "add object": lambda: state.add_object(event, {"name": "file"}),
        "edit event": lambda: state.edit_event(event, {"info": "new"}),
    }


@pytest.mark.parametrize("change", CHANGES)
def test_every_edit_takes_the_event_out_of_publication(
    misp: FakeMisp, clock: Clock, change: str
) -> None:
    event = add(misp, "a.example")
    clock.now += 60
    edits(misp, event)[change]()
    assert shown(event) == (60, False)


def test_edits_of_an_attribute_move_its_time_and_tagging_the_event_does_not(
    misp: FakeMisp, clock: Clock
) -> None:
    event = add(misp, "a.example")
    clock.now += 60
    misp.state.tag(event, "osint")
    assert first(event).timestamp == Clock.now
    misp.state.tag(first(event), "osint")
    assert first(event).timestamp == Clock.now + 60


def test_unpublishing_and_local_tags_move_no_time(misp: FakeMisp, clock: Clock) -> None:
    event = add(misp, "a.example")
    clock.now += 60
    misp.state.tag(event, "local", local=True)
    misp.state.untag(event, "local")
    assert shown(event) == (0, True)
    misp.state.unpublish(event)
    assert shown(event) == (0, False)


def test_publishing_again_what_is_published_moves_no_time(misp: FakeMisp, clock: Clock) -> None:
    event = add(misp, "a.example")
    clock.now += 60
    misp.state.publish(event)
    assert event.publish_timestamp == Clock.now
    misp.state.unpublish(event)
    misp.state.publish(event)
    assert event.publish_timestamp == Clock.now + 60


def test_a_hard_deleted_attribute_and_a_deleted_event_leave_no_trace(misp: FakeMisp) -> None:
    event = add(misp, "a.example", "b.example")
    misp.state.delete_attribute(event, first(event), hard=True)
    assert search(misp, deleted=[0, 1]).values == ["b.example"]
    misp.state.delete_event(event)
    assert search(misp, deleted=[0, 1]).values == []
    assert ask(misp, "/events/index", {"minimal": 1}).json == []


def test_a_synchronised_event_keeps_its_old_times_but_not_its_publication(misp: FakeMisp) -> None:
    add(misp, timestamp="1600000000")
    add(misp, Attribute=[{"type": "md5", "value": "x", "timestamp": "1500000000"}])
    assert search(misp, timestamp="1650000000").values == []
    assert search(misp, last="1h").values == ["x"]
    rows = ask(misp, "/events/index", {"minimal": 1}).json
    assert [row["timestamp"] for row in rows] == ["1600000000", "1700000000"]


# -- searching


def test_deleted_attributes_come_only_when_asked_for(misp: FakeMisp) -> None:
    event = add(misp, "a.example", "b.example")
    misp.state.delete_attribute(event, first(event), hard=False)
    found = {
        str(deleted): search(misp, deleted=deleted).values
        for deleted in (0, False, 1, "only", [0, 1])
    }
    live, gone = ["b.example"], ["a.example"]
    both = ["a.example", "b.example"]
    assert found == {"0": live, "False": live, "1": gone, "only": gone, "[0, 1]": both}


def test_the_result_count_is_one_too_many_on_full_pages_and_one_beyond_the_end(
    misp: FakeMisp,
) -> None:
    add(misp, *(f"{n}.example" for n in range(15)))
    pages = [search(misp, limit=6, page=page) for page in (1, 2, 3, 4)]
    assert [len(page.attributes) for page in pages] == [6, 6, 3, 0]
    assert [page.headers["x-result-count"] for page in pages] == ["7", "7", "3", "1"]


def test_warninglists_are_applied_after_the_limit(misp: FakeMisp) -> None:
    add(misp, *(f"{n}.example" for n in range(9)))
    misp.state.add_warninglist("known", (f"{n}.example" for n in (1, 2, 6, 7, 8)))
    query = {"limit": 3, "enforceWarninglist": 1}
    pages = [search(misp, page=page, **query) for page in (1, 2, 3)]
    assert [len(page.values) for page in pages] == [1, 3, 0]
    assert [page.headers["x-skipped-elements-count"] for page in pages] == ["2", "0", "3"]
    assert [page.headers["x-result-count"] for page in pages] == ["3", "4", "3"]


def test_filters_that_it_does_not_know_are_ignored(misp: FakeMisp) -> None:
    add(misp, "a.example", "b.example")
    assert len(search(misp, typ="md5", id={">": 5}).values) == 2


def test_a_search_without_a_limit_exhausts_the_memory(misp: FakeMisp) -> None:
    add(misp, *(f"{n}.example" for n in range(11)))
    answer = search(misp)
    assert answer.status == 500
    assert answer.json["message"] == "An Internal Error Has Occurred."
    assert len(search(misp, limit=11).values) == 11


def test_a_row_deleted_between_two_pages_shifts_the_rest(misp: FakeMisp) -> None:
    event = add(misp, *(f"{n}.example" for n in range(4)))
    assert search(misp, limit=2, page=1).values == ["0.example", "1.example"]
    misp.state.delete_attribute(event, first(event), hard=True)
    assert search(misp, limit=2, page=2).values == ["3.example"]


def test_attributes_of_objects_are_found_with_their_object(misp: FakeMisp) -> None:
    event = add(misp)
    data = {"name": "file", "Attribute": [{"type": "md5", "value": "0"}]}
    misp.state.add_object(event, data)
    (found,) = search(misp).attributes
    assert (found["object_id"], found["Object"]["name"]) == ("1", "file")


def test_tags_of_the_event_are_inherited_only_where_asked_for(misp: FakeMisp) -> None:
    add(misp, "a.example", Tag=[{"name": "tlp:red"}])
    (found,) = search(misp).attributes
    assert "Tag" not in found
    (found,) = search(misp, includeEventTags=1).attributes
    assert [(tag["name"], tag["inherited"]) for tag in found["Tag"]] == [("tlp:red", 1)]


def test_either_half_of_a_composite_and_wildcards_are_found(misp: FakeMisp) -> None:
    attribute = {"type": "domain|ip", "value": "a.example|192.0.2.1"}
    add(misp, Attribute=[attribute])
    for value in ("A.example", "192.0.2.1", "a.example|192.0.2.1", "%.2.1"):
        assert search(misp, value=value).values == ["a.example|192.0.2.1"], value
    assert search(misp, value="example").values == []


def test_searches_go_by_event_type_category_organisation_tag_and_flag(misp: FakeMisp) -> None:
    org = {"name": "CIRCL", "uuid": "c"}
    event = add(misp, "a.example", Orgc=org, Tag=[{"name": "osint"}])
    add(misp, published=False, Attribute=[{"type": "md5", "value": "0", "to_ids": False}])
    for query in (
        {"eventid": 1},
        {"eventid": [event.uuid]},
        {"type": ["domain", "url"]},
        {"to_ids": 1},
        {"published": 1},
        {"org": "circl"},
        {"tags": ["osint"]},
        {"uuid": first(event).uuid},
    ):
        assert search(misp, **query).values == ["a.example"], query
    assert search(misp, to_ids="exclude").values == ["0"]
    assert search(misp, category="none").values == []


def test_times_are_moments_ages_or_windows_and_nonsense_finds_nothing(
    misp: FakeMisp, clock: Clock
) -> None:
    add(misp, "a.example")
    clock.now += 7_200
    add(misp, "b.example")
    assert search(misp, timestamp="1h").values == ["b.example"]
    assert search(misp, timestamp=Clock.now).values == ["a.example", "b.example"]
    assert search(misp, timestamp=["3h", "1h"]).values == ["a.example"]
    assert search(misp, timestamp="bogus").values == []


def test_the_order_can_be_turned_round(misp: FakeMisp) -> None:
    add(misp, "a.example", "b.example")
    assert search(misp, order="Attribute.id DESC").values == ["b.example", "a.example"]
    assert search(misp, order=["id ASC"]).values == ["a.example", "b.example"]


def test_the_index_and_event_searches_have_pages_too(misp: FakeMisp) -> None:
    for _ in range(3):
        add(misp, "a.example")
    rows = ask(misp, "/events/index", {"limit": 2, "page": 2}).json
    assert [row["id"] for row in rows] == ["3"]
    assert rows[0]["attribute_count"] == "1"
    found = ask(misp, "/events/restSearch", {"limit": 2, "page": 2, "metadata": 1}).json
    assert [item["Event"]["id"] for item in found["response"]] == ["3"]
    assert "Attribute" not in found["response"][0]["Event"]


# -- generated attributes


def test_generated_pages_equal_what_a_real_search_would_find() -> None:
    with FakeMisp(attributes=25, per_event=10) as misp:
        query = {"eventid": ["1", "3"], "includeEventTags": 1, "includeEventUuid": 1, "limit": 7}
        quick = [search(misp, page=page, **query) for page in (1, 2, 3, 4)]
        slow = [search(misp, page=page, published=1, **query) for page in (1, 2, 3, 4)]
    assert [answer.attributes for answer in quick] == [answer.attributes for answer in slow]
    assert [len(answer.attributes) for answer in quick] == [7, 7, 1, 0]
    counts = [answer.headers["x-result-count"] for answer in quick]
    assert counts == [answer.headers["x-result-count"] for answer in slow] == ["8", "8", "1", "1"]


def test_generated_values_are_all_different_and_usable() -> None:
    with FakeMisp(attributes=3_000) as misp:
        found = search(misp, limit=3_000).attributes
    assert len({item["value"] for item in found}) == len({item["uuid"] for item in found}) == 3_000
    assert {item["type"] for item in found} == {"domain", "url", "ip-dst", "sha256"}
    hashes = [item["value"] for item in found if item["type"] == "sha256"]
    assert all(re.fullmatch(r"[0-9a-f]{64}", value) for value in hashes)


def test_a_generated_event_can_be_viewed() -> None:
    with FakeMisp(attributes=5, per_event=5) as misp:
        event = ask(misp, "/events/view/1").json["Event"]
        assert len(event["Attribute"]) == int(event["attribute_count"]) == 5


def test_rendered_pages_are_those_that_are_made_on_demand() -> None:
    query = {"eventid": ["1", "3"], "includeEventTags": 1, "includeEventUuid": 1, "limit": 7}
    with (
        FakeMisp(attributes=25, per_event=10) as live,
        FakeMisp(attributes=25, per_event=10, rendered=True) as file,
    ):
        for page in (1, 2, 3, 4):
            same = [search(misp, page=page, **query) for misp in (live, file)]
            assert same[0].body == same[1].body, page
            assert same[0].headers["x-result-count"] == same[1].headers["x-result-count"]


def test_a_generated_event_that_was_changed_is_served_as_it_is_now() -> None:
    with FakeMisp(attributes=10, per_event=5, rendered=True) as misp:
        ask(misp, "/attributes/delete/10000001", {"hard": 1})
        found = search(misp, limit=20, includeEventTags=1)
        assert len(found.attributes) == 9
        assert ask(misp, "/attributes/view/10000001").status == 404
        misp.state.delete_event(misp.state.events[2])
        assert ask(misp, "/attributes/view/10000007").status == 404
        assert ask(misp, "/attributes/view/10000002").status == 200


# -- as a program


def test_faults_are_at_hand(misp: FakeMisp) -> None:
    misp.faults.add(Fault(FaultKind.STATUS, path="index", status=500, times=1))
    assert [ask(misp, "/events/index").status for _ in range(2)] == [500, 200]


def test_it_runs_by_hand_with_a_feed(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    (tmp_path / "other.json").write_text("{}")
    (tmp_path / "u.json").write_text('{"Event": {"uuid": "u", "info": "x"}}')
    command = [sys.executable, "-m", "vedette.testing.fake_misp", "--events", str(tmp_path)]
    with subprocess.Popen(
        [*command, "--attributes", "10", "--per-event", "5"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        said = dict(process.stdout.readline().split() for _ in range(4))
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert said["url"].startswith("http://127.0.0.1:")
    assert (said["key"], said["events"]) == (ADMIN_KEY, "3")
    assert said["read-only-key"] == READ_ONLY_KEY
