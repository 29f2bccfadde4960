from __future__ import annotations

from vedette.fields import BY_NAME, Match
from vedette.model import IndicatorType as T
from vedette.model import Key
from vedette.opensearch.sought import Sought

LIST = Sought(
    [
        Key(T.DOMAIN, "evil.example"),
        Key(T.HOSTNAME, "www.exact.example"),
        Key(T.IP_DST, "203.0.113.0/24"),
        Key(T.IP_DST, "2001:db8::/32"),
        Key(T.IP_DST, "198.51.100.7"),
        Key(T.URI, "/gate.php?id=1"),
        Key(T.URL, "evil.example/gate.php"),
        Key(T.FILENAME, "setup.exe"),
        Key(T.IP_SRC_PORT, "203.0.113.7,53"),
    ]
)


def matched(field: str, observed: str) -> list[tuple[str, str]]:
    return [(m.key.value, m.match.value) for m in LIST.matches(BY_NAME[field], observed)]


def test_names() -> None:
    assert matched("dns.query", "evil.example") == [("evil.example", "subdomain")]
    assert matched("dns.query", "a.b.evil.example") == [("evil.example", "subdomain")]
    assert matched("dns.query", "www.exact.example") == [("www.exact.example", "exact")]
    for other in ("notevil.example", "evil.example.org", "a.www.exact.example", "example", ""):
        assert not matched("dns.query", other)


def test_addresses() -> None:
    assert matched("ip.dst", "203.0.113.255") == [("203.0.113.0/24", "network")]
    assert matched("ip.dst", "2001:db8:1::1") == [("2001:db8::/32", "network")]
    assert matched("ip.dst", "198.51.100.7") == [("198.51.100.7", "network")]
    assert matched("http.host", "203.0.113.1") == [("203.0.113.0/24", "network")]
    for other in ("203.0.114.1", "2001:db9::1", "198.51.100.8", "not an address"):
        assert not matched("ip.dst", other)
    assert not matched("ip.src", "203.0.113.1")


def test_urls_and_paths() -> None:
    assert matched("http.url", "other.example:8080/gate.php?id=1") == [("/gate.php?id=1", "path")]
    assert matched("http.url", "evil.example/gate.php") == [("evil.example/gate.php", "exact")]
    assert not matched("http.url", "other.example/gate.php")


def test_fields_in_which_nothing_of_the_list_is_looked_for() -> None:
    assert LIST.wanted(BY_NAME["filemd5"]) == []
    assert LIST.wanted(BY_NAME["tls.cert_subject"]) == []
    assert LIST.wanted(BY_NAME["file.name"]) == [(T.FILENAME, Match.EXACT)]


def test_what_no_field_remembers_is_counted() -> None:
    assert list(LIST.skipped.values()) == [1]
    assert "source ports" in next(iter(LIST.skipped))


def test_networks_are_told_from_addresses() -> None:
    assert sorted(LIST.networks(T.IP_DST)) == ["2001:db8::/32", "203.0.113.0/24"]
    assert LIST.networks(T.IP_SRC) == []
