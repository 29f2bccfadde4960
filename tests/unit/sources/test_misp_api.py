from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
import stamina
from structlog.testing import capture_logs

from vedette.errors import SourceError
from vedette.model import Broken, Fetched, Indicator, Item, Skipped, Unchanged
from vedette.sources.filters import Filters
from vedette.sources.misp_api import MispApi
from vedette.sources.misp_index import KEPT_UNPUBLISHED
from vedette.testing.fake_misp import FakeMisp
from vedette.testing.faults import Fault, FaultKind


class Clock:
    """A server's time that only a test moves."""

    now = 1_700_000_000

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def misp(clock: Clock) -> Iterator[FakeMisp]:
    with FakeMisp(clock=clock) as server:
        yield server


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "misp.key"
    path.write_text(f"{FakeMisp.read_only_key}\n")
    path.chmod(0o600)
    return path


@pytest.fixture(autouse=True)
def no_waiting_between_attempts() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3):
        yield


@pytest.fixture
def source(misp: FakeMisp, key_file: Path) -> MispApi:
    return MispApi(
        name="misp", url=misp.url, key_file=str(key_file), timeout_s=5.0, filters=Filters()
    )


def but(source: MispApi, **changes: Any) -> MispApi:
    return msgspec.structs.replace(source, **changes)


def add(misp: FakeMisp, *values: str, **fields: Any) -> str:
    """Add an event that was last edited a minute ago."""
    attributes = [{"type": "domain", "value": value} for value in values]
    data = {"info": "an event", "published": True, "Attribute": attributes}
    return misp.state.add_event(data | {"timestamp": misp.state.now() - 60} | fields).uuid


def versions(items: Iterable[Item]) -> dict[str, str]:
    return {item.key: item.version for item in items if isinstance(item, Fetched)}


def values(items: Iterable[Item]) -> list[str]:
    return [item.value for item in items if isinstance(item, Indicator)]


def by_group(items: Iterable[Item]) -> dict[str, list[str]]:
    """The values between the markers, under the key of the marker that ends them."""
    groups: dict[str, list[str]] = {}
    pending: list[str] = []
    for item in items:
        if isinstance(item, Indicator):
            pending.append(item.value)
        elif isinstance(item, Fetched | Unchanged | Broken):
            groups[item.key] = pending
            pending = []
    return groups


def asked(misp: FakeMisp, path: str) -> list[dict[str, Any]]:
    return [json.loads(request.body) for request in misp.requests if request.path == path]


# -- what comes


def test_an_event_comes_with_everything_that_a_hit_will_tell(
    misp: FakeMisp, source: MispApi
) -> None:
    uuid = add(
        misp,
        "Evil.Example",
        info="Emotet wave",
        date="2026-01-02",
        threat_level_id="1",
        Orgc={"name": "CIRCL", "uuid": "55f6ea5e-2c60-40e5-964f-47a8950d210f"},
        Tag=[{"name": "tlp:amber"}, {"name": "osint"}],
    )
    (attribute,) = misp.state.event(uuid).attributes.values()  # type: ignore[union-attr]
    attribute.comment = "from a mail"
    misp.state.tag(attribute, "malware:emotet", local=True)
    indicator, end = source.fetch({})
    assert isinstance(indicator, Indicator)
    assert (indicator.value, indicator.ref) == ("evil.example", attribute.uuid)
    assert (indicator.comment, indicator.tags) == ("from a mail", ("malware:emotet",))
    context = indicator.context
    assert (context.key, context.info, context.organisation) == (uuid, "Emotet wave", "CIRCL")
    assert (context.tlp, context.tags) == ("amber", ("tlp:amber", "osint"))
    assert (context.threat_level, context.date) == ("high", "2026-01-02")
    assert context.url == f"{misp.url}/events/view/{uuid}"
    assert isinstance(end, Fetched)
    assert end.key == uuid


def test_attributes_of_objects_come_too_and_deleted_ones_do_not(
    misp: FakeMisp, source: MispApi
) -> None:
    uuid = add(misp, "a.example", "gone.example")
    event = misp.state.event(uuid)
    assert event is not None
    gone = next(item for item in event.attributes.values() if item.value == "gone.example")
    misp.state.delete_attribute(event, gone, hard=False)
    data = {"name": "file", "Attribute": [{"type": "ip-dst", "value": "198.51.100.7"}]}
    misp.state.add_object(event, data)
    misp.state.publish(event)
    assert values(source.fetch({})) == ["a.example", "198.51.100.7"]


def test_filters_apply_and_are_counted(misp: FakeMisp, source: MispApi) -> None:
    attributes = [
        {"type": "domain", "value": "a.example"},
        {"type": "domain", "value": "b.example", "to_ids": False},
        {"type": "domain", "value": "c.example", "Tag": [{"name": "tlp:red"}]},
        {"type": "mutex", "value": "x"},
    ]
    add(misp, Attribute=attributes, Tag=[{"name": "tlp:green"}])
    items = list(but(source, filters=Filters(tlp=("green",))).fetch({}))
    assert values(items) == ["a.example"]
    assert [item for item in items if isinstance(item, Skipped)] == [
        Skipped("TLP not wanted: red", 1),
        Skipped("no engine can match mutex: mutexes are on the host, not on the network", 1),
        Skipped("to_ids is false", 1),
    ]


def test_events_of_unwanted_organisations_are_counted_without_reading_them(
    misp: FakeMisp, source: MispApi
) -> None:
    uuid = add(misp, "a.example", "b.example", Orgc={"name": "Them", "uuid": "t"})
    items = list(but(source, filters=Filters(exclude_organisations=("them",))).fetch({}))
    assert items[0] == Skipped("organisation not wanted: Them", 2)
    assert list(versions(items)) == [uuid]
    assert asked(misp, "/attributes/restSearch") == []


def test_the_event_that_changed_last_comes_first(
    misp: FakeMisp, source: MispApi, clock: Clock
) -> None:
    for name in ("a.example", "b.example", "c.example"):
        clock.now += 1
        add(misp, name)
    assert values(source.fetch({})) == ["c.example", "b.example", "a.example"]


# -- what changed


def test_nothing_is_read_again_when_nothing_changed(misp: FakeMisp, source: MispApi) -> None:
    uuids = [add(misp, "a.example"), add(misp, "b.example")]
    known = versions(source.fetch({}))
    misp.requests.clear()
    assert sorted(source.fetch(known)) == sorted(Unchanged(uuid) for uuid in uuids)
    assert [request.path for request in misp.requests] == ["/events/index"]


def test_a_changed_event_is_read_whole_and_the_others_stay(
    misp: FakeMisp, source: MispApi, clock: Clock
) -> None:
    changed, other = add(misp, "a.example"), add(misp, "b.example")
    known = versions(source.fetch({}))
    clock.now += 60
    event = misp.state.event(changed)
    assert event is not None
    misp.state.add_attribute(event, {"type": "domain", "value": "new.example"})
    misp.state.publish(event)
    assert by_group(source.fetch(known)) == {other: [], changed: ["a.example", "new.example"]}


def test_a_synchronised_event_with_an_older_timestamp_is_a_change_too(
    misp: FakeMisp, source: MispApi
) -> None:
    uuid = add(misp, "a.example", timestamp="1700000000")
    known = versions(source.fetch({}))
    event = misp.state.event(uuid)
    assert event is not None
    misp.state.delete_event(event)
    add(misp, "old.example", uuid=uuid, timestamp="1600000000")
    assert values(source.fetch(known)) == ["old.example"]


def test_a_hard_deleted_attribute_goes_because_its_event_is_replaced(
    misp: FakeMisp, source: MispApi, clock: Clock
) -> None:
    uuid = add(misp, "a.example", "b.example")
    known = versions(source.fetch({}))
    clock.now += 60
    event = misp.state.event(uuid)
    assert event is not None
    misp.state.delete_attribute(event, next(iter(event.attributes.values())), hard=True)
    misp.state.publish(event)
    assert by_group(source.fetch(known)) == {uuid: ["b.example"]}


def test_a_deleted_event_is_not_mentioned(misp: FakeMisp, source: MispApi) -> None:
    gone, stays = add(misp, "a.example"), add(misp, "b.example")
    known = versions(source.fetch({}))
    event = misp.state.event(gone)
    assert event is not None
    misp.state.delete_event(event)
    assert list(source.fetch(known)) == [Unchanged(stays)]


def test_a_changed_filter_reads_everything_again(misp: FakeMisp, source: MispApi) -> None:
    add(misp, "a.example")
    known = versions(source.fetch({}))
    assert values(but(source, filters=Filters(to_ids=False)).fetch(known)) == ["a.example"]


# -- publication


def test_an_event_that_was_never_published_is_counted_and_yields_nothing(
    misp: FakeMisp, source: MispApi
) -> None:
    uuid = add(misp, "draft.example", published=False)
    items = list(source.fetch({}))
    assert items[0] == Skipped("event is not published")
    assert list(versions(items)) == [uuid]
    assert list(source.fetch(versions(items))) == [Unchanged(uuid)]
    assert values(but(source, filters=Filters(published_only=False)).fetch({})) == ["draft.example"]


def test_an_event_that_is_being_edited_keeps_its_published_state(
    misp: FakeMisp, source: MispApi, clock: Clock
) -> None:
    uuid = add(misp, "a.example")
    known = versions(source.fetch({}))
    event = misp.state.event(uuid)
    assert event is not None
    clock.now += 60
    misp.state.add_attribute(event, {"type": "domain", "value": "half-done.example"})
    (kept,) = source.fetch(known)
    assert isinstance(kept, Unchanged)
    assert (kept.key, kept.reason) == (uuid, KEPT_UNPUBLISHED)
    misp.state.publish(event)
    assert values(source.fetch(known)) == ["a.example", "half-done.example"]


def test_a_draft_that_we_saw_stays_empty_until_it_is_published(
    misp: FakeMisp, source: MispApi, clock: Clock
) -> None:
    uuid = add(misp, "draft.example", published=False)
    known = versions(source.fetch({}))
    event = misp.state.event(uuid)
    assert event is not None
    clock.now += 60
    misp.state.add_attribute(event, {"type": "domain", "value": "more.example"})
    assert values(source.fetch(known)) == []
    misp.state.publish(event)
    assert values(source.fetch(known)) == ["draft.example", "more.example"]


def test_an_unpublished_event_is_dropped_at_once_where_that_is_asked_for(
    misp: FakeMisp, source: MispApi
) -> None:
    uuid = add(misp, "a.example")
    dropping = but(source, unpublished="drop")
    known = versions(dropping.fetch({}))
    event = misp.state.event(uuid)
    assert event is not None
    misp.state.unpublish(event)
    assert by_group(dropping.fetch(known)) == {uuid: []}


# -- pages


def test_small_events_share_a_page_and_come_apart_again(misp: FakeMisp, source: MispApi) -> None:
    first = add(misp, "a.example", "b.example")
    second = add(misp, "c.example")
    event = misp.state.event(first)
    assert event is not None
    misp.state.add_attribute(event, {"type": "domain", "value": "d.example"})  # after c.example
    misp.state.publish(event)
    groups = by_group(source.fetch({}))
    assert groups == {first: ["a.example", "b.example", "d.example"], second: ["c.example"]}
    assert len(asked(misp, "/attributes/restSearch")) == 1


@pytest.mark.parametrize("page_size", [1, 2, 3, 4, 5, 6, 7, 8, 100])
def test_any_page_size_gives_the_same_groups(
    misp: FakeMisp, source: MispApi, page_size: int
) -> None:
    expected = {
        add(misp, *(f"{letter}{number}.example" for number in range(size))): [
            f"{letter}{number}.example" for number in range(size)
        ]
        for letter, size in (("a", 3), ("b", 0), ("c", 6), ("d", 1), ("e", 4))
    }
    assert by_group(but(source, page_size=page_size).fetch({})) == expected
    for query in asked(misp, "/attributes/restSearch"):
        assert query["limit"] == page_size


def test_a_batch_that_grew_is_read_again_event_by_event(misp: FakeMisp, source: MispApi) -> None:
    first, second = add(misp, "a.example"), add(misp, "b.example")
    pulling = but(source, page_size=4).fetch({})
    real = misp.state.event(first)
    assert real is not None

    class Grown(type(real)):  # type: ignore[misc]
        """Its metadata was written before its last attributes."""

        attribute_count = 1

    real.__class__ = Grown
    for number in range(4):
        misp.state.add_attribute(real, {"type": "domain", "value": f"more{number}.example"})
    misp.state.publish(real)
    groups = by_group(pulling)
    assert groups[first] == ["a.example", *(f"more{number}.example" for number in range(4))]
    assert groups[second] == ["b.example"]


def test_a_row_deleted_between_two_pages_does_not_make_another_one_vanish(
    misp: FakeMisp, source: MispApi, clock: Clock
) -> None:
    uuid = add(misp, *(f"{number}.example" for number in range(6)))
    pulling = but(source, page_size=2).fetch({})
    assert isinstance(next(pulling), Indicator)
    event = misp.state.event(uuid)
    assert event is not None
    clock.now += 60
    misp.state.delete_attribute(event, next(iter(event.attributes.values())), hard=True)
    items = list(pulling)
    assert items[-1] == Broken(uuid, "changed while it was read; the next pull reads it again")
    misp.state.publish(event)
    assert values(source.fetch({})) == [f"{number}.example" for number in range(1, 6)]


def test_a_server_that_cannot_take_the_page_size_gets_half_of_it(
    misp: FakeMisp, source: MispApi
) -> None:
    uuid = add(misp, *(f"{number}.example" for number in range(20)))
    misp.faults.add(Fault(FaultKind.STATUS, path="attributes/restSearch", skip=1, times=2))
    assert by_group(but(source, page_size=8).fetch({})) == {
        uuid: [f"{number}.example" for number in range(20)]
    }
    pages = [(query["limit"], query["page"]) for query in asked(misp, "/attributes/restSearch")]
    assert pages == [
        (8, 1),
        (8, 2),
        (4, 3),
        (2, 5),
        (2, 6),
        (2, 7),
        (2, 8),
        (2, 9),
        (2, 10),
        (2, 11),
    ]


def test_a_slow_page_is_halved_too(misp: FakeMisp, source: MispApi) -> None:
    uuid = add(misp, *(f"{number}.example" for number in range(3)))
    misp.faults.add(Fault(FaultKind.SLOW, path="attributes/restSearch", seconds=1.0, times=1))
    quick = but(source, timeout_s=0.3, page_size=4)
    assert by_group(quick.fetch({})) == {uuid: [f"{number}.example" for number in range(3)]}


def test_an_event_that_is_listed_but_cannot_be_read_is_told(
    misp: FakeMisp, source: MispApi
) -> None:
    uuid, other = add(misp, "a.example"), add(misp, "b.example")
    body = json.dumps({"response": []}).encode()
    misp.faults.add(Fault(FaultKind.BODY, path="events/restSearch", body=body, times=1))
    items = list(source.fetch({}))
    assert {item.key for item in items if isinstance(item, Broken)} == {uuid, other}


def test_what_was_fetched_before_a_failure_is_complete(misp: FakeMisp, source: MispApi) -> None:
    uuids = [add(misp, f"{n}a.example", f"{n}b.example", f"{n}c.example") for n in range(3)]
    misp.faults.add(Fault(FaultKind.CUT, path="attributes/restSearch", skip=3))
    items: list[Item] = []
    pulling = but(source, page_size=2).fetch({})
    with pytest.raises(SourceError, match="cut its answer short"):
        items.extend(iter(pulling))
    known = versions(items)
    assert list(known) == uuids[:1]
    misp.faults.clear()
    rest = list(but(source, page_size=2).fetch(known))
    assert [item.key for item in rest if isinstance(item, Unchanged)] == uuids[:1]
    assert list(versions(rest)) == uuids[1:]


def test_memory_does_not_grow_with_the_number_of_attributes(key_file: Path) -> None:
    key_file.write_text(FakeMisp.key)

    def peak(attributes: int, per_event: int) -> int:
        with FakeMisp(attributes=attributes, per_event=per_event) as misp:
            source = MispApi(name="m", url=misp.url, key_file=str(key_file), page_size=500)
            tracemalloc.start()
            count = sum(isinstance(item, Indicator) for item in source.fetch({}))
            misp.requests.clear()
            _, highest = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        assert count == attributes
        return highest

    assert peak(12_000, 90) < peak(2_000, 90) * 1.3
    assert peak(12_000, 12_000) < peak(2_000, 2_000) * 1.3


# -- what can be wrong

HTML = b"<!DOCTYPE html><html><body>Sign in</body></html>"
WRONG = [
    (Fault(FaultKind.BODY, body=HTML, content_type="text/html"), "HTML instead of JSON"),
    (Fault(FaultKind.BODY, body=b"Allowed memory size exhausted"), "something that is not JSON"),
    (Fault(FaultKind.BODY, body=b""), "an empty answer instead of JSON"),
    (Fault(FaultKind.BODY, body=b'["u", {"id'), "not the expected JSON|no response.Attribute"),
    (Fault(FaultKind.BODY, body=b'{"errors": "x"}'), "not the expected JSON|no response.Attribute"),
    (Fault(FaultKind.STATUS, status=404), r"does not exist \(404\)"),
    (Fault(FaultKind.STATUS, status=405), r"does not exist \(405\)"),
    (Fault(FaultKind.STATUS, status=500, body=b'{"message": "Oops"}'), r"failed \(500\): Oops"),
    (Fault(FaultKind.STATUS, status=503), r"failed \(503\)"),
    (Fault(FaultKind.STATUS, status=302, headers={"Location": "/users/login"}), "redirects to"),
    (Fault(FaultKind.STATUS, status=418), "answered 418"),
    (Fault(FaultKind.CUT), "cut its answer short"),
    (Fault(FaultKind.CLOSE), "cut its answer short"),
    (Fault(FaultKind.STATUS, status=429, headers={"X-Rate-Limit-Reset": "880"}), "for 880 s"),
    (Fault(FaultKind.STATUS, status=429), "for 900 s"),
]


@pytest.mark.parametrize("path", ["events/index", "attributes/restSearch"])
@pytest.mark.parametrize(("fault", "message"), WRONG, ids=[message for _, message in WRONG])
def test_every_failure_says_what_it_is_and_what_to_do(
    misp: FakeMisp, source: MispApi, fault: Fault, message: str, path: str
) -> None:
    add(misp, "a.example")
    here = Fault(**{**vars(fault), "path": path})
    misp.faults.add(here)
    with pytest.raises(SourceError, match=message) as caught:
        list(source.fetch({}))
    assert caught.value.hint


def test_a_wrong_key_is_told_with_misps_own_words(
    misp: FakeMisp, source: MispApi, key_file: Path
) -> None:
    key_file.write_text("x" * 40)
    with pytest.raises(SourceError, match=r"refused the API key \(403\): Authentication failed"):
        list(source.fetch({}))


def test_a_server_that_is_down_is_told(source: MispApi, misp: FakeMisp) -> None:
    misp.stop()
    with pytest.raises(SourceError, match="cannot connect") as caught:
        list(source.fetch({}))
    assert "address and port" in caught.value.hint


def test_a_server_that_never_answers_is_told(misp: FakeMisp, source: MispApi) -> None:
    misp.faults.add(Fault(FaultKind.SLOW, seconds=5.0))
    with pytest.raises(SourceError, match=r"did not answer within 0\.2 s"):
        list(but(source, timeout_s=0.2).fetch({}))


def test_a_short_hiccup_is_not_even_noticed(misp: FakeMisp, source: MispApi) -> None:
    add(misp, "a.example")
    misp.faults.add(Fault(FaultKind.STATUS, status=503, times=2))
    misp.faults.add(Fault(FaultKind.CLOSE, path="attributes", times=2))
    assert values(source.fetch({})) == ["a.example"]


def test_a_short_rate_limit_is_waited_for(key_file: Path) -> None:
    with FakeMisp(rate_limit=2, rate_window_s=0.5) as misp:
        source = MispApi(name="m", url=misp.url, key_file=str(key_file), page_size=1)
        add(misp, "a.example", "b.example", "c.example")
        assert values(source.fetch({})) == ["a.example", "b.example", "c.example"]
        refused = [r for r in misp.requests if r.path == "/attributes/restSearch"]
        assert len(refused) > 4


def test_a_server_that_gives_the_same_page_for_ever_is_refused(
    misp: FakeMisp, source: MispApi
) -> None:
    uuid = add(misp, "a.example", "b.example", "c.example")
    event = misp.state.event(uuid)
    assert event is not None
    row = {"type": "domain", "value": "a.example", "uuid": "u", "event_id": str(event.id)}
    body = json.dumps({"response": {"Attribute": [row, row]}}).encode()
    misp.faults.add(Fault(FaultKind.BODY, path="attributes/restSearch", body=body))
    with pytest.raises(SourceError, match="same page again"):
        list(but(source, page_size=2).fetch({}))


def test_attributes_that_nobody_asked_for_are_refused(misp: FakeMisp, source: MispApi) -> None:
    add(misp, "a.example")
    row = {"type": "domain", "value": "b.example", "event_id": "999"}
    body = json.dumps({"response": {"Attribute": [row]}}).encode()
    misp.faults.add(Fault(FaultKind.BODY, path="attributes/restSearch", body=body))
    with pytest.raises(SourceError, match="not asked for"):
        list(source.fetch({}))


def test_an_event_whose_uuid_is_none_is_broken_and_costs_no_other(
    misp: FakeMisp, source: MispApi
) -> None:
    bad = "../../../../etc/cron.d/evil\x1b[2J"
    add(misp, "a.example")
    misp.state.add_event({"info": "x", "uuid": bad, "published": True, "timestamp": 5})
    items = list(source.fetch({}))
    assert values(items) == ["a.example"]
    assert [item.reason for item in items if isinstance(item, Broken)] == [
        "the list names an event that is no UUID"
    ]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"reconcile": "nightly"}, "reconcile: 'nightly' is no duration"),
        ({"unpublished_grace": "1"}, "unpublished_grace"),
        ({"missing_grace": "x"}, "missing_grace"),
        ({"zmq": "misp.example.org:50000"}, "is no address like tcp"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: dict[str, str], message: str) -> None:
    fields = {"name": "m", "url": "https://misp.example.org", "key_file": "k", **settings}
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.json.decode(msgspec.json.encode(fields), type=MispApi)


# -- settings


def test_the_check_tells_version_role_and_rights(misp: FakeMisp, source: MispApi) -> None:
    add(misp, "a.example")
    assert source.check() == {
        "version": "2.5.1",
        "role": "read only",
        "perm_sighting": False,
        "perm_sync": False,
        "events": 1,
    }


def test_a_key_that_others_can_read_is_not_sent_anywhere(
    misp: FakeMisp, source: MispApi, key_file: Path
) -> None:
    key_file.chmod(0o644)
    with pytest.raises(SourceError, match="everybody may read"):
        list(source.fetch({}))
    assert not misp.requests
    key_file.chmod(0o640)
    with capture_logs() as logs:
        list(source.fetch({}))
    assert logs
    assert FakeMisp.read_only_key not in repr(logs)


def test_a_page_size_of_nothing_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="page_size"):
        msgspec.json.decode(
            b'{"name": "m", "url": "https://misp.example.org", "key_file": "k", "page_size": 0}',
            type=MispApi,
        )


def test_settings_survive_the_stores_json(source: MispApi) -> None:
    saved: Mapping[str, object] = msgspec.json.decode(msgspec.json.encode(source))
    assert msgspec.convert(saved, type=MispApi) == source
    assert FakeMisp.read_only_key not in json.dumps(saved)


def test_a_url_with_a_slash_at_its_end_is_the_same(misp: FakeMisp, source: MispApi) -> None:
    uuid = add(misp, "a.example")
    items = list(but(source, url=f"{misp.url}/").fetch({}))
    assert isinstance(items[0], Indicator)
    assert items[0].context.url == f"{misp.url}/events/view/{uuid}"


@pytest.mark.shared
def test_the_redblue_feed_through_a_server_equals_the_feed(
    misp: FakeMisp, source: MispApi, shared_data: Path
) -> None:
    assert misp.load_feed(shared_data / "misp" / "redblue-feed") == 3
    assert len(values(source.fetch({}))) == 559
