"""Addresses that no list needs to name, held against Python's own registry."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from vedette.guard.addresses import impossible, internal, may_be_special, wide
from vedette.model import IndicatorType

V4 = [
    f"{first}.{second}.{last}"
    for first in range(256)
    for second in (0, 88, 254)
    for last in ("0.1", "255.254")
]
V6 = [f"{first:x}::{last}" for first in range(0, 65_536, 97) for last in ("1", "ffff")]


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0",
        "127.1.2.3",
        "169.254.9.9",
        "239.1.1.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "ff02::fb",
    ],
)
def test_what_no_machine_of_the_internet_can_have_is_impossible(text: str) -> None:
    assert impossible(ip_network(text))


@pytest.mark.parametrize(
    "text",
    [
        "10.0.0.0/9",
        "172.31.0.1",
        "192.168.1.0/24",
        "100.100.0.1",
        "192.0.0.8",
        "fd00::1",
        "fec0::1",
    ],
)
def test_what_each_network_has_itself_is_internal(text: str) -> None:
    assert internal(ip_network(text))
    assert not impossible(ip_network(text))


@pytest.mark.parametrize(
    "text",
    [
        "192.0.2.1",
        "198.51.100.1",
        "203.0.113.1",
        "198.18.0.1",
        "2001:db8::1",
    ],
)
def test_what_laboratories_use_is_let_through(text: str) -> None:
    assert not impossible(ip_network(text))
    assert not internal(ip_network(text))


def test_public_addresses_are_let_through_and_the_quick_look_misses_nothing() -> None:
    for text in V4 + V6:
        address = ip_address(text)
        special = bool(impossible(ip_network(text)) or internal(ip_network(text)))
        if address.is_global and not address.is_multicast:
            assert not special, text
        if address.is_loopback or address.is_link_local or address.is_multicast:
            assert special, text
        if special:
            url = f"[{text}]/a" if ":" in text else f"{text}:8080/a"
            assert may_be_special(IndicatorType.IP_DST, text)
            assert may_be_special(IndicatorType.IP_SRC_PORT, f"{text},443")
            assert may_be_special(IndicatorType.URL, url)


@pytest.mark.parametrize(
    ("text", "is_impossible", "is_wide"),
    [
        ("0.0.0.0/0", True, True),
        ("64.0.0.0/7", True, True),
        ("64.0.0.0/8", False, True),
        ("64.0.0.0/15", False, True),
        ("64.0.0.0/16", False, False),
        ("2000::/15", True, True),
        ("2000::/31", False, True),
        ("2000::/32", False, False),
    ],
)
def test_networks_are_refused_or_held_by_their_width(
    text: str, *, is_impossible: bool, is_wide: bool
) -> None:
    network = ip_network(text)
    assert bool(impossible(network)) is is_impossible
    assert bool(wide(network)) is is_wide
    assert may_be_special(IndicatorType.IP_DST, text)
