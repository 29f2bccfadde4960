"""What a pasted text means, and what a ruling on it is about."""

from __future__ import annotations

import pytest

from vedette.errors import UsageError
from vedette.model import IndicatorType as T
from vedette.model import Key
from vedette.pipeline.meaning import meant_by, ruled_on


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("hxxp://WWW.Evil[.]example/", "domain", "www.evil.example"),
        ("*.evil.example", "domain", "evil.example"),
        ("Evil.Example.", "domain", "evil.example"),
        ("hxxps://evil[.]example/a?b", "url", "evil.example/a?b"),
        ("192.0.2[.]7", "ip-dst", "192.0.2.7"),
        ("192.0.2.7:443", "ip-dst-port", "192.0.2.7,443"),
        ("192.0.2.0/24", "ip-dst", "192.0.2.0/24"),
        ("2001:DB8::0007", "ip-dst", "2001:db8::7"),
        ("0" * 31 + "A", "md5", "0" * 31 + "a"),
        ("bob@evil[.]example", "email-src", "bob@evil.example"),
    ],
)
def test_the_likeliest_meaning_is_named(text: str, kind: str, value: str) -> None:
    meant = meant_by(text)
    assert (meant.type, meant.value, meant.refused) == (kind, value, "")
    assert meant.keys[0] == Key(T(kind), value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("localhost", "single label"),
        ("10.0.0.1/8", "network with host bits set"),
        ("0.0.0.0/0", "network too wide"),
        ("evil.example good.example", "several values in one"),
    ],
)
def test_what_cannot_be_an_indicator_says_why(text: str, reason: str) -> None:
    assert (meant_by(text).value, meant_by(text).refused) == ("", reason)
    with pytest.raises(UsageError, match=reason) as refused:
        ruled_on(text)
    assert "--type" in refused.value.hint


def test_a_ruling_is_on_any_type_or_on_one() -> None:
    assert ruled_on("Evil[.]example") == ("", "evil.example")
    assert ruled_on("evil.example", "hostname") == ("hostname", "evil.example")
    assert ruled_on("Mozilla/5.0 (x)", "user-agent") == ("user-agent", "Mozilla/5.0 (x)")
    assert ruled_on("192.0.2.7", "domain") == ("ip-dst", "192.0.2.7"), "the value decides"


def test_a_value_that_is_not_of_the_type_says_why() -> None:
    with pytest.raises(UsageError, match="is no md5: wrong hash length"):
        ruled_on("abcd", "md5")
