"""Why is this indicator not on my sensors: each cause is named, with the command that helps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from vedette.buffers import Profile
from vedette.config import BundleSettings, GuardSettings, Settings
from vedette.model import (
    Context,
    Entry,
    Fetched,
    Hit,
    Indicator,
    IndicatorType,
    Key,
    Rejected,
    RulingKind,
    Skipped,
    SourceRules,
)
from vedette.pipeline.building import build
from vedette.pipeline.hub import Hub
from vedette.pipeline.reviewing import About, Review, State, review

T = IndicatorType
NOW = 1_790_000_000
DAY = 86_400
EVENT = Context(key="event-1", info="campaign", tags=("apt",), tlp="amber", threat_level="high")
Ask = Callable[..., About]


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    settings = Settings(home=str(tmp_path), guard=GuardSettings(own=("ours.example",)))
    with Hub(settings) as opened:
        build(opened, now=NOW)  # everything below comes after the guard was here
        yield opened


@pytest.fixture
def ask(hub: Hub) -> Ask:
    """Review a value that has one listed meaning, at NOW."""

    def asked(text: str, now: int = NOW) -> About:
        (one,) = [one for one in review(hub, text, now=now).indicators if one.is_asked]
        return one

    return asked


def lists(hub: Hub, *items: Key | Rejected | Skipped, source: str = "misp", **facts: int) -> None:
    """Make a source list exactly these."""
    if source not in {record.name for record in hub.store.sources()}:
        hub.store.add_source(source, "list", {}, 900)
    running = hub.store.pull(source)
    for item in items:
        if isinstance(item, Key):
            made: dict[str, Any] = {"type": item.type, "value": item.value, **facts}
            running.take(Indicator(ref="a1", context=EVENT, **made))
        else:
            running.take(item)
    running.take(Fetched("event-1", f"{items}{facts}"))
    running.finish(accept=True)


def proves(hub: Hub, name: str, target: str, generation: int, *, ok: bool = True) -> None:
    """Let a sensor answer that it holds a generation."""
    if name not in {record.name for record in hub.store.fleet.sensors()}:
        hub.store.fleet.add_sensor(name, {})
    at = datetime(2026, 9, 1, tzinfo=UTC)
    body = {"target": target, "generation": generation, "ok": ok, "at": at.isoformat()}
    hub.store.fleet.add_proof(name, at, generation, ok, msgspec.json.encode(body))


def built(hub: Hub) -> int:
    return build(hub, now=NOW).manifest.generation


EVIL = Key(T.DOMAIN, "evil.example")


def test_what_is_on_a_sensor_says_since_when_and_who_lists_it(hub: Hub, ask: Ask) -> None:
    lists(hub, EVIL, changed=NOW - DAY, confidence=80)
    proves(hub, "gate", "8.0.7", built(hub))
    one = ask("hxxp://EVIL[.]example/")
    assert (one.state, one.why) == (State.PUBLISHED, "")
    (entry,) = one.entries
    assert (entry.source, entry.context, entry.confidence) == ("misp", EVENT, 80)
    assert entry.added_at > 0
    (where,) = one.sensors
    assert (where.sensor, where.watches, where.why) == ("gate", True, "holds it")
    assert one.published_at is not None
    assert [step.outcome for step in one.steps][-1] == "publish"
    assert {"allow", "expired", "warninglist", "prevalence"} <= {step.test for step in one.steps}
    assert any("allow add evil.example" in command for command in one.next)


def test_what_just_came_waits_for_the_guard_and_the_next_build(hub: Hub, ask: Ask) -> None:
    lists(hub, EVIL)
    one = ask("evil.example")
    assert one.state is State.WAITING
    assert "judges it" in one.why
    assert "vedette bundle build" in one.next[0]
    built(hub)
    assert ask("evil.example").state is State.PUBLISHED


def test_a_sensor_that_is_behind_red_or_new_does_not_watch(hub: Hub, ask: Ask) -> None:
    proves(hub, "behind", "8.0.7", 1)
    lists(hub, EVIL)
    number = built(hub)
    proves(hub, "red", "8.0.7", number, ok=False)
    proves(hub, "gone", "8.0.7", 99)
    hub.store.fleet.add_sensor("fresh", {})
    sensors = {one.sensor: one for one in ask("evil.example").sensors}
    assert not any(one.watches for one in sensors.values())
    assert sensors["behind"].why == "generation 1 does not have it"
    assert "vedette sensor doctor" in sensors["red"].why
    assert sensors["gone"].why == "generation 99 is not on disk any more"
    assert "vedette sensor push" in sensors["fresh"].why


def test_what_is_held_says_why_since_when_and_how_it_is_released(hub: Hub, ask: Ask) -> None:
    hub.store.add_source("misp", "list", {}, 900)
    hub.store.set_rules("misp", SourceRules(review=True))
    lists(hub, EVIL)
    proves(hub, "gate", "8.0.7", built(hub))
    one = ask("evil.example")
    assert (one.state, one.steps[-1].test) == (State.HELD, "review")
    assert one.why == one.steps[-1].text
    assert one.verdict is not None
    assert one.verdict.since == NOW
    assert not one.sensors[0].watches
    assert "vedette indicator release evil.example" in one.next[0]


@pytest.mark.parametrize(
    ("key", "test", "says"),
    [
        (Key(T.DOMAIN, "www.ours.example"), "own", "[guard] own"),
        (Key(T.DOMAIN, "co.uk"), "impossible", ""),
    ],
)
def test_what_is_dropped_names_the_test(hub: Hub, ask: Ask, key: Key, test: str, says: str) -> None:
    lists(hub, key, EVIL)
    built(hub)
    one = ask(key.value)
    assert (one.state, one.steps[-1].test) == (State.DROPPED, test)
    assert one.why
    assert any(says in command for command in one.next)


def test_what_expired_says_when_and_how_to_keep_it(hub: Hub, ask: Ask) -> None:
    lists(hub, EVIL, expires=NOW - DAY)
    built(hub)
    one = ask("evil.example")
    assert (one.state, one.steps[-1].test) == (State.DROPPED, "expired")
    assert "says misp" in one.why
    assert "vedette deny add evil.example" in one.next[0]


def test_who_allowed_it_why_and_until_when_and_what_became_of_it(hub: Hub, ask: Ask) -> None:
    sub = Key(T.DOMAIN, "cdn.evil.example")
    lists(hub, sub)
    rulings = hub.store.rulings
    old = rulings.add(RulingKind.HOLD, sub.value, type="domain", who="bob", why="odd", now=NOW - 9)
    rulings.end([old.id], who="bob", why="it is not", now=NOW - 5)
    rulings.add(
        RulingKind.ALLOW,
        "evil.example",
        below=True,
        who="ann",
        why="our CDN",
        until=NOW + DAY,
        now=NOW - 3,
    )
    built(hub)
    one = ask("cdn.evil.example")
    assert (one.state, one.steps[-1].test) == (State.DROPPED, "allow")
    (ruling,) = one.rulings
    assert (ruling.who, ruling.why, ruling.until) == ("ann", "our CDN", NOW + DAY)
    (past,) = one.past_rulings
    assert (past.ended_by, past.ended_why) == ("bob", "it is not")
    assert "vedette allow remove evil.example" in one.next[0]


def test_a_verdict_that_the_next_build_changes_is_announced(hub: Hub, ask: Ask) -> None:
    lists(hub, EVIL)
    built(hub)
    hub.store.rulings.add(RulingKind.ALLOW, "evil.example", who="ann", why="ours", now=NOW)
    one = ask("evil.example")
    assert (one.state, one.is_stale) == (State.PUBLISHED, True)
    assert "vedette bundle build" in one.next[0]
    built(hub)
    assert (ask("evil.example").state, ask("evil.example").is_stale) == (State.DROPPED, False)


def test_shared_hosting_is_published_without_names_below(hub: Hub, ask: Ask) -> None:
    lists(hub, Key(T.DOMAIN, "duckdns.org"))
    proves(hub, "gate", "8.0.7", built(hub))
    one = ask("duckdns.org")
    assert one.state is State.EXACT
    assert one.sensors[0].watches
    assert one.published_at is not None
    assert "vedette deny add duckdns.org" in one.next[0]


def test_a_name_that_another_covers_is_on_the_sensor_through_it(hub: Hub, ask: Ask) -> None:
    lists(hub, EVIL, Key(T.HOSTNAME, "www.evil.example"), Key(T.HOSTNAME, "evil.example"))
    proves(hub, "gate", "7.0", built(hub))
    one = ask("www.evil.example")
    assert (one.state, one.covered_by) == (State.COVERED, "evil.example")
    assert one.sensors[0].watches
    by_type = {one.type: one for one in review(hub, "evil.example", now=NOW).indicators}
    assert by_type[T.DOMAIN].state is State.PUBLISHED
    assert by_type[T.HOSTNAME].covered_by == "evil.example"


def test_a_held_name_above_covers_nothing(hub: Hub, ask: Ask) -> None:
    lists(hub, EVIL, Key(T.DOMAIN, "www.evil.example"))
    hub.store.rulings.add(RulingKind.HOLD, "evil.example", type="domain", who="a", why="b", now=NOW)
    built(hub)
    assert ask("www.evil.example").state is State.PUBLISHED
    above = review(hub, "www.evil.example", now=NOW).indicators[-1]
    assert (above.value, above.state, above.is_asked) == ("evil.example", State.HELD, False)


def test_what_no_engine_of_ours_can_match_says_so(hub: Hub, ask: Ask) -> None:
    lists(hub, Key(T.EMAIL_SUBJECT, "Overdue invoice"))
    proves(hub, "old", "7.0", built(hub))
    one = ask("Overdue invoice")
    assert one.state is State.UNMATCHED
    assert "no keyword for email-subject" in one.why
    assert "no eve.json" in one.sensors[0].why
    proves(hub, "new", "8.0.7", built(hub))
    one = ask("Overdue invoice")
    assert one.state is State.PUBLISHED
    assert {where.sensor: where.watches for where in one.sensors} == {"new": True, "old": False}


def test_what_is_matched_in_eve_is_watched_for(hub: Hub, ask: Ask) -> None:
    lists(hub, Key(T.EMAIL_SUBJECT, "Overdue invoice"))
    hub.store.fleet.add_sensor("old", {"eve": "/var/log/suricata/eve.json"})
    proves(hub, "old", "7.0", built(hub))
    one = ask("Overdue invoice")
    assert one.state is State.PUBLISHED
    assert one.sensors[0].watches
    assert "EVE" in one.sensors[0].why


def test_a_name_of_too_many_labels_for_the_engine_says_so(tmp_path: Path) -> None:
    name = "a." * 60 + "example"
    old = BundleSettings(profiles=(Profile.V7_0,))
    with Hub(Settings(home=str(tmp_path), bundle=old)) as hub:
        lists(hub, Key(T.DOMAIN, name))
        built(hub)
        (one,) = review(hub, name, now=NOW).indicators
    assert one.state is State.UNMATCHED
    assert "labels" in one.why


def test_a_value_that_nobody_lists_says_what_was_looked_at(hub: Hub) -> None:
    lists(hub, EVIL, Skipped("to_ids is false", 7))
    found = review(hub, "other[.]example", now=NOW)
    assert (found.indicators, found.listed) == ((), 1)
    assert (found.meant.type, found.meant.value) == ("domain", "other.example")
    assert found.left_out == {"to_ids is false": 7}
    assert any("vedette indicator import" in command for command in found.next)


def test_a_value_that_a_source_has_in_an_unusable_form_says_why(hub: Hub) -> None:
    lists(hub, EVIL, Rejected("localhost", "attribute-7", "single label"))
    found = review(hub, "localhost", now=NOW)
    assert found.meant.refused == "single label"
    (bad,) = found.unusable
    assert (bad.source, bad.ref, bad.reason) == ("misp", "attribute-7", "single label")


def test_a_source_that_was_never_pulled_or_failed_is_named(hub: Hub) -> None:
    assert review(hub, "evil.example", now=NOW).sources[0].why == "there is no source yet"
    hub.store.add_source("fresh", "list", {}, 900)
    lists(hub, EVIL)
    hub.store.pull("misp").fail("the server is down", "")
    found = review(hub, "other.example", now=NOW)
    why = {one.source: one.why for one in found.sources}
    assert why["fresh"] == "was never pulled"
    assert "the server is down" in why["misp"]
    assert "vedette source pull fresh" in found.next[0]
    assert review(hub, "evil.example", now=NOW).sources == ()


def test_what_its_source_withdrew_says_when(hub: Hub) -> None:
    lists(hub, EVIL, Key(T.DOMAIN, "other.example"))
    lists(hub, Key(T.DOMAIN, "other.example"))
    (gone,) = review(hub, "evil.example", now=NOW).withdrawn
    assert (gone.source, gone.type) == ("misp", T.DOMAIN)
    assert "event-1" in gone.reason


def test_hits_are_told_in_short(hub: Hub, ask: Ask) -> None:
    lists(hub, EVIL)
    at = datetime(2026, 9, 1, tzinfo=UTC)
    hit = Hit(
        key=EVIL,
        observed="www.evil.example",
        buffer="dns.query",
        sensor="gate",
        client="10.0.0.7",
        server="10.0.0.1",
        origin="live",
        first_seen=at,
        last_seen=at,
        count=12,
    )
    no_entries: list[Entry] = []
    hub.store.fleet.add_hits("gate", [(hit, no_entries)], b"{}", {})
    fired = ask("evil.example").fired
    assert fired is not None
    assert (fired.count, fired.clients, fired.last_seen) == (12, 1, at)


def test_an_answer_is_a_document(hub: Hub) -> None:
    lists(hub, EVIL)
    built(hub)
    document = msgspec.json.decode(msgspec.json.encode(review(hub, "evil.example", now=NOW)))
    (one,) = document["indicators"]
    assert one["state"] == "published"
    assert {"test", "outcome", "text"} == one["steps"][0].keys()
    assert isinstance(review(hub, "evil.example"), Review)


def test_what_moved_to_another_event_is_not_new_in_the_card_either(hub: Hub, ask: Ask) -> None:
    hub.store.add_source("misp", "misp", {}, 900)

    def event(key: str) -> None:
        running = hub.store.pull("misp")
        running.take(
            Indicator(type=T.DOMAIN, value="evil.example", ref=key, context=Context(key=key))
        )
        running.take(Fetched(key, "1"))
        running.finish(accept=True)

    event("one")
    build(hub, now=NOW)
    hub.store.set_rules("misp", SourceRules(review=True))
    event("two")
    assert ask("evil.example").steps[-1].outcome == "publish"
    build(hub, now=NOW)
    assert ask("evil.example").state is State.PUBLISHED
