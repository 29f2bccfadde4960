"""Findings as hits: who is known gets one each, who is not known is said once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from vedette.hunt.hits import CLIENTS_MAX, hits, is_asked
from vedette.pool.records import Found, Who

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def found(**changes: Any) -> Found:
    fields: dict[str, Any] = {
        "type": "domain",
        "indicator": "evil.example",
        "field": "tls.sni",
        "observed": "www.evil.example",
        "match": "subdomain",
        "first_seen": NOW - 3 * DAY,
        "last_seen": NOW,
        "count": 10,
        "patient_zero": "10.0.0.1",
        "client": "10.0.0.1",
        "server": "192.0.2.1",
        "sensor": "gate",
        "hosts": 2,
    }
    return Found(**{**fields, **changes})


def who(client: str, first: datetime, last: datetime, count: int, **changes: Any) -> Who:
    fields: dict[str, Any] = {
        "field": "tls.sni",
        "value": "www.evil.example",
        "client": client,
        "server": "192.0.2.1",
        "sensor": "gate",
        "first_seen": first,
        "last_seen": last,
        "count": count,
        "days": 1,
        "flow_id": 1,
    }
    return Who(**{**fields, **changes})


def live(sensor: str, last_seen: datetime) -> str:
    return f"{sensor} {last_seen:%d}"


def told(one: Found, *rows: Who) -> list[tuple[str, str, int, int, int]]:
    return [
        (hit.client, hit.server, (NOW - hit.first_seen).days, (NOW - hit.last_seen).days, hit.count)
        for hit in hits(one, rows, live)
    ]


def test_each_client_is_one_hit_whatever_servers_it_met() -> None:
    rows = (
        who("10.0.0.1", NOW - 2 * DAY, NOW - DAY, 3, server="192.0.2.9"),
        who("10.0.0.1", NOW - 3 * DAY, NOW - 3 * DAY, 2),
        who("10.0.0.2", NOW, NOW, 5),
    )
    assert told(found(), *rows) == [
        ("10.0.0.1", "192.0.2.1", 3, 1, 5),
        ("10.0.0.2", "192.0.2.1", 0, 0, 5),
    ]


def test_a_client_of_two_sensors_is_two_hits_each_with_its_verdict() -> None:
    rows = (who("10.0.0.1", NOW, NOW, 1), who("10.0.0.1", NOW, NOW, 1, sensor="edge"))
    assert [hit.live for hit in hits(found(count=2, first_seen=NOW), rows, live)] == [
        "edge 24",
        "gate 24",
    ]


def test_the_first_days_that_the_retention_took_are_still_known() -> None:
    row = who("10.0.0.1", NOW - DAY, NOW, 4)
    assert told(found(), row) == [("10.0.0.1", "192.0.2.1", 3, 0, 4)]


def test_a_patient_zero_that_the_retention_took_is_a_hit_with_what_is_left() -> None:
    row = who("10.0.0.2", NOW - DAY, NOW, 4)
    assert told(found(), row) == [
        ("10.0.0.1", "192.0.2.1", 3, 3, 6),
        ("10.0.0.2", "192.0.2.1", 1, 0, 4),
    ]


def test_if_nobody_is_known_any_more_there_is_one_hit_of_the_first() -> None:
    one = found(hosts=0)
    assert not is_asked(one)
    assert told(one) == [("10.0.0.1", "192.0.2.1", 3, 0, 10)]


def test_if_too_many_are_known_there_is_one_hit_with_all_counted() -> None:
    one = found(hosts=CLIENTS_MAX + 1)
    assert not is_asked(one)
    assert told(one, who("10.0.0.2", NOW, NOW, 1)) == [("10.0.0.1", "192.0.2.1", 3, 0, 10)]
    assert is_asked(found(hosts=CLIENTS_MAX))
