"""What a pattern means: values, each on its own, or the reason why not."""

from __future__ import annotations

import pytest

from vedette.model import IndicatorType as T
from vedette.stix.grammar import Reason
from vedette.stix.patterns import Refused, Unmatched, Value, meanings


@pytest.mark.parametrize(
    ("pattern", "values"),
    [
        ("[domain-name:value = 'a.example']", {(T.DOMAIN, "a.example")}),
        (
            "[domain-name:value IN ('a.example', 'b.example')] OR [url:value = 'http://c/d']",
            {(T.DOMAIN, "a.example"), (T.DOMAIN, "b.example"), (T.URL, "http://c/d")},
        ),
        (
            "[ipv4-addr:value = '198.51.100.7' AND network-traffic:dst_port = 443]",
            {(T.IP_DST_PORT, "198.51.100.7,443")},
        ),
        (
            (
                "[(network-traffic:dst_ref.type = 'ipv4-addr' AND network-traffic:dst_ref.value ="
                " '198.51.100.7') AND network-traffic:dst_port = '80'"
                " AND network-traffic:protocols[*] = 'tcp']"
            ),
            {(T.IP_DST_PORT, "198.51.100.7,80")},
        ),
        (
            "[network-traffic:src_ref.value = '198.51.100.7' AND network-traffic:src_port = 53]",
            {(T.IP_SRC_PORT, "198.51.100.7,53")},
        ),
        (
            "[network-traffic:dst_ref.value = 'a.example' AND network-traffic:dst_port = 443]",
            {(T.DOMAIN, "a.example")},
        ),
        (
            (
                "[domain-name:value = 'a.example'"
                " AND domain-name:resolves_to_refs[*].value = '198.51.100.7']"
            ),
            {(T.DOMAIN, "a.example")},
        ),
        (
            (
                "[file:hashes.MD5 = 'm' AND file:hashes.'SHA-256' = 's' AND file:name = 'n'"
                " AND file:size > 5]"
            ),
            {(T.MD5, "m"), (T.SHA256, "s")},
        ),
        (
            "[x509-certificate:hashes.'SHA-1' = 's' AND x509-certificate:issuer = 'i']",
            {(T.CERT_SHA1, "s")},
        ),
    ],
)
def test_what_can_be_single_values_is(pattern: str, values: set[tuple[T, str]]) -> None:
    assert {(one.type, one.text) for one in meanings(pattern) if isinstance(one, Value)} == values
    assert all(isinstance(one, Value) for one in meanings(pattern))


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("[domain-name:value = 'a' AND ipv4-addr:value = 'b']", Reason.TOGETHER),
        (
            "[email-message:from_ref.value = 'a@b.example' AND email-message:subject = 'c']",
            Reason.TOGETHER,
        ),
        ("[url:value = 'http://a/b' AND network-traffic:dst_port = 80]", Reason.TOGETHER),
        ("[ipv4-addr:value = 'a' AND network-traffic:src_port = 80]", Reason.TOGETHER),
        ("[file:hashes.MD5 = 'm' AND domain-name:value = 'a.example']", Reason.TOGETHER),
        ("[domain-name:value = 'a' AND NOT_A = 'b']", Reason.SYNTAX),
        ("[domain-name:value != 'a']", Reason.NEGATED),
        ("[ipv4-addr:value = '1.2.3.4' AND network-traffic:dst_port > 80]", Reason.ORDERED),
        ("[email-message:subject MATCHES 'invoice.*']", Reason.EXPRESSION),
    ],
)
def test_what_needs_more_than_one_value_is_refused_with_the_reason(
    pattern: str, reason: Reason
) -> None:
    (found,) = meanings(pattern)
    assert isinstance(found, Refused)
    assert found.reason == reason
    assert found.text


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("[windows-registry-key:key = 'HKLM']", "windows-registry-key:key"),
        ("[network-traffic:dst_port = 4444]", "network-traffic:dst_port"),
        (
            "[x509-certificate:issuer = 'i' AND x509-certificate:serial_number = 's']",
            "x509-certificate:issuer",
        ),
    ],
)
def test_what_no_engine_can_match_says_so(pattern: str, path: str) -> None:
    (found,) = meanings(pattern)
    assert found == Unmatched(path)


def test_one_branch_that_cannot_be_used_does_not_cost_the_others() -> None:
    found = list(
        meanings(
            "[domain-name:value = 'a.example'] OR [mutex:name = 'm']"
            " OR ([url:value = 'u'] FOLLOWEDBY [url:value = 'v'])"
        )
    )
    assert [type(one) for one in found] == [Value, Unmatched, Refused]


def test_the_same_value_comes_once() -> None:
    assert len(list(meanings("[ipv4-addr:value = 'a' OR ipv4-addr:value = 'a']"))) == 1
