"""Every change that a MISP knows (facts: section C.1), and afterwards: mirror == MISP.

The mirror is a real store, filled through a real socket by a user of another organisation with a
read-only role; the MISP is read through PyMISP with the same key, over another endpoint.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pymisp import PyMISP

from vedette.model import IndicatorType, Key
from vedette.sources.misp_api import MispApi
from vedette.store import PullSummary, Store
from vedette.testing.fake_misp import FakeMisp
from vedette.testing.fake_misp.model import READ_ONLY, FakeEvent
from vedette.testing.mirror import Claim, held, published

START = 1_767_200_400
"""2025-12-31 17:00 UTC."""
DAY_S = 86_400
REASON = "not published at the moment: its last published state stays"


class Clock:
    """The time of the server and of the mirror; only a test moves it."""

    now = START

    def __call__(self) -> float:
        return self.now


class TimedMisp(MispApi, frozen=True, kw_only=True):
    """The source, at the time of the test's clock."""

    clock: ClassVar[Clock]

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self.clock.now, UTC)


class Mirror:
    """A MISP and a store beside each other."""

    def __init__(self, misp: FakeMisp, store: Store, clock: Clock, directory: Path) -> None:
        self.misp = misp
        self.state = misp.state
        self.store = store
        self.clock = clock
        self.key = misp.add_key(READ_ONLY, "Partner")
        path = directory / "partner.key"
        path.write_text(self.key)
        path.chmod(0o600)
        TimedMisp.clock = clock
        self.source = TimedMisp(name="misp", url=misp.url, key_file=str(path), retries=1)
        self.reader = PyMISP(misp.url, self.key)
        store.add_source("misp", "misp", {}, 900)

    def set(self, **settings: Any) -> None:
        """Change settings of the source."""
        fields = {name: getattr(self.source, name) for name in self.source.__struct_fields__}
        self.source = TimedMisp(**{**fields, **settings})

    def add(self, *values: str, **fields: Any) -> FakeEvent:
        """Add a published event with domains."""
        attributes = [{"type": "domain", "value": value} for value in values]
        data = {"info": "an event", "published": True, "Attribute": attributes}
        event = self.state.add_event({**data, **fields})
        self.clock.now += 60
        return event

    def pull(self) -> PullSummary:
        """One pull of the source into the store, a minute later."""
        self.clock.now += 60
        running = self.store.pull("misp", accept=True)
        for item in self.source.fetch(running.known()):
            running.take(item)
        return running.finish()

    def held(self) -> set[Claim]:
        return held(self.store, "misp")

    def values(self) -> list[str]:
        return sorted(claim.value for claim in self.held())

    def equals(self) -> bool:
        """Whether the mirror is what PyMISP reads; the assertion shows the difference."""
        theirs = published(self.reader)
        assert self.held() == theirs
        return True

    def publish(self, event: FakeEvent) -> None:
        self.clock.now += 1
        self.state.publish(event)
        self.clock.now += 60


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def mirror(clock: Clock, tmp_path: Path) -> Iterator[Mirror]:
    with FakeMisp(clock=clock) as misp, Store(tmp_path / "vedette.db") as store:
        yield Mirror(misp, store, clock, tmp_path)


def attribute_of(event: FakeEvent, value: str) -> Any:
    return next(item for item in event.attributes.values() if item.value == value)


def asked(mirror: Mirror, path: str) -> list[dict[str, Any]]:
    return [json.loads(request.body) for request in mirror.misp.requests if request.path == path]


# -- each change, then publication: mirror == MISP

Change = Callable[[Mirror, FakeEvent], object]
EDITS: dict[str, Change] = {
    "attribute added": lambda m, e: m.state.add_attribute(
        e, {"type": "hostname", "value": "new.example"}
    ),
    "value edited": lambda m, e: m.state.edit_attribute(
        e, attribute_of(e, "a.example"), {"value": "edited.example"}
    ),
    "type edited": lambda m, e: m.state.edit_attribute(
        e, attribute_of(e, "a.example"), {"type": "hostname"}
    ),
    "comment edited": lambda m, e: m.state.edit_attribute(
        e, attribute_of(e, "a.example"), {"comment": "says more"}
    ),
    "last seen": lambda m, e: m.state.edit_attribute(
        e, attribute_of(e, "a.example"), {"last_seen": "2025-12-31T17:00:30+00:00"}
    ),
    "to_ids off": lambda m, e: m.state.edit_attribute(
        e, attribute_of(e, "a.example"), {"to_ids": False}
    ),
    "soft delete": lambda m, e: m.state.delete_attribute(
        e, attribute_of(e, "a.example"), hard=False
    ),
    "hard delete": lambda m, e: m.state.delete_attribute(
        e, attribute_of(e, "a.example"), hard=True
    ),
    "attribute tagged": lambda m, e: m.state.tag(attribute_of(e, "a.example"), "tlp:red"),
    "event tagged": lambda m, e: m.state.tag(e, "tlp:amber"),
    "event untagged": lambda m, e: m.state.untag(e, "osint"),
    "event renamed": lambda m, e: m.state.edit_event(e, {"info": "renamed"}),
    "attribute hidden": lambda m, e: m.state.edit_attribute(
        e, attribute_of(e, "a.example"), {"distribution": "0"}
    ),
    "object added": lambda m, e: m.state.add_object(
        e,
        {
            "name": "file",
            "Attribute": [
                {"type": "md5", "value": "d41d8cd98f00b204e9800998ecf8427e"},
                {"type": "filename", "value": "x.exe"},
                {"type": "domain", "value": "object.example"},
            ],
        },
    ),
    "composites added": lambda m, e: [
        m.state.add_attribute(e, {"type": kind, "value": value})
        for kind, value in (
            ("domain|ip", "both.example|192.0.2.7"),
            ("filename|md5", "a.exe|d41d8cd98f00b204e9800998ecf8427e"),
            ("filename|sha256", f"x.exe|{'ab' * 32}"),
            ("hostname|port", "port.example|8443"),
            ("ip-dst|port", "192.0.2.8|443"),
        )
    ],
}


@pytest.mark.parametrize("change", EDITS.values(), ids=EDITS.keys())
def test_an_edit_is_mirrored_when_it_is_published_and_not_before(
    mirror: Mirror, change: Change
) -> None:
    event = mirror.add("a.example", "b.example", Tag=[{"name": "osint"}])
    mirror.add("c.example")
    mirror.pull()
    assert mirror.equals()
    before = mirror.held()
    change(mirror, event)
    assert event.published is False
    summary = mirror.pull()
    assert mirror.held() == before
    assert summary.kept == {REASON: 1}
    mirror.publish(event)
    assert mirror.pull().groups["fetched"] == 1
    assert mirror.held() != before
    assert mirror.equals()
    assert mirror.pull().groups["fetched"] == 0


UNDONE: dict[str, tuple[Change, Change]] = {
    "restore": (
        lambda m, e: m.state.delete_attribute(e, attribute_of(e, "a.example"), hard=False),
        lambda m, e: m.state.restore_attribute(e, attribute_of(e, "a.example")),
    ),
    "to_ids on": (
        lambda m, e: m.state.edit_attribute(e, attribute_of(e, "a.example"), {"to_ids": False}),
        lambda m, e: m.state.edit_attribute(e, attribute_of(e, "a.example"), {"to_ids": True}),
    ),
    "shown": (
        lambda m, e: m.state.edit_attribute(e, attribute_of(e, "a.example"), {"distribution": "0"}),
        lambda m, e: m.state.edit_attribute(e, attribute_of(e, "a.example"), {"distribution": "5"}),
    ),
}


@pytest.mark.parametrize(("change", "undo"), UNDONE.values(), ids=UNDONE.keys())
def test_what_is_undone_comes_back(mirror: Mirror, change: Change, undo: Change) -> None:
    event = mirror.add("a.example", "b.example")
    mirror.pull()
    for step, expected in ((change, ["b.example"]), (undo, ["a.example", "b.example"])):
        step(mirror, event)
        mirror.publish(event)
        mirror.pull()
        assert mirror.values() == expected
        assert mirror.equals()


def test_objects_go_with_their_attributes(mirror: Mirror) -> None:
    event = mirror.add("a.example")
    data = {"name": "x", "Attribute": [{"type": "domain", "value": "object.example"}]}
    for hard in (False, True):
        item = mirror.state.add_object(event, data)
        mirror.publish(event)
        mirror.pull()
        assert mirror.values() == ["a.example", "object.example"]
        mirror.state.delete_object(event, item, hard=hard)
        mirror.publish(event)
        mirror.pull()
        assert mirror.values() == ["a.example"]
        assert mirror.equals()


def test_a_deleted_event_goes_and_the_reason_is_told(mirror: Mirror) -> None:
    event = mirror.add("a.example")
    mirror.add("b.example")
    mirror.pull()
    mirror.state.delete_event(event)
    summary = mirror.pull()
    assert summary.removed_why == {"withdrawn by the source": 1}
    assert mirror.values() == ["b.example"]
    assert mirror.equals()


def test_an_event_whose_distribution_is_narrowed_below_us_goes(mirror: Mirror) -> None:
    event = mirror.add("a.example")
    mirror.add("b.example")
    mirror.pull()
    event.distribution = "0"  # whatever the timestamps say: we see nothing of it any more
    mirror.pull()
    assert mirror.values() == ["b.example"]
    assert mirror.equals()


def test_an_event_that_arrives_by_synchronisation_with_old_timestamps_is_mirrored(
    mirror: Mirror,
) -> None:
    mirror.add("a.example")
    mirror.pull()
    data = {
        "uuid": "11111111-0000-4000-8000-000000000001",
        "info": "from afar",
        "timestamp": "1500000000",
        "Attribute": [{"type": "domain", "value": "old.example", "timestamp": "1500000000"}],
    }
    mirror.state.receive_event(data)
    mirror.pull()
    assert mirror.values() == ["a.example", "old.example"]
    assert mirror.equals()
    mirror.state.receive_event(
        data
        | {
            "timestamp": "1400000000",
            "Attribute": [{"type": "domain", "value": "older.example", "timestamp": "1400000000"}],
        }
    )
    mirror.pull()
    assert mirror.values() == ["a.example", "older.example"]
    assert mirror.equals()


def test_why_single_values_went_is_counted_and_logged(mirror: Mirror) -> None:
    event = mirror.add("a.example", "b.example", "c.example", "d.example")
    mirror.pull()
    seq = mirror.store.entries.last_change()
    mirror.state.edit_attribute(event, attribute_of(event, "a.example"), {"to_ids": False})
    mirror.state.delete_attribute(event, attribute_of(event, "b.example"), hard=False)
    mirror.state.delete_attribute(event, attribute_of(event, "c.example"), hard=True)
    mirror.publish(event)
    assert mirror.pull().removed_why == {
        "deleted in MISP": 1,
        "to_ids is false": 1,
        "updated by the source": 1,
    }
    key = Key(IndicatorType.DOMAIN, "a.example")
    reasons = mirror.store.entries.reasons([key], seq, mirror.store.entries.last_change())
    assert reasons[key].reason == f"to_ids is false ({event.uuid})"


# -- publication and its grace


def test_unpublished_is_kept_for_its_grace_and_then_goes_with_the_reason(mirror: Mirror) -> None:
    event = mirror.add("a.example")
    mirror.add("b.example")
    mirror.pull()
    mirror.state.unpublish(event)
    assert mirror.pull().kept == {REASON: 1}
    for _ in range(6):
        mirror.clock.now += DAY_S
        assert mirror.pull().kept == {REASON: 1}
        assert mirror.values() == ["a.example", "b.example"]
    mirror.clock.now += DAY_S
    summary = mirror.pull()
    assert mirror.values() == ["b.example"]
    assert summary.removed_why == {"its event has been unpublished for 7d": 1}
    assert mirror.equals()
    mirror.publish(event)
    mirror.pull()
    assert mirror.equals()
    assert mirror.values() == ["a.example", "b.example"]


def test_each_time_it_is_unpublished_the_grace_begins_anew(mirror: Mirror) -> None:
    event = mirror.add("a.example")
    mirror.pull()
    for _ in range(3):
        mirror.state.unpublish(event)
        for _ in range(5):
            mirror.clock.now += DAY_S
            mirror.pull()
            assert mirror.values() == ["a.example"]
        mirror.publish(event)
        mirror.pull()
        assert mirror.equals()


def test_without_a_grace_it_stays_until_it_is_published_or_deleted(mirror: Mirror) -> None:
    mirror.set(unpublished_grace="")
    event = mirror.add("a.example")
    mirror.pull()
    mirror.state.unpublish(event)
    for _ in range(3):
        mirror.clock.now += 365 * DAY_S
        mirror.pull()
        assert mirror.values() == ["a.example"]
    mirror.state.delete_event(event)
    mirror.pull()
    assert mirror.values() == []


def test_where_that_is_asked_for_an_edit_takes_the_event_off_at_once(mirror: Mirror) -> None:
    mirror.set(unpublished="drop")
    event = mirror.add("a.example")
    mirror.pull()
    mirror.state.unpublish(event)
    assert mirror.pull().removed_why == {"its event was unpublished": 1}
    assert mirror.equals()


# -- the nightly reconcile


def test_what_leaves_no_trace_comes_with_the_nightly_reconcile(mirror: Mirror) -> None:
    event = mirror.add("a.example", "b.example", "c.example")
    mirror.pull()
    mirror.state.tag(event, "workflow:done", local=True)
    mirror.state.tag(attribute_of(event, "a.example"), "checked", local=True)
    attribute_of(event, "b.example").distribution = "0"  # as a synchronisation may do it
    attribute_of(event, "c.example").comment = "edited in the database"
    assert mirror.pull().groups["fetched"] == 0
    assert mirror.values() == ["a.example", "b.example", "c.example"]
    mirror.clock.now += DAY_S
    assert mirror.pull().groups["fetched"] == 1
    assert mirror.values() == ["a.example", "c.example"]
    assert mirror.equals()


def test_a_reconcile_reads_all_once_and_leaves_unpublished_states_alone(mirror: Mirror) -> None:
    edited = mirror.add("a.example")
    mirror.add("b.example")
    mirror.pull()
    mirror.state.add_attribute(edited, {"type": "domain", "value": "draft.example"})
    mirror.clock.now += DAY_S
    summary = mirror.pull()
    assert (summary.groups["fetched"], summary.kept) == (1, {REASON: 1})
    assert mirror.values() == ["a.example", "b.example"]
    mirror.misp.requests.clear()
    mirror.pull()
    assert [request.path for request in mirror.misp.requests] == ["/events/index"]
    mirror.publish(edited)
    mirror.pull()
    assert mirror.equals()


def test_a_reconcile_can_be_switched_off(mirror: Mirror) -> None:
    mirror.set(reconcile="")
    mirror.add("a.example")
    mirror.pull()
    mirror.clock.now += 30 * DAY_S
    assert mirror.pull().groups["fetched"] == 0


# -- decay


def test_what_all_models_call_decayed_expires_and_a_sighting_revives_it(mirror: Mirror) -> None:
    mirror.set(decay=True)
    mirror.state.add_decaying_model("quick", ["domain"], lifetime_days=10)
    mirror.state.add_decaying_model("slow", ["domain"], lifetime_days=40)
    event = mirror.add("a.example")

    def expires() -> int:
        mirror.pull()
        key = Key(IndicatorType.DOMAIN, "a.example")
        (entry,) = mirror.store.entries.lookup([key])[key]
        return entry.expires

    assert expires() == 0
    mirror.clock.now += 20 * DAY_S  # only the quick one has given it up
    assert expires() == 0
    mirror.clock.now += 20 * DAY_S
    assert 0 < expires() <= mirror.clock.now
    (attribute,) = event.attributes.values()
    mirror.state.add_sighting(attribute)
    mirror.clock.now += DAY_S
    assert expires() == 0
    assert mirror.equals()


def test_decay_is_not_asked_for_unless_wanted(mirror: Mirror) -> None:
    mirror.add("a.example")
    mirror.pull()
    (query,) = asked(mirror, "/attributes/restSearch")
    assert "includeDecayScore" not in query
    assert "enforceWarninglist" not in query
    assert "excludeDecayed" not in query


# -- pages


@pytest.mark.parametrize("page_size", [2, 3, 5, 7])
def test_rows_that_vanish_between_pages_take_no_other_row_with_them(
    mirror: Mirror, page_size: int
) -> None:
    mirror.set(page_size=page_size)
    event = mirror.add(*(f"{n}.example" for n in range(20)))
    mirror.pull()
    assert mirror.equals()
    mirror.publish(event)
    mirror.state.edit_event(event, {"info": "read it again", "published": True})
    mirror.clock.now += 120
    running = mirror.store.pull("misp", accept=True)
    for number, item in enumerate(mirror.source.fetch(running.known())):
        running.take(item)
        if number == page_size - 1:  # the first page is read, the second not yet asked for
            mirror.clock.now += 1
            gone = attribute_of(event, "0.example")
            mirror.state.delete_attribute(event, gone, hard=True)
    running.finish()
    assert len(mirror.values()) == 20
    mirror.publish(event)
    mirror.pull()
    assert len(mirror.values()) == 19
    assert mirror.equals()


def test_rows_deleted_softly_between_pages_move_nothing(mirror: Mirror) -> None:
    mirror.set(page_size=4)
    event = mirror.add(*(f"{n}.example" for n in range(10)))
    items = mirror.source.fetch({})
    first = [next(items) for _ in range(4)]
    mirror.state.delete_attribute(event, attribute_of(event, "0.example"), hard=False)
    rest = list(items)
    seen = {getattr(item, "value", "") for item in [*first, *rest]}
    assert {f"{n}.example" for n in range(10)} <= seen


def test_everything_is_asked_for_in_ordered_pages_with_a_limit(mirror: Mirror) -> None:
    mirror.set(page_size=3)
    for number in range(4):
        mirror.add(*(f"{n}.{number}.example" for n in range(number * 2)))
    mirror.pull()
    assert mirror.equals()
    for query in asked(mirror, "/attributes/restSearch"):
        assert (query["limit"], query["order"]) == (3, "Attribute.id ASC")
        assert query["page"] >= 1
        assert query["deleted"] == [0, 1]
    for query in asked(mirror, "/events/restSearch")[:-1]:  # the last one is PyMISP's
        assert query["limit"] == len(query["eventid"])


# -- several servers


def test_one_value_of_three_servers_is_one_indicator_with_three_contexts(
    clock: Clock, tmp_path: Path
) -> None:
    names = ("first", "second", "third")
    servers = {name: FakeMisp(clock=clock) for name in names}
    key_file = tmp_path / "key"
    key_file.write_text(FakeMisp.read_only_key)
    key_file.chmod(0o600)
    TimedMisp.clock = clock
    key = Key(IndicatorType.DOMAIN, "evil.example")
    with Store(tmp_path / "vedette.db") as store:

        def pull(name: str) -> None:
            clock.now += 60
            source = TimedMisp(name=name, url=servers[name].url, key_file=str(key_file))
            running = store.pull(name, accept=True)
            for item in source.fetch(running.known()):
                running.take(item)
            running.finish()

        events = {}
        for name, misp in servers.items():
            misp.start()
            attributes = [{"type": "domain", "value": "evil.example"}]
            data = {"info": f"seen by {name}", "published": True, "Attribute": attributes}
            # the same event, shared by synchronisation, and an own one
            uuid = "11111111-0000-4000-8000-000000000001"
            events[name] = misp.state.add_event(data | ({} if name == "third" else {"uuid": uuid}))
            store.add_source(name, "misp", {}, 900)
            pull(name)
        try:
            assert list(store.entries.keys(IndicatorType.DOMAIN)) == [key]
            entries = store.entries.lookup([key])[key]
            assert sorted(entry.context.info for entry in entries) == [
                "seen by first",
                "seen by second",
                "seen by third",
            ]
            servers["second"].state.delete_event(events["second"])
            pull("second")
            entries = store.entries.lookup([key])[key]
            assert sorted(entry.source for entry in entries) == ["first", "third"]
            servers["first"].stop()
            servers["third"].state.delete_event(events["third"])
            pull("third")
            assert [entry.source for entry in store.entries.lookup([key])[key]] == ["first"]
        finally:
            for misp in servers.values():
                misp.stop()
