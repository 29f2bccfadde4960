"""Two runs of a hunt."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from vedette.hunt.comparing import Comparison, compare
from vedette.pool.records import Found

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)


def found(observed: str) -> Found:
    return Found(
        type="domain",
        indicator="evil.example",
        field="tls.sni",
        observed=observed,
        match="subdomain",
        first_seen=NOW,
        last_seen=NOW,
        count=1,
        patient_zero="10.0.0.1",
        client="10.0.0.1",
        server="192.0.2.1",
        sensor="gate",
        hosts=1,
    )


def test_what_is_new_gone_changed_and_the_same() -> None:
    a, b, c, d = map(found, "abcd")
    later = msgspec.structs.replace(b, last_seen=NOW + timedelta(hours=1), count=2)
    told = compare([a, b, c], [later, c, d])
    assert told == Comparison(new=(d,), gone=(a,), changed=(later,), same=1)


def test_a_finding_in_another_field_is_another() -> None:
    a = found("a")
    b = msgspec.structs.replace(a, field="dns.query")
    assert compare([a], [b]) == Comparison(new=(b,), gone=(a,))
