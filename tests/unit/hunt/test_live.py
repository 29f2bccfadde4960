"""What a rule can see: no more and no less than the table of buffers says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from vedette.buffers import ROWS, Profile
from vedette.fields import places
from vedette.hunt.live import TOO_EARLY, YES, blind_spot, buffers_of, verdict
from vedette.model import IndicatorType as T

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
V7, V8, V8_0_7 = Profile


@pytest.mark.parametrize(
    ("kind", "field", "profiles", "expected"),
    [
        (T.DOMAIN, "dns.query", [V7], ""),
        (T.DOMAIN, "tls.sni", [V7, V8, V8_0_7], ""),
        (T.DOMAIN, "dns.response.rrname", [V7], "needs Suricata 8.0"),
        (T.DOMAIN, "dns.response.rrname", [V8, V8_0_7], ""),
        (T.HOSTNAME, "tls.subjectaltname", [V7, V8], "needs Suricata 8.0"),
        (T.IP_DST, "ip.dst", [V7], ""),
        (T.IP_DST, "dns.response.ip", [V8_0_7], "no rule looks for ip-dst in dns.response.ip"),
        (T.IP_DST, "http.host", [V8_0_7], "no rule looks for ip-dst in http.host"),
        (T.IP_DST_PORT, "ip.dst.port", [V7], ""),
        (T.URL, "http.url", [V7], ""),
        (T.URL, "email.url", [V7], "needs Suricata 8.0; before, it is found in EVE"),
        (T.URI, "http.url", [V7], ""),
        (T.URI, "email.url", [V8_0_7], "no rule looks for uri in email.url"),
        (T.EMAIL_DST, "email.cc", [V8_0_7], "no rule looks for email-dst in email.cc"),
        (T.EMAIL_SRC, "email.from", [V7], "needs Suricata 8.0; before, it is found in EVE"),
        (T.FILENAME, "smb.filename", [V8_0_7], "no rule looks for filename in smb.filename"),
        (T.CERT_SHA256, "tls.certs.sha256", [V7], ""),
        (T.SHA1, "filesha1", [V7], ""),
        (T.JA4, "ja4.hash", [V7], ""),
    ],
)
def test_what_rules_can_see(kind: T, field: str, profiles: list[Profile], expected: str) -> None:
    assert blind_spot(kind, "x.example", field, profiles) == expected


def test_a_name_of_fifty_labels_is_seen_by_the_newest_engine_only() -> None:
    name = ".".join(["a"] * 49 + ["example"])
    assert blind_spot(T.DOMAIN, name, "dns.query", [V8_0_7]) == ""
    assert "needs Suricata 8.0.7" in blind_spot(T.DOMAIN, name, "dns.query", [V8, V8_0_7])
    assert blind_spot(T.HOSTNAME, name, "dns.query", [V7]) == ""


def test_what_was_seen_after_it_was_published_has_alerted() -> None:
    def when(published: datetime | None) -> str:
        return verdict(T.DOMAIN, "x.example", "tls.sni", [V7], published=published, last_seen=NOW)

    assert when(NOW - HOUR) == YES
    assert when(NOW + HOUR) == TOO_EARLY
    assert when(None) == TOO_EARLY


def test_what_no_rule_sees_is_said_before_what_was_not_published() -> None:
    said = verdict(
        T.IP_DST, "192.0.2.1", "dns.response.ip", [V7], published=NOW - HOUR, last_seen=NOW
    )
    assert said == "no rule looks for ip-dst in dns.response.ip"


def test_every_buffer_of_the_engine_belongs_to_a_field() -> None:
    unseen = {
        (kind.value, buffer.name)
        for kind, row in ROWS.items()
        for dataset in row.datasets
        for buffer in dataset.buffers
        if not any(buffer in buffers_of(kind, place.field.name) for place in places(kind))
    }
    assert unseen == {("ip-src-port", "ip.src")}, "the one type that is not remembered"
