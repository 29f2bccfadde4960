"""The other direction finds what the hunt finds."""

from __future__ import annotations

import pytest

from vedette.hunt.matching import indicators_of


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        (
            "tls.sni",
            "a.b.example",
            {"domain a.b.example", "domain b.example", "hostname a.b.example"},
        ),
        ("filemd5", "x", {"md5 x"}),
        ("http.url", "h.example/a?b", {"url h.example/a?b", "uri /a?b"}),
        ("email.url", "nothing", {"url nothing"}),
        ("ip.dst.port", "1.2.3.4,80", {"ip-dst-port 1.2.3.4,80"}),
        ("tls.cert_subject", "CN=x", set()),
        ("of an older version", "x", set()),
    ],
)
def test_what_a_value_may_be(field: str, value: str, expected: set[str]) -> None:
    assert {f"{kind} {name}" for kind, name in indicators_of(field, value)} == expected


def test_an_address_may_be_in_any_network_that_an_indicator_may_be() -> None:
    v4 = {value for _, value in indicators_of("ip.dst", "10.1.2.3")}
    assert len(v4) == 1 + 24
    assert {"10.1.2.3", "10.1.2.2/31", "10.1.2.0/24", "10.0.0.0/8"} <= v4
    v6 = {value for _, value in indicators_of("ip.src", "2001:db8::1")}
    assert len(v6) == 1 + 112
    assert {"2001:db8::1", "2001:db8::/64", "2001::/16"} <= v6
    assert "ip-dst 10.1.2.3" in {f"{k} {v}" for k, v in indicators_of("http.host", "10.1.2.3")}
