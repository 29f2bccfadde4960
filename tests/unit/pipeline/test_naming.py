"""Whatever is pasted is looked for where it may be, spelt as it would be kept."""

from __future__ import annotations

import pytest

from vedette.errors import UsageError
from vedette.fields import FIELDS
from vedette.model import IndicatorType, Key
from vedette.pipeline.naming import name

SHA256 = "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855"


def where(text: str, value: str) -> set[str]:
    return {place.field for place in name(text).places if place.value == value}


@pytest.mark.parametrize(
    ("pasted", "value", "fields"),
    [
        ("Evil[.]Example.", "evil.example", {"dns.query", "tls.sni", "http.host", "smtp.helo"}),
        ("*.evil.example", "evil.example", {"dns.query", "tls.sni"}),
        ("wpad", "wpad", {"dns.query", "smtp.helo"}),
        ("_ldap._tcp.dc", "_ldap._tcp.dc", {"dns.query"}),
        ("192[.]0[.]2[.]7", "192.0.2.7", {"ip.dst", "ip.src", "dns.response.ip", "http.host"}),
        ("2001:DB8:0::1", "2001:db8::1", {"ip.dst", "ip.src"}),
        ("192.0.2.7:443", "192.0.2.7,443", {"ip.dst.port"}),
        ("hxxps://evil[.]example/A?b", "evil.example/A?b", {"http.url", "email.url"}),
        (SHA256, SHA256.lower(), {"filesha256", "tls.certs.sha256"}),
        ("AA:BB" * 8, "aabb" * 8, {"filemd5", "ja3.hash", "ssh.hassh"}),
        ("Bad Guy <Bad@Evil[.]example>", "bad@evil.example", {"email.from", "smtp.mail_from"}),
        ("C:\\Temp\\Invoice.EXE", "invoice.exe", {"file.name", "smb.filename"}),
        ("Mozilla/5.0 (Evil)", "Mozilla/5.0 (Evil)", {"http.user_agent"}),
        ("ADMIN$", "ADMIN$", {"smb.share"}),
        ("krbtgt/EXAMPLE", "krbtgt/EXAMPLE", {"krb5.sname"}),
    ],
)
def test_a_pasted_text_is_looked_for_where_it_may_be(
    pasted: str, value: str, fields: set[str]
) -> None:
    assert fields <= where(pasted, value)


def test_a_hash_is_not_looked_for_among_names() -> None:
    assert not where(SHA256, SHA256.lower()) & {"dns.response.ip", "ip.dst", "email.from"}
    assert len(name("evil.example").places) < len(FIELDS)


def test_below_is_asked_of_names_alone() -> None:
    below = {place.field for place in name("evil.example", below=True).places if place.below}
    assert {"dns.query", "tls.sni"} <= below
    assert "http.user_agent" not in below
    assert not any(place.below for place in name("evil.example").places)


def test_the_indicator_may_be_listed_under_a_name_above() -> None:
    keys = name("a.b.evil.example").keys
    assert Key(IndicatorType.DOMAIN, "evil.example") in keys
    assert Key(IndicatorType.DOMAIN, "example") not in keys


def test_what_is_not_remembered_is_not_looked_for() -> None:
    fields = {place.field for place in name("a=b; c=d").places}
    assert "http.cookie" in fields
    assert {place.field for place in name("a=b; c=d", skip=("http.cookie",)).places} == (
        fields - {"http.cookie"}
    )


def test_nothing_is_nothing_to_look_for() -> None:
    with pytest.raises(UsageError, match="nothing to look for"):
        name("  ")
