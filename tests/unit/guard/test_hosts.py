from __future__ import annotations

from ipaddress import ip_network

import pytest

from vedette.guard.hosts import HOSTED, host_of, network_of
from vedette.model import IndicatorType, Key


@pytest.mark.parametrize(
    ("kind", "value", "host"),
    [
        (IndicatorType.DOMAIN, "evil.example", "evil.example"),
        (IndicatorType.URL, "evil.example:8080/a:1", "evil.example"),
        (IndicatorType.URL, "[2001:db8::1]:80/a", "2001:db8::1"),
        (IndicatorType.IP_DST_PORT, "192.0.2.1,443", "192.0.2.1"),
        (IndicatorType.EMAIL_SRC, "a@evil.example", "evil.example"),
        (IndicatorType.SHA256, "ab" * 32, ""),
        (IndicatorType.URI, "/a.b/c", ""),
    ],
)
def test_an_indicator_is_about_a_host(kind: IndicatorType, value: str, host: str) -> None:
    assert host_of(Key(kind, value)) == host


def test_a_name_is_no_network() -> None:
    assert network_of("evil.example") is None
    assert network_of("1.2.3.x4") is None
    assert network_of("2001:db8::") == ip_network("2001:db8::")


def test_only_types_about_a_host_have_one() -> None:
    for kind in IndicatorType:
        value = {"email-src": "a@b.example", "email-dst": "a@b.example"}.get(kind, "b.example")
        assert bool(host_of(Key(kind, value))) is (kind in HOSTED)
