"""Lists of anything: what is looked for, and what becomes of the rest."""

from __future__ import annotations

import io
import json

import pytest

from vedette.hunt.reading import Asked, Listing, Tally
from vedette.model import IndicatorType as T
from vedette.prose.words import Why


def read(text: str, asked: Asked | None = None) -> tuple[list[str], Tally]:
    listing = Listing(io.BytesIO(text.encode()), asked)
    return [f"{kind}={value}" for kind, value in listing.read()], listing.tally


def test_one_value_a_line_of_any_kind() -> None:
    keys, tally = read("# comment\nevil.com\n\n1.2.3.4\nBad[.]Example\nevil.com/x\nnothing\n")
    assert keys == [
        "domain=evil.com",
        "ip-dst=1.2.3.4",
        "ip-src=1.2.3.4",
        "domain=bad.example",
        "url=evil.com/x",
    ]
    assert (tally.lines, tally.comments, tally.values) == (7, 1, 5)
    assert tally.rejected == {Why.UNKNOWN: 1}
    assert tally.samples[0] == ("nothing", "line 7", Why.UNKNOWN)


def test_a_table_is_read_by_its_cells() -> None:
    keys, tally = read("date,type,value\n2026-01-02,domain,evil.zw9x\n2026-01-02,ip,1.2.3.4\n")
    assert keys == ["ip-dst=1.2.3.4", "ip-src=1.2.3.4"]
    assert tally.rejected["impossible top-level domain"] == 1


def test_prose_gives_its_values_and_counts_the_other_lines() -> None:
    keys, tally = read(
        "We saw the group again last week.\n"
        "It sends invoice.exe from evil[.]example, also known as Foo.Bar.Baz.\n"
        "The hash is 0123456789ABCDEF0123456789ABCDEF01234567.\n"
    )
    assert keys == [
        "filename=invoice.exe",
        "domain=evil.example",
        "domain=foo.bar.baz",  # a line in which somebody defanged is taken at its word
        "sha1=0123456789abcdef0123456789abcdef01234567",
        "cert-sha1=0123456789abcdef0123456789abcdef01234567",
    ]
    assert tally.without_value == 1


def test_the_same_value_twice_is_looked_for_once() -> None:
    keys, tally = read("10.0.0.0/8\nsee 10.0.0.0/8 and evil[.]com, evil[.]com\n")
    assert keys == ["ip-dst=10.0.0.0/8", "ip-src=10.0.0.0/8", "domain=evil.com"]
    assert tally.values == 3


def test_exact_leaves_out_the_names_below() -> None:
    keys, _ = read("evil.com\nBad[.]com\n", Asked(exact=True))
    assert keys == ["hostname=evil.com", "hostname=bad.com"]


def test_hosts_of_urls_are_looked_for_if_asked() -> None:
    keys, _ = read("http://evil.com/x\n1.2.3.4:80\n", Asked(hosts=True))
    assert keys == [
        "url=evil.com/x",
        "hostname=evil.com",
        "ip-dst-port=1.2.3.4,80",
        "ip-dst=1.2.3.4",
        "ip-src=1.2.3.4",
    ]


def test_a_type_says_what_the_values_are() -> None:
    agents, tally = read("Mozilla/4.0 (x; y)\n# not a comment\n", Asked(type=T.USER_AGENT))
    assert agents == ["user-agent=Mozilla/4.0 (x; y)", "user-agent=# not a comment"]
    assert tally.types == {"user-agent": 2}
    hashes, tally = read("a,b\nx,0123456789ABCDEF0123456789ABCDEF\n", Asked(type=T.JA3))
    assert hashes == ["ja3=0123456789abcdef0123456789abcdef"]
    assert tally.rejected == {"not hexadecimal": 1}


def test_a_type_that_is_not_remembered_is_said() -> None:
    keys, tally = read("1.2.3.4,80\n", Asked(type=T.IP_SRC_PORT))
    assert keys == []
    assert "source ports are random" in next(iter(tally.rejected))


@pytest.mark.parametrize(
    ("text", "form", "expected"),
    [
        ("0.0.0.0 evil.com\n127.0.0.1 localhost\n", "hosts", "domain=evil.com"),
        ("||evil.com^\n||b.com^$third-party\n", "adblock", "domain=evil.com"),
        (
            "#fields\tindicator\tindicator_type\n0123456789abcdef0123456789abcdef\tIntel::JA3\n",
            "zeek",
            "ja3=0123456789abcdef0123456789abcdef",
        ),
        (
            f"# Listingdate,SHA1,Listingreason\n2026-01-01,{'AB' * 20},x\n",
            "sslbl",
            f"cert-sha1={'ab' * 20}",
        ),
    ],
)
def test_a_format_that_says_its_types_is_believed(text: str, form: str, expected: str) -> None:
    keys, tally = read(text)
    assert tally.form == form
    assert keys[0] == expected


def test_misp_json_is_not_guessed_from_its_text() -> None:
    event = {
        "uuid": "5f4e7c9a-0000-4000-8000-000000000001",
        "info": "seen at office.example",
        "Attribute": [
            {"type": "domain", "value": "evil.com", "to_ids": True},
            {"type": "ja3-fingerprint-md5", "value": "A" * 32, "to_ids": True},
            {"type": "domain", "value": "victim.example", "to_ids": False},
            {"type": "mutex", "value": "x", "to_ids": True},
            {"type": "ip-dst", "value": "nowhere", "to_ids": True},
        ],
    }
    keys, tally = read(json.dumps({"Event": event}, indent=1))
    assert tally.form == "MISP"
    assert keys == ["domain=evil.com", f"ja3={'a' * 32}"]
    assert sum(tally.skipped.values()) == 2
    assert tally.rejected == {"not an IP address": 1}


def test_other_json_is_read_word_by_word() -> None:
    keys, tally = read('{"pattern": "[domain-name:value = \'evil.com\']",\n"x": [1, 2]}')
    assert keys == ["domain=evil.com"]
    assert not tally.rejected


def test_html_is_read_without_its_marks() -> None:
    keys, _ = read("<!doctype html><p><a href='x'>hxxp://evil[.]com/a?b&amp;c</a></p>")
    assert "url=evil.com/a?b&c" in keys


def test_numbers_and_brackets_in_the_middle_of_a_sentence_cost_no_indicator() -> None:
    digest = "a" * 62 + "08"
    keys, _ = read(
        "The server is 198.51.100[.]23. Mails came later.\n"
        f"It dropped a file (SHA256 {digest}) and left.\n"
        "1) evil[.]example\n"
    )
    assert "ip-dst=198.51.100.23" in keys
    assert f"sha256={digest}" in keys
    assert "domain=evil.example" in keys
    assert not any("mails" in key.lower() for key in keys)
