"""What is ours, whatever type says so."""

from __future__ import annotations

import pytest

from vedette.guard.own import Own
from vedette.model import IndicatorType as T
from vedette.model import Key

OWN = Own(["Example.org", "203.0.113.0/24", "2001:db8::/48", "198.51.100.7"])


@pytest.mark.parametrize(
    ("kind", "value", "entry"),
    [
        (T.DOMAIN, "example.org", "Example.org"),
        (T.HOSTNAME, "mail.example.org", "Example.org"),
        (T.URL, "www.example.org:8080/a", "Example.org"),
        (T.EMAIL_SRC, "boss@example.org", "Example.org"),
        (T.DOMAIN, "badexample.org", ""),
        (T.DOMAIN, "org", ""),
        (T.IP_DST, "203.0.113.9", "203.0.113.0/24"),
        (T.IP_SRC, "203.0.112.0/20", "203.0.113.0/24"),
        (T.IP_SRC_PORT, "198.51.100.7,25", "198.51.100.7"),
        (T.URL, "203.0.113.9/a", "203.0.113.0/24"),
        (T.URL, "[2001:db8::5]/a", "2001:db8::/48"),
        (T.IP_DST, "2001:db8:1::1", ""),
        (T.IP_DST, "198.51.100.8", ""),
        (T.FILENAME, "example.org", ""),
    ],
)
def test_what_is_ours_is_told_by_the_entry(kind: T, value: str, entry: str) -> None:
    assert OWN.of(Key(kind, value)) == entry


def test_nothing_is_ours_by_default() -> None:
    assert not Own()
    assert Own().of(Key(T.DOMAIN, "example.org")) == ""
    assert OWN
