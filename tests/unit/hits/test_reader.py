"""Alert lines here are those of the real engines (see tests/engine/test_hits.py), shortened."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from vedette.buffers import Profile
from vedette.hits import HitReader
from vedette.hits.places import place_of
from vedette.model import Context, Entry, IndicatorType, Key
from vedette.ruleset.sets import DATASETS, SetSpec

BASE = 3_200_000
T = IndicatorType
JA4 = "t13d1516h2_8daaf6152771_e5627efa2ab1"


class Listed:
    """What the sources list, and what was asked of them."""

    def __init__(self, *keys: tuple[T, str]) -> None:
        self.entries = {
            Key(*key): [
                Entry(
                    source="misp",
                    key=Key(*key),
                    ref="",
                    context=Context(key=f"about {key[1]}"),
                    comment="",
                    tags=(),
                )
            ]
            for key in keys
        }
        self.calls = 0

    def __call__(self, keys: Iterable[Key]) -> Mapping[Key, list[Entry]]:
        self.calls += 1
        return {key: self.entries[key] for key in keys if key in self.entries}


def alert(offset: int, **fields: object) -> bytes:
    """An alert of one of our rules; client 10.0.0.5, server 192.0.2.80."""
    event: dict[str, Any] = {
        "timestamp": "2026-11-24T07:00:00.000000+0000",
        "flow_id": 7,
        "event_type": "alert",
        "src_ip": "10.0.0.5",
        "src_port": 40000,
        "dest_ip": "192.0.2.80",
        "dest_port": 80,
        "direction": "to_server",
        "tx_id": 0,
        "alert": {"gid": 1, "signature_id": BASE + offset},
    }
    return msgspec.json.encode({**event, **fields}) + b"\n"


def other(kind: str, **fields: object) -> bytes:
    event = {"timestamp": "2026-11-24T07:00:00.000000+0000", "flow_id": 7, "event_type": kind}
    return msgspec.json.encode({**event, **fields}) + b"\n"


def dns(name: str) -> dict[str, Any]:
    return {"queries": [{"rrname": name}]}


def found(reader: HitReader, data: bytes) -> list[tuple[str, str, str, str]]:
    return [
        (hit.key.type.value, hit.key.value, hit.observed, hit.buffer)
        for hit, _ in reader.read(data).hits
    ]


def test_an_alert_becomes_a_hit_with_its_context() -> None:
    reader = HitReader("gate", BASE, Listed((T.HOSTNAME, "bad.example")))
    (joined,) = reader.read(alert(1100, dns=dns("bad.example"))).hits
    hit, entries = joined
    assert hit.key == (T.HOSTNAME, "bad.example")
    assert (hit.observed, hit.buffer, hit.sensor) == ("bad.example", "dns.query", "gate")
    assert (hit.client, hit.server, hit.origin) == ("10.0.0.5", "192.0.2.80", "live")
    assert (hit.first_seen, hit.count) == (datetime(2026, 11, 24, 7, tzinfo=UTC), 1)
    assert [entry.context.key for entry in entries] == ["about bad.example"]


@pytest.mark.parametrize("name", ["evil.example", "a.b.Evil.EXAMPLE", "a b.evil.example"])
def test_the_nearest_listed_domain_above_the_name_is_the_indicator(name: str) -> None:
    listed = Listed((T.DOMAIN, "evil.example"), (T.DOMAIN, "evil.example.org"))
    reader = HitReader("gate", BASE, listed)
    assert found(reader, alert(102, dns=dns(name))) == [
        ("domain", "evil.example", name.lower(), "dns.query")
    ]


def test_a_hostname_below_a_listed_domain_is_named_itself() -> None:
    listed = Listed((T.DOMAIN, "evil.example"), (T.HOSTNAME, "www.evil.example"))
    reader = HitReader("gate", BASE, listed)
    assert found(reader, alert(102, dns=dns("www.evil.example")))[0][:2] == (
        "hostname",
        "www.evil.example",
    )


def test_a_name_that_is_listed_under_both_types_has_the_context_of_both() -> None:
    listed = Listed((T.DOMAIN, "evil.example"), (T.HOSTNAME, "evil.example"))
    (joined,) = HitReader("gate", BASE, listed).read(alert(100, dns=dns("evil.example"))).hits
    assert joined.hit.key.type is T.DOMAIN
    assert len(joined.entries) == 2


def test_several_listed_names_in_one_answer_are_several_hits() -> None:
    listed = Listed((T.DOMAIN, "a.example"), (T.DOMAIN, "b.example"))
    answers = [
        {"rrname": "x.org", "rdata": "www.a.example"},
        {"rrname": "www.a.example", "rdata": "b.example"},
    ]
    line = alert(500, direction="to_client", dns={"answers": answers, **dns("x.org")})
    assert {hit[1] for hit in found(HitReader("gate", BASE, listed), line)} == {
        "a.example",
        "b.example",
    }


def test_equal_alerts_are_one_hit_with_a_count_and_both_times() -> None:
    reader = HitReader("gate", BASE, Listed((T.HOSTNAME, "bad.example")))
    times = ["2026-11-24T09:00:00.000000+0200", "2026-11-24T06:00:00.000000+0000"]
    data = b"".join(
        alert(1100, dns=dns("bad.example"), timestamp=t, tx_id=n) for n, t in enumerate(times)
    )
    (joined,) = reader.read(data).hits
    assert joined.hit.count == 2
    assert joined.hit.first_seen == datetime(2026, 11, 24, 6, tzinfo=UTC)
    assert joined.hit.last_seen == datetime(2026, 11, 24, 7, tzinfo=UTC)


def test_a_backlog_says_in_which_hours_it_was_seen() -> None:
    reader = HitReader("gate", BASE, Listed((T.HOSTNAME, "bad.example")))
    times = ("22T07:00:00", "23T09:10:00", "23T09:50:00", "23T23:00:00", "24T07:00:00")
    lines = [
        alert(1100, dns=dns("bad.example"), tx_id=n, timestamp=f"2026-11-{text}.000000+0000")
        for n, text in enumerate(times)
    ]
    ((hit, _),) = reader.read(b"".join(lines)).hits
    assert [at.strftime("%dT%H:%M:%S") for at in hit.between] == ["23T09:50:00", "23T23:00:00"]
    ((hit, _),) = reader.read(lines[0]).hits
    assert hit.between == ()


def test_two_rules_that_alert_on_one_request_count_once() -> None:
    listed = Listed((T.DOMAIN, "a.example"), (T.HOSTNAME, "b.example.org"))
    names = {"subjectaltname": ["a.example", "b.example.org"]}
    findings = HitReader("gate", BASE, listed).read(alert(600, tls=names) + alert(1600, tls=names))
    assert [joined.hit.count for joined in findings.hits] == [1, 1]


def test_an_alert_on_an_answer_still_names_the_client() -> None:
    reader = HitReader("gate", BASE, Listed((T.CERT_SHA1, "aabb" * 10)))
    line = alert(
        5600,
        src_ip="2001:0db8:0000:0000:0000:0000:0000:0002",
        dest_ip="2001:0db8:0000:0000:0000:0000:0000:0001",
        direction="to_client",
        tls={"fingerprint": ":".join(["aa", "bb"] * 10)},
    )
    (joined,) = reader.read(line).hits
    assert (joined.hit.client, joined.hit.server) == ("2001:db8::1", "2001:db8::2")


@pytest.mark.parametrize(
    ("offset", "fields", "key"),
    [
        (2100, {}, (T.IP_DST, "192.0.2.80")),
        (2100, {}, (T.IP_DST, "192.0.2.0/24")),
        (10_000, {}, (T.IP_DST, "192.0.0.0/16")),
        (2200, {}, (T.IP_SRC, "10.0.0.5")),
        (11_000, {}, (T.IP_SRC, "10.0.0.0/8")),
        (
            2100,
            {"dest_ip": "2001:0db8:0000:0000:0000:0000:0000:0001"},
            (T.IP_DST, "2001:db8::/32"),
        ),
        (100_080, {}, (T.IP_DST_PORT, "192.0.2.80,80")),
        (2300, {}, (T.IP_DST_PORT, "192.0.2.80,80")),
        (2300, {}, (T.IP_DST_PORT, "192.0.2.0/24,80")),
        (12_999, {}, (T.IP_DST_PORT, "192.0.2.0/24,80")),
        (170_000 + 40_000, {}, (T.IP_SRC_PORT, "10.0.0.5,40000")),
        (2400, {}, (T.IP_SRC_PORT, "10.0.0.5,40000")),
        (200, {"http": {"hostname": "bad.example"}}, (T.DOMAIN, "bad.example")),
        (
            200,
            {"http": {"request_headers": [{"name": ":authority", "value": "bad.example:8080"}]}},
            (T.DOMAIN, "bad.example"),
        ),
        (300, {"tls": {"sni": "www.bad.example"}}, (T.DOMAIN, "bad.example")),
        (400, {"quic": {"sni": "bad.example"}}, (T.DOMAIN, "bad.example")),
        (600, {"tls": {"subjectaltname": ["x.org", "bad.example"]}}, (T.DOMAIN, "bad.example")),
        (3400, {"http": {"url": "/gate.php?a=B"}}, (T.URI, "/gate.php?a=B")),
        (3500, {"http": {"http_user_agent": "Evil 1.0"}}, (T.USER_AGENT, "Evil 1.0")),
        (3600, {"http": {"http_method": "BREW"}}, (T.HTTP_METHOD, "BREW")),
        (3700, {"http": {"cookie": "id=1"}}, (T.COOKIE, "id=1")),
        (3800, {"http": {"http_refer": "http://a/"}}, (T.REFERER, "http://a/")),
        (
            3900,
            {"http": {"response_headers": [{"name": "Server", "value": "evil/1"}]}},
            (T.HTTP_SERVER, "evil/1"),
        ),
        (4100, {"files": [{"md5": "ab" * 16}]}, (T.MD5, "ab" * 16)),
        (4200, {"files": [{"sha1": "ab" * 20}]}, (T.SHA1, "ab" * 20)),
        (4300, {"fileinfo": {"sha256": "ab" * 32}}, (T.SHA256, "ab" * 32)),
        (4400, {"files": [{"filename": "/pub/Gate.PHP"}]}, (T.FILENAME, "gate.php")),
        (5100, {"tls": {"ja3": {"hash": "ab" * 16}}}, (T.JA3, "ab" * 16)),
        (5400, {"tls": {"ja4": JA4}}, (T.JA4, JA4)),
        (6100, {"ssh": {"client": {"hassh": {"hash": "ab" * 16}}}}, (T.HASSH, "ab" * 16)),
        (6300, {"ssh": {"server": {"software_version": "evil_1"}}}, (T.SSH_SOFTWARE, "evil_1")),
        (7100, {"smtp": {"mail_from": "<Bad@Evil.example>"}}, (T.EMAIL_SRC, "bad@evil.example")),
        (7200, {"email": {"from": '"X" <bad@evil.example>'}}, (T.EMAIL_SRC, "bad@evil.example")),
        (7400, {"email": {"to": ["a@b.org", "c@evil.example"]}}, (T.EMAIL_DST, "c@evil.example")),
        (7500, {"email": {"subject": "Invoice"}}, (T.EMAIL_SUBJECT, "Invoice")),
        (7700, {"email": {"message_id": "<1@e.org>"}}, (T.EMAIL_MESSAGE_ID, "<1@e.org>")),
        (3300, {"email": {"url": ["Evil.example/a/B"]}}, (T.URL, "evil.example/a/B")),
    ],
)  # fmt: skip
def test_every_buffer_finds_its_indicator(
    offset: int, fields: dict[str, Any], key: tuple[T, str]
) -> None:
    decoys = [(kind, "decoy.example") for kind in T]
    reader = HitReader("gate", BASE, Listed(key, *decoys))
    findings = reader.read(alert(offset, **fields))
    assert [joined.hit.key for joined in findings.hits] == [key]
    assert findings.counts == {"hit": 1}


@pytest.mark.parametrize(
    ("listed", "http", "port"),
    [
        ("evil.example/a", {"hostname": "evil.example", "url": "/a"}, 80),
        ("evil.example/a", {"hostname": "evil.example", "http_port": 8080, "url": "/a"}, 8080),
        ("evil.example:8080/a", {"hostname": "evil.example", "http_port": 8080, "url": "/a"}, 8080),
        ("evil.example:8080/a", {"hostname": "evil.example", "url": "/a"}, 8080),
        ("evil.example/a", {"hostname": "evil.example", "url": "http://evil.example/a"}, 3128),
        ("evil.example:81/a", {"hostname": "x", "url": "HTTP://Evil.example:81/a"}, 3128),
        (
            "evil.example:81/a",
            {"url": "/a", "request_headers": [{"name": ":authority", "value": "evil.example:81"}]},
            443,
        ),
    ],
)
def test_a_url_is_confirmed_as_one_value(listed: str, http: dict[str, Any], port: int) -> None:
    reader = HitReader("gate", BASE, Listed((T.URL, listed)))
    (joined,) = reader.read(alert(3100, http=http, dest_port=port)).hits
    assert joined.hit.key.value == listed


@pytest.mark.parametrize(
    ("http", "port"),
    [
        ({"hostname": "other.example", "url": "/a"}, 8080),
        ({"hostname": "evil.example", "url": "/other"}, 8080),
        ({"hostname": "evil.example", "url": "/a"}, 80),
        ({"hostname": "evil.example", "url": "/A"}, 8080),
    ],
)
def test_a_url_whose_parts_are_of_different_indicators_is_no_hit(
    http: dict[str, Any], port: int
) -> None:
    listed = Listed((T.URL, "evil.example:8080/a"), (T.URL, "other.example/b"))
    findings = HitReader("gate", BASE, listed).read(alert(3100, http=http, dest_port=port))
    assert (findings.hits, findings.counts) == ([], {"unconfirmed": 1})


def test_an_address_listed_alone_and_in_a_network_is_two_indicators_each_once() -> None:
    listed = Listed((T.IP_DST, "192.0.2.80"), (T.IP_DST, "192.0.0.0/16"))
    findings = HitReader("gate", BASE, listed).read(alert(2100) + alert(10_000))
    counts = {hit.key.value: hit.count for hit, _ in findings.hits}
    assert counts == {"192.0.2.80": 1, "192.0.0.0/16": 1}


def test_an_address_with_another_port_is_no_hit() -> None:
    findings = HitReader("gate", BASE, Listed((T.IP_DST_PORT, "192.0.2.80,443"))).read(alert(2300))
    assert (findings.hits, findings.counts) == ([], {"unconfirmed": 1})


@pytest.mark.parametrize(
    ("alert_dns", "event"),
    [
        ({"version": 2}, {"type": "query", "rrname": "axfr.example", "tx_id": 0}),
        ({"version": 3, "queries": []}, {"type": "request", "tx_id": 0, **dns("axfr.example")}),
    ],
)
@pytest.mark.parametrize("order", ["before", "after", "next batch", "last batch"])
def test_an_alert_that_lacks_its_value_waits_for_the_event_that_has_it(
    alert_dns: dict[str, Any], event: dict[str, Any], order: str
) -> None:
    reader = HitReader("gate", BASE, Listed((T.HOSTNAME, "axfr.example")))
    noise = other("dns", dns={**event, "rrname": "x.org", **dns("x.org"), "tx_id": 3})
    one, two = alert(1100, dns=alert_dns), noise + other("dns", dns=event)
    batches = {
        "before": [two + one],
        "after": [one + two],
        "next batch": [one, two],
        "last batch": [two, one],
    }[order]
    hits = [joined.hit for batch in batches for joined in reader.read(batch).hits]
    assert [hit.observed for hit in hits] == ["axfr.example"]
    assert reader.finish().hits == []


def test_what_waits_survives_a_restart_through_the_bookmark() -> None:
    listed = Listed((T.HOSTNAME, "axfr.example"))
    findings = HitReader("gate", BASE, listed).read(alert(1100, dns={"version": 2}))
    assert (findings.hits, len(findings.held)) == ([], 1)
    reader = HitReader("gate", BASE, listed, held=findings.held)
    assert len(reader.read(other("dns", dns={"rrname": "axfr.example", "tx_id": 0})).hits) == 1


def test_who_waits_too_long_becomes_a_hit_without_a_value() -> None:
    reader = HitReader("gate", BASE, Listed())
    assert reader.read(alert(3700, http={"hostname": "a.example"})).hits == []
    findings = reader.read(other("stats", timestamp="2026-11-24T07:03:00.000000+0000"))
    (joined,) = findings.hits
    assert (joined.hit.key, joined.entries) == (Key(T.COOKIE, ""), [])
    assert findings.counts == {"unresolved": 1}
    assert findings.held == ()


def test_an_event_that_came_without_the_value_ends_the_waiting() -> None:
    reader = HitReader("gate", BASE, Listed())
    findings = reader.read(alert(3700, http={}) + other("http", tx_id=0, http={"url": "/"}))
    assert findings.counts == {"unresolved": 1}
    assert findings.held == ()


def test_a_request_that_alerts_before_its_host_is_known_waits_for_its_own_event() -> None:
    listed = Listed((T.URL, "a.example/1"), (T.URL, "b.example/1"))
    early = alert(3100, tx_id=1, http={"url": "/1"})
    of_a_file = other("fileinfo", http={"hostname": "a.example", "url": "/1"}, fileinfo={})
    own = other("http", tx_id=1, http={"hostname": "b.example", "url": "/1"})
    findings = HitReader("gate", BASE, listed).read(of_a_file + early + own)
    assert [joined.hit.key.value for joined in findings.hits] == ["b.example/1"]


def test_waiting_alerts_are_bounded_and_none_is_lost() -> None:
    reader = HitReader("gate", BASE, Listed())
    findings = reader.read(b"".join(alert(3700, flow_id=n) for n in range(1_000)))
    assert len(findings.held) == 256
    assert findings.counts["unresolved"] == 744
    assert reader.finish().counts["unresolved"] == 256


def test_a_certificate_hash_is_computed_where_eve_has_the_certificate() -> None:
    der = b"a certificate"
    value = hashlib.sha256(der).hexdigest()
    reader = HitReader("gate", BASE, Listed((T.CERT_SHA256, value)))
    event = other("tls", tls={"certificate": base64.b64encode(der).decode()})
    (joined,) = reader.read(alert(5700, tls={"subject": "CN=x"}) + event).hits
    assert joined.hit.key.value == value


def test_where_eve_has_no_certificate_the_hit_says_what_is_known() -> None:
    reader = HitReader("gate", BASE, Listed())
    line = alert(5700, tls={"subject": "CN=x", "sni": "a.example"})
    (joined,) = reader.read(line + other("tls", tls={"subject": "CN=x"})).hits
    assert (joined.hit.key, joined.hit.observed) == (Key(T.CERT_SHA256, ""), "a.example CN=x")


def test_the_context_of_the_alert_is_used_where_eve_has_no_value() -> None:
    reader = HitReader("gate", BASE, Listed((T.COOKIE, "id=1")))
    rule = {"gid": 1, "signature_id": BASE + 3700, "context": {"vedette": {"v": "id=1"}}}
    (joined,) = reader.read(alert(3700, alert=rule, http={})).hits
    assert joined.hit.key == (T.COOKIE, "id=1")
    assert joined.entries[0].context.key == "about id=1"


def test_an_indicator_withdrawn_since_keeps_the_context_that_the_engine_gave() -> None:
    context = {
        "v": ".evil.example",
        "source": "misp",
        "event": "uuid",
        "info": "Bad",
        "tags": ["apt"],
        "tlp": "green",
    }
    rule = {"gid": 1, "signature_id": BASE + 100, "context": {"vedette": context}}
    reader = HitReader("gate", BASE, Listed())
    (joined,) = reader.read(alert(100, alert=rule, dns=dns("a.evil.example"))).hits
    assert joined.hit.key == (T.DOMAIN, "evil.example")
    (entry,) = joined.entries
    assert (entry.source, entry.context.key, entry.context.tlp) == ("misp", "uuid", "green")
    assert (entry.context.info, entry.context.tags) == ("Bad", ("apt",))


def test_an_indicator_withdrawn_since_is_still_a_hit_without_identity() -> None:
    findings = HitReader("gate", BASE, Listed()).read(alert(1100, dns=dns("gone.example")))
    (joined,) = findings.hits
    assert (joined.hit.key, joined.hit.observed) == (Key(T.HOSTNAME, ""), "gone.example")
    assert findings.counts == {"unlisted": 1}


def test_the_canaries_are_seen_and_are_no_hits() -> None:
    reader = HitReader("gate", BASE, Listed())
    generation = "vedette-generation-7-0123abcd.invalid"
    member = "vedette-canary-0123456789ab.invalid"
    findings = reader.read(alert(0, dns=dns(generation)) + alert(100, dns=dns(member)))
    assert findings.hits == []
    assert findings.counts == {"canary": 2}
    assert set(findings.canaries) == {generation, member}


def test_alerts_of_other_rules_are_not_ours() -> None:
    reader = HitReader("gate", BASE, Listed((T.HOSTNAME, "bad.example")))
    rules = [
        {"gid": 1, "signature_id": 2_000_001},
        {"gid": 3, "signature_id": BASE + 1100},
        {"gid": 1, "signature_id": BASE + 900_000},
    ]
    data = b"".join(alert(0, alert=rule, dns=dns("bad.example")) for rule in rules)
    findings = reader.read(data + alert(9900, dns=dns("bad.example")))
    assert (findings.hits, findings.counts) == ([], {"foreign": 3, "unknown_sid": 1})


def test_a_torn_line_costs_only_itself() -> None:
    reader = HitReader("gate", BASE, Listed((T.HOSTNAME, "bad.example")))
    good = alert(1100, dns=dns("bad.example"))
    findings = reader.read(good[:-20] + b"\n" + good)
    assert findings.counts == {"malformed": 1, "hit": 1}


def test_what_7_0_cannot_compare_in_mail_is_compared_here() -> None:
    listed = Listed((T.EMAIL_SRC, "bad@evil.example"), (T.DOMAIN, "evil.example"))
    event = other(
        "smtp",
        src_ip="10.0.0.5",
        dest_ip="192.0.2.25",
        tx_id=0,
        smtp={"helo": "mail.evil.example", "mail_from": "<Bad@Evil.example>"},
        email={"from": "Bad <bad@evil.example>", "to": ["us@our.example"]},
    )
    on_7 = HitReader("gate", BASE, listed, profile=Profile.V7_0).read(event)
    assert {(j.hit.key.value, j.hit.buffer, j.hit.origin, j.hit.count) for j in on_7.hits} == {
        ("bad@evil.example", "smtp.mail_from", "eve", 1),
        ("bad@evil.example", "email.from", "eve", 1),
        ("evil.example", "smtp.helo", "eve", 1),
    }
    assert HitReader("gate", BASE, listed, profile=Profile.V8_0_7).read(event).hits == []


def test_a_batch_asks_the_store_a_few_times_only() -> None:
    listed = Listed((T.IP_DST, "192.0.2.0/24"))
    data = b"".join(alert(2100, dest_ip=f"192.0.2.{n}", flow_id=n) for n in range(1, 200))
    findings = HitReader("gate", BASE, listed).read(data)
    assert len(findings.hits) == 199
    assert listed.calls == 2


def test_what_was_just_withheld_is_still_told_while_a_sensor_alerts_on_it() -> None:
    key = Key(T.DOMAIN, "evil.example")
    reader = HitReader("gate", BASE, Listed(key), withheld=lambda keys: dict.fromkeys(keys, "hold"))
    (joined,) = reader.read(alert(102, dns=dns("www.evil.example"))).hits
    assert joined.hit.key == key
    assert [entry.context.key for entry in joined.entries] == ["about evil.example"]


def test_an_alert_is_about_what_is_published_rather_than_what_is_withheld() -> None:
    listed = Listed((T.DOMAIN, "www.evil.example"), (T.DOMAIN, "evil.example"))
    for outcome, value in (("hold", "evil.example"), ("exact", "www.evil.example")):
        withheld = {Key(T.DOMAIN, "www.evil.example"): outcome}
        reader = HitReader("gate", BASE, listed, withheld=lambda _, some=withheld: some)
        assert found(reader, alert(102, dns=dns("www.evil.example")))[0][1] == value


def test_an_alert_on_an_exact_domain_has_the_key_and_the_context_of_the_domain() -> None:
    domain = Key(T.DOMAIN, "duckdns.org")
    hostname = Key(T.HOSTNAME, "www.duckdns.org")
    reader = HitReader("gate", BASE, Listed(domain, hostname), withheld=lambda _: {domain: "exact"})
    (joined,) = reader.read(alert(1100, dns=dns("DuckDNS.org"))).hits
    assert joined.hit.key == domain
    assert [entry.key for entry in joined.entries] == [domain]
    assert found(reader, alert(1100, dns=dns("www.duckdns.org")))[0][:2] == (
        "hostname",
        "www.duckdns.org",
    )


def test_mail_that_no_rule_compares_is_no_hit_on_what_is_withheld() -> None:
    key = Key(T.EMAIL_SUBJECT, "Overdue invoice")
    line = other("smtp", email={"subject": "Overdue invoice"}, src_ip="10.0.0.5")
    for withheld, hits in (({}, 1), ({key: "hold"}, 0), ({key: "drop"}, 0)):
        reader = HitReader(
            "gate",
            BASE,
            Listed(key),
            withheld=lambda _, some=withheld: some,
            profile=Profile.V7_0,
        )
        assert len(reader.read(line).hits) == hits


@pytest.mark.parametrize("level", ["high", "low"])
def test_the_rules_of_a_level_show_the_same_as_the_others(level: str) -> None:
    for name, (_, dataset) in DATASETS.items():
        for buffer in dataset.buffers:
            for role in ("", "long", "l2", "l49"):
                plain = SetSpec(name, role).sid(0, buffer)
                assert (place := place_of(plain)) is not None
                assert place_of(SetSpec(name, role, level=level).sid(0, buffer)) is place


def test_sids_between_the_levels_are_of_no_rule() -> None:
    for offset in (9_999, 14_000, 20_100, 29_999, 30_000, 39_999, 40_050, 50_100, 99_999):
        assert place_of(offset) is None


def test_alerts_are_counted_by_minute_whatever_becomes_of_them() -> None:
    reader = HitReader("gate", BASE, Listed((T.HOSTNAME, "bad.example")))
    times = ["2026-11-24T06:59:59.900000+0000", "2026-11-24T07:00:00.000000+0000"]
    listed = [alert(1100, dns=dns("bad.example"), timestamp=t, tx_id=1) for t in times]
    unlisted = alert(1100, dns=dns("gone.example"), timestamp=times[1])
    canary = alert(0, dns=dns("vedette-canary-0123456789ab.invalid"), timestamp=times[0])
    minute = int(datetime(2026, 11, 24, 7, tzinfo=UTC).timestamp()) // 60
    findings = reader.read(b"".join([*listed, unlisted, canary]))
    assert findings.minutes == {minute - 1: 1, minute: 2}
