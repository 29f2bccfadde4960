"""Nested networks, against a plain comparison of all with all."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from vedette.guard.lists_networks import NetworkRows, Networks, Span, span_of
from vedette.guard.lists_texts import Sets


def table(version: int, members: Sequence[str]) -> tuple[Networks, list[tuple[int, ...]]]:
    rows, sets = NetworkRows(), Sets()
    for number, member in enumerate(members):
        assert rows.add(number, [member]) == 0
    sections = {name: memoryview(data) for name, data in rows.freeze(sets).items()}
    return Networks(version, sections), sets.all()


def lists_around(networks: Networks, sets: list[tuple[int, ...]], asked: str) -> list[list[int]]:
    span = span_of(asked)
    assert span is not None
    return [list(sets[network.lists]) for network in networks.around(networks.owner(span))]


def test_networks_around_come_from_the_inside_out() -> None:
    networks, sets = table(4, ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "10.1.0.0/16", "10.1.2.4"])
    assert lists_around(networks, sets, "10.1.2.3") == [[2], [1, 3], [0]]
    assert lists_around(networks, sets, "10.1.2.5") == [[1, 3], [0]]
    assert lists_around(networks, sets, "10.2.0.0") == [[0]]
    assert lists_around(networks, sets, "10.1.2.0/24") == [[1, 3], [0]]
    assert lists_around(networks, sets, "11.0.0.0") == []
    assert lists_around(networks, sets, "9.255.255.255") == []


def test_members_are_told_as_people_write_them() -> None:
    networks, _ = table(6, ["2001:DB8::/32", "2001:db8::1"])
    texts = [
        network.text for network in networks.around(networks.owners([0x20010DB8 << 96 | 1])[0])
    ]
    assert texts == ["2001:db8::1", "2001:db8::/32"]


def test_the_edges_of_the_address_space_belong_to_it() -> None:
    networks, sets = table(4, ["0.0.0.0/0", "255.255.255.255", "0.0.0.0"])
    assert lists_around(networks, sets, "255.255.255.255") == [[1], [0]]
    assert lists_around(networks, sets, "0.0.0.0") == [[2], [0]]
    assert lists_around(networks, sets, "0.0.0.0/0") == [[0]]


def test_what_is_no_network_is_counted() -> None:
    assert NetworkRows().add(0, ["1.2.3.4/33", "x", "", "1.2.3.4", "::/0", "1.2.3.4/8"]) == 3


def test_a_table_without_networks_knows_none() -> None:
    networks, _ = table(4, [])
    assert networks.owners([0, 1 << 31, (1 << 32) - 1]) == [-1, -1, -1]
    assert networks.owner(Span(4, 0, 0)) == -1


_ADDRESS = st.integers(0, 255).map(lambda n: n << 24 | n * 7 % 256)
_NETWORK = st.tuples(_ADDRESS, st.integers(20, 32) | st.integers(0, 32)).map(
    lambda pair: str(ipaddress.ip_network((pair[0], pair[1]), strict=False))
)


@given(st.lists(_NETWORK, max_size=30), st.lists(_ADDRESS, max_size=20))
def test_an_address_is_in_exactly_the_networks_around_it(
    members: list[str], addresses: list[int]
) -> None:
    networks, sets = table(4, members)
    for address in addresses:
        (owner,) = networks.owners([address])
        found = {number for network in networks.around(owner) for number in sets[network.lists]}
        plain = ipaddress.ip_address(address)
        assert found == {
            n for n, member in enumerate(members) if plain in ipaddress.ip_network(member)
        }


@given(st.lists(_NETWORK, max_size=30), st.lists(_NETWORK, max_size=10))
def test_a_network_is_in_exactly_the_networks_that_hold_it(
    members: list[str], asked: list[str]
) -> None:
    networks, sets = table(4, members)
    for text in asked:
        inner = ipaddress.IPv4Network(text)
        found = {number for numbers in lists_around(networks, sets, text) for number in numbers}
        assert found == {
            n for n, one in enumerate(members) if inner.subnet_of(ipaddress.IPv4Network(one))
        }
