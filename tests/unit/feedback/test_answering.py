"""A hit -> what MISP is told: one sighting for an attribute, whom it was, and a day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from vedette.config import FeedbackSettings
from vedette.feedback.answering import FALSE_POSITIVE, SEEN, answers, false_positives
from vedette.feedback.policy import Policy
from vedette.model import Context, Entry, Hit, IndicatorType, Key, MispSighting

NOON = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
EVENT = "5f5f0000-0000-4000-8000-000000000001"
ATTRIBUTE = "5f5f0000-0000-4000-8000-00000000000a"
EVIL = Key(IndicatorType.DOMAIN, "evil.example")


def hit(**changes: Any) -> Hit:
    fields: dict[str, Any] = {
        "key": EVIL,
        "observed": "www.evil.example",
        "buffer": "dns.query",
        "sensor": "gate",
        "client": "10.1.0.7",
        "server": "10.0.0.1",
        "origin": "live",
        "first_seen": NOON,
        "last_seen": NOON + timedelta(minutes=5),
        "count": 2,
    }
    return Hit(**{**fields, **changes})


def entry(source: str = "misp", ref: str = ATTRIBUTE, event: str = EVENT, key: Key = EVIL) -> Entry:
    context = Context(key=event, info="campaign")
    return Entry(source=source, key=key, ref=ref, context=context, comment="", tags=())


def policy(*, instance: str = "secret", **changes: Any) -> Policy:
    settings = FeedbackSettings(sources=("misp",), classes={"servers": ("10.1.0.0/16",)}, **changes)
    return Policy.of(settings, home=("10.0.0.0/8",), instance=instance)


def told(one: Hit, *entries: Entry, **changes: Any) -> list[MispSighting]:
    return list(answers(one, entries or (entry(),), policy(**changes)))


def test_a_hit_is_told_on_the_moment_it_was_last_seen() -> None:
    (one,) = told(hit())
    assert (one.event, one.attribute, one.type) == (EVENT, ATTRIBUTE, SEEN)
    assert one.at == int((NOON + timedelta(minutes=5)).timestamp())
    assert one.says == "vedette"


def test_the_same_statement_has_the_same_uuid_whoever_saw_it() -> None:
    alike = (
        hit(),
        hit(client="10.1.0.8", sensor="other", observed="evil.example", buffer="tls.sni"),
        hit(origin="retro", last_seen=NOON + timedelta(hours=2)),
    )
    assert len({one.uuid for some in alike for one in told(some)}) == 1


def test_what_makes_another_statement() -> None:
    days = hit(first_seen=NOON - timedelta(days=1))
    assert len({one.uuid for one in told(days)}) == 2
    assert len(told(hit(first_seen=NOON - timedelta(hours=1)))) == 1
    assert len(told(hit(first_seen=NOON - timedelta(hours=1)), group="hour")) == 2
    plain = told(hit())[0].uuid
    assert told(hit(), hosts="class")[0].uuid != plain
    assert told(hit(), instance="another")[0].uuid != plain
    assert told(hit(), entry(ref=ATTRIBUTE.replace("a", "b")))[0].uuid != plain


def test_a_backlog_of_days_is_told_day_by_day() -> None:
    days = [NOON + timedelta(days=day) for day in range(5)]
    old = hit(first_seen=days[0], last_seen=days[4], between=(days[1], days[3]))
    assert [one.at for one in told(old)] == [int(days[day].timestamp()) for day in (0, 1, 3, 4)]


def test_each_class_of_hosts_is_told_once() -> None:
    clients = ("10.1.0.7", "10.1.0.8", "10.2.0.1", "10.2.0.2")
    some = [told(hit(client=client), hosts="class")[0] for client in clients]
    assert len({one.uuid for one in some}) == 2
    assert {one.says for one in some} == {"vedette/servers", "vedette"}


def test_a_composite_attribute_that_became_two_indicators_says_one_thing() -> None:
    address = Key(IndicatorType.IP_DST, "192.0.2.1")
    name, number = told(hit()), told(hit(key=address), entry(key=address))
    assert [one.uuid for one in name] == [one.uuid for one in number]


def test_each_attribute_of_each_misp_is_told_and_lists_are_not() -> None:
    other = ATTRIBUTE.replace("a", "c")
    entries = (entry(), entry(ref=other), entry(source="list", ref="", event=""), entry(ref="7"))
    assert [one.attribute for one in told(hit(), *entries)] == [ATTRIBUTE, other]


def test_retro_hits_are_told_if_the_policy_wants_it() -> None:
    old = hit(origin="retro", first_seen=NOON - timedelta(days=40))
    assert [one.at for one in told(old)] == [
        int((NOON - timedelta(days=40)).timestamp()),
        int((NOON + timedelta(minutes=5)).timestamp()),
    ]
    assert told(old, retro=False) == []


def test_a_false_positive_is_said_once_for_each_attribute() -> None:
    claim = {"source": "misp", "event": EVENT, "ref": ATTRIBUTE}
    feed = {**claim, "source": "feed"}
    first, second = (
        list(false_positives([[claim, feed]], policy(), at)) for at in (NOON, NOON + timedelta(9))
    )
    assert [(one.type, one.attribute, one.at) for one in first] == [
        (FALSE_POSITIVE, ATTRIBUTE, int(NOON.timestamp()))
    ]
    assert first[0].uuid == second[0].uuid != told(hit())[0].uuid
