"""Clauses may find too much, never too little: their patterns are held against Python's own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.fields import BY_NAME
from vedette.model import IndicatorType as T
from vedette.model import Key
from vedette.opensearch.clauses import PATTERN_MAX, Clause, clauses, joined
from vedette.opensearch.shapes import Column, Group
from vedette.opensearch.sought import Sought
from vedette.opensearch.values import observed

TEXT = "text"


def group(*paths: str, kind: str = TEXT) -> Group:
    columns = {path: Column(path, kind, path) for path in paths}
    time = Column("@timestamp", "date", "@timestamp")
    return Group(indices="", columns=columns, time=time, event=Column("event_type", TEXT, ""))


def of(field: str, keys: list[Key], *, kind: str = TEXT) -> list[Clause] | None:
    source = ("?host", "?port", "path") if field == "http.url" else ("path",)
    there = group(*(name.removeprefix("?") for name in source), kind=kind)
    return clauses(BY_NAME[field], source, there, Sought(keys))


def queries(made: list[Clause] | None) -> Iterator[tuple[str, str, Any]]:
    """Yield kind, column and value of each clause."""
    assert made is not None
    for clause in made:
        for kind, said in clause.query.items():
            for column, value in said.items():
                yield kind, column, value


def finds(made: list[Clause] | None, raw: str, column: str = "path") -> bool:
    """Whether one of the clauses finds a document with this text, as the engines do it."""
    for kind, where, value in queries(made):
        if where != column:
            continue
        if kind == "terms" and raw in value:
            return True
        if kind == "regexp":
            assert value["case_insensitive"]
            assert len(value["value"]) <= 1_000
            if re.fullmatch(value["value"], raw, re.IGNORECASE | re.ASCII | re.DOTALL):
                return True
    return False


NAMES = st.from_regex(r"[a-z0-9_-]{1,8}(\.[a-z0-9-]{1,8}){1,3}", fullmatch=True)


@given(NAMES, st.sampled_from(["", "WWW.", "a.b."]), st.booleans(), st.sampled_from(["", "."]))
def test_a_domain_is_found_in_any_case_with_anything_below_it(
    name: str, below: str, large: bool, dot: str
) -> None:
    raw = below + (name.upper() if large else name) + dot
    assert finds(of("dns.query", [Key(T.DOMAIN, name)]), raw)


def test_names_that_only_look_alike_are_not_asked_for() -> None:
    made = of("dns.query", [Key(T.DOMAIN, "evil.example")])
    for other in ("notevil.example", "evil-example", "evilXexample", "evil.example.org"):
        assert not finds(made, other)
    exact = of("dns.query", [Key(T.HOSTNAME, "evil.example")])
    assert finds(exact, "EVIL.example.")
    assert not finds(exact, "www.evil.example")


@pytest.mark.parametrize(
    ("field", "key", "raw"),
    [
        ("smtp.mail_from", Key(T.EMAIL_SRC, "a+b@evil.example"), "<A+b@Evil.example>"),
        ("email.from", Key(T.EMAIL_SRC, "a@evil.example"), '"A, B" <a@evil.example> (c)'),
        ("file.name", Key(T.FILENAME, "set up[1].exe"), "/a/b/Set Up[1].EXE"),
        ("file.name", Key(T.FILENAME, "setup.exe"), r"C:\temp\setup.exe"),
        ("file.name", Key(T.FILENAME, "setup.exe"), "setup.exe"),
        ("http.url", Key(T.URI, "/a?b=(c)#"), "/a?b=(c)#"),
        ("http.url", Key(T.URI, "/a/b"), "http://www.example:81/a/b#top"),
        ("email.url", Key(T.URL, "evil.example/x"), "http://user@EVIL.example:80/x"),
        ("email.url", Key(T.URL, "evil.example/x"), "evil.example/x"),
        ("tls.cert_fingerprint", Key(T.CERT_SHA1, "ab" * 20), ":".join(["ab"] * 20)),
        ("tls.cert_fingerprint", Key(T.CERT_SHA1, "ab" * 20), "AB" * 20),
        ("filemd5", Key(T.MD5, "ab" * 16), "ab" * 16),
        ("http.user_agent", Key(T.USER_AGENT, "curl/8 (x)"), "curl/8 (x)"),
        ("ip.dst", Key(T.IP_DST, "2001:db8::1"), "2001:0db8:0000:0000:0000:0000:0000:0001"),
        ("ip.dst", Key(T.IP_DST, "203.0.113.7"), "203.0.113.7"),
        ("ip.dst.port", Key(T.IP_DST_PORT, "203.0.113.7,53"), "203.0.113.7"),
    ],
)
def test_the_spellings_of_the_wire_are_found(field: str, key: Key, raw: str) -> None:
    assert finds(of(field, [key]), raw)


def test_a_url_is_found_by_its_host() -> None:
    made = of("http.url", [Key(T.URL, "evil.example:8080/x")])
    assert finds(made, "EVIL.example", "host")
    assert finds(made, "http://evil.example:8080/x", "path")
    assert not finds(made, "other.example", "host")


def test_what_cannot_be_promised_is_not_asked_for() -> None:
    # A network among texts, a value longer than a pattern, letters with other ideas of case.
    assert of("ip.dst", [Key(T.IP_DST, "203.0.113.0/24")]) is None
    assert of("http.url", [Key(T.URI, "/" + "a" * PATTERN_MAX)]) is None
    assert of("file.name", [Key(T.FILENAME, "straße.exe")]) is None


def test_networks_are_asked_for_where_addresses_are_addresses() -> None:
    made = of("ip.dst", [Key(T.IP_DST, "203.0.113.0/24"), Key(T.IP_DST, "198.51.100.7")], kind="ip")
    assert list(queries(made)) == [("terms", "path", ["198.51.100.7", "203.0.113.0/24"])]


def test_a_long_list_shares_patterns_and_terms() -> None:
    names = [Key(T.DOMAIN, f"host{n}.evil.example") for n in range(1_000)]
    made = of("dns.query", names)
    assert made is not None
    assert 20 < sum(clause.patterns for clause in made) < 50
    assert all(finds(made, key.value) for key in names)
    hashes = [Key(T.MD5, f"{n:032x}") for n in range(30_000)]
    made = of("filemd5", hashes)
    assert made is not None
    assert max(clause.terms for clause in made) <= 10_000
    assert joined(made)["bool"]["minimum_should_match"] == 1


@given(st.text(max_size=30))
def test_no_raw_value_makes_a_comparison_fail(text: str) -> None:
    for field in BY_NAME.values():
        assert isinstance(observed(field, (text,)), str)
    assert isinstance(observed(BY_NAME["http.url"], (text, 81, text)), str)
    assert isinstance(observed(BY_NAME["http.url"], (None, None, text)), str)
    assert observed(BY_NAME["ip.dst.port"], (text, None)) == ""
