"""Addresses, networks and ports.

A dataset of type ``ip`` knows no networks: small ones are written as their addresses, large ones
stand in the header of a rule. It knows no ports either: the ports with most addresses have a set of
their own with the port in the header; for the rest the hit reader compares the port.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from ipaddress import ip_network

from vedette.buffers import Dataset
from vedette.model import IndicatorType, Key
from vedette.ruleset.lines import Chunk, encode
from vedette.ruleset.sets import NETWORK_RULES_MAX, OWN_PORTS_MAX, SetSpec
from vedette.ruleset.tally import Tally

EXPANDED_MAX = 256
"""Networks of up to so many addresses are written as addresses."""
TOO_MANY_NETWORKS = f"large network beyond what {NETWORK_RULES_MAX} rules hold"
_NETWORKS_MAX = 500  # in one rule
_NETWORKS_BYTES = 6000  # likewise: the engine reads lines of up to 8,191 bytes


def compile_addresses(dataset: Dataset, keys: Iterable[Key], tally: Tally) -> Iterator[Chunk]:
    """Write the set of addresses; where networks are among them, also all ``values``."""
    values = [key.value for key in keys]
    networks = [value for value in values if "/" in value]
    addresses = {value for value in values if "/" not in value}
    for network in networks:
        addresses.update(expand(network))
    if addresses:
        yield encode(SetSpec(dataset.name), sorted(addresses))
    if networks:
        yield from _values(dataset, values, tally)


def compile_ports(dataset: Dataset, keys: Iterable[Key], tally: Tally) -> Iterator[Chunk]:
    """Write one set for each of the most frequent ports, one for the rest, and all ``values``."""
    by_port: defaultdict[int, set[str]] = defaultdict(set)
    values: list[str] = []
    for _, value in keys:
        address, _, number = value.rpartition(",")
        by_port[int(number)].update(expand(address) if "/" in address else (address,))
        values.append(value)
    ranked = sorted(by_port, key=lambda port: (-len(by_port[port]), port))
    rest: set[str] = set()
    for rank, port in enumerate(ranked):
        if rank >= OWN_PORTS_MAX:
            rest |= by_port[port]
        elif addresses := by_port[port]:
            yield encode(SetSpec(dataset.name, f"p{port}"), sorted(addresses))
    if rest:
        yield encode(SetSpec(dataset.name, "any"), sorted(rest))
    yield from _values(dataset, values, tally)


def expand(network: str) -> Iterator[str]:
    """Yield the addresses of a small network, none of a large one."""
    found = ip_network(network)
    if found.num_addresses <= EXPANDED_MAX:
        yield from map(str, found)


def is_in_a_header(key: Key) -> bool:
    """Whether it is a network so large that it stands in the header of a rule."""
    is_network = key.type in {IndicatorType.IP_DST, IndicatorType.IP_SRC} and "/" in key.value
    return is_network and ip_network(key.value).num_addresses > EXPANDED_MAX


def _values(dataset: Dataset, values: list[str], tally: Tally) -> Iterator[Chunk]:
    if left_over := network_groups(values)[1]:
        tally.unmatched[TOO_MANY_NETWORKS] += left_over
    if values:
        yield encode(SetSpec(dataset.name, "values"), values)


def network_groups(values: Iterable[str]) -> tuple[list[str], int]:
    """Return the large networks among ``values``, joined for the headers of rules.

    Returns:
        One text for each rule, and how many networks are left over.
    """
    networks = {value.partition(",")[0] for value in values if "/" in value}
    large = sorted(net for net in networks if ip_network(net).num_addresses > EXPANDED_MAX)
    groups: list[list[str]] = []
    room = 0
    for number, network in enumerate(large):
        room -= len(network) + 1
        if room < 0 or len(groups[-1]) == _NETWORKS_MAX:
            if len(groups) == NETWORK_RULES_MAX:
                return [",".join(group) for group in groups], len(large) - number
            groups.append([])
            room = _NETWORKS_BYTES - len(network) - 1
        groups[-1].append(network)
    return [",".join(group) for group in groups], 0
