"""Addresses, networks and ports: one spelling, the direction of the list that holds them."""

from __future__ import annotations

import pytest

from vedette.errors import UnusableValueError
from vedette.model import IndicatorType as T
from vedette.model import Key
from vedette.normalize import Reason, normalize


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("198.51.100.7", "198.51.100.7"),
        (" 198.51.100.7\r", "198.51.100.7"),
        ("198[.]51[.]100[.]7", "198.51.100.7"),
        ("198.51.100[.]7", "198.51.100.7"),
        ("198.51.100.7/32", "198.51.100.7"),
        ("198.51.100.0/24", "198.51.100.0/24"),
        ("198.51.100.0/255.255.255.0", "198.51.100.0/24"),
        ("2a00:1450:4007:080a:0000:0000:0000:200e", "2a00:1450:4007:80a::200e"),
        ("2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
        ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("2001:db8::1/128", "2001:db8::1"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("::ffff:c633:6407", "198.51.100.7"),
        ("0:0:0:0:0:ffff:2d3e:c649", "45.62.198.73"),
        ("::ffff:198.51.100.0/120", "198.51.100.0/24"),
        ("hxxp://198[.]51[.]100[.]7/", "198.51.100.7"),
        ("10.0.0.1", "10.0.0.1"),
    ],
)
def test_every_writing_of_an_address_becomes_its_one_spelling(text: str, address: str) -> None:
    assert normalize(T.IP_DST, text) == Key(T.IP_DST, address)
    assert normalize(T.IP_SRC, text) == Key(T.IP_SRC, address)
    assert normalize(T.IP_DST_PORT, text) == Key(T.IP_DST, address)
    assert normalize(T.IP_SRC_PORT, text) == Key(T.IP_SRC, address)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("198.51.100.7:8443", "198.51.100.7,8443"),
        ("198.51.100.7,8443", "198.51.100.7,8443"),
        ("198.51.100.7|8443", "198.51.100.7,8443"),
        ("198.51.100.7:65535", "198.51.100.7,65535"),
        ("198.51.100.7:0080", "198.51.100.7,80"),
        ("198[.]51[.]100[.]7[:]8443", "198.51.100.7,8443"),
        ("tcp://198.51.100.7:80", "198.51.100.7,80"),
        ("[2001:41d0:404:200:0:0:0:7f9]:443", "2001:41d0:404:200::7f9,443"),
        ("2001:db8::1,443", "2001:db8::1,443"),
        ("2001:db8::1|443", "2001:db8::1,443"),
        ("[::ffff:198.51.100.7]:53", "198.51.100.7,53"),
    ],
)
def test_a_port_is_part_of_the_value(text: str, value: str) -> None:
    assert normalize(T.IP_DST, text) == Key(T.IP_DST_PORT, value)
    assert normalize(T.IP_DST_PORT, text) == Key(T.IP_DST_PORT, value)
    assert normalize(T.IP_SRC, text) == Key(T.IP_SRC_PORT, value)
    assert normalize(T.IP_SRC_PORT, text) == Key(T.IP_SRC_PORT, value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", Reason.EMPTY),
        ("evil.example", Reason.NOT_ADDRESS),
        ("evil.example:80", Reason.NOT_ADDRESS),
        ("198.51.100.7 9", Reason.NOT_ADDRESS),
        ("198.51.100.7\t9", Reason.NOT_ADDRESS),
        ("198.51.100", Reason.NOT_ADDRESS),
        ("198.51.100.256", Reason.NOT_ADDRESS),
        ("198.51.100.7-198.51.100.9", Reason.NOT_ADDRESS),
        ("213.165.60.118:22:443", Reason.NOT_ADDRESS),
        ("46.8.120.153::8080", Reason.NOT_ADDRESS),
        ("2001:db8::1::2", Reason.NOT_ADDRESS),
        ("fe80::1%eth0", Reason.NOT_ADDRESS),
        ("198.51.100.0/33", Reason.NOT_ADDRESS),
        ("0000153.0000255.0000011.0000125", Reason.OCTAL),
        ("010.0.0.1", Reason.OCTAL),
        ("198.51.100.07:80", Reason.OCTAL),
        ("0.0.0.0", Reason.SPECIAL),
        ("127.0.0.1", Reason.SPECIAL),
        ("127.8.9.1:80", Reason.SPECIAL),
        ("255.255.255.255", Reason.SPECIAL),
        ("::", Reason.SPECIAL),
        ("::1", Reason.SPECIAL),
        ("::ffff:127.0.0.1", Reason.SPECIAL),
        ("127.0.0.0/8", Reason.SPECIAL),
        ("198.51.100.7:0", Reason.PORT),
        ("198.51.100.7:66086", Reason.PORT),
        ("198.51.100.7:500081", Reason.PORT),
        ("198.51.100.7/24", Reason.HOST_BITS),
        ("::ffff:198.51.100.7/120", Reason.HOST_BITS),
        ("0.0.0.0/0", Reason.WIDE),
        ("198.0.0.0/7", Reason.WIDE),
        ("::/0", Reason.WIDE),
    ],
)
@pytest.mark.parametrize("kind", [T.IP_DST, T.IP_SRC, T.IP_DST_PORT, T.IP_SRC_PORT])
def test_what_is_no_address_is_refused_with_its_reason(kind: T, text: str, reason: Reason) -> None:
    with pytest.raises(UnusableValueError) as refused:
        normalize(kind, text)
    assert str(refused.value) == reason.value
