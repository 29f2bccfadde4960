"""Networks and ports: what a dataset cannot say is said by another set, or by a rule's header."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from vedette.model import IndicatorType as T
from vedette.model import Key
from vedette.ruleset.addresses import (
    TOO_MANY_NETWORKS,
    compile_addresses,
    compile_ports,
    expand,
    network_groups,
)
from vedette.ruleset.lines import Chunk, decode
from vedette.ruleset.sets import DATASETS, OWN_PORTS_MAX
from vedette.ruleset.tally import Tally


def read(chunks: Iterable[Chunk]) -> dict[str, list[str]]:
    return {
        chunk.spec.name: [decode(chunk.spec, line) for line in chunk.data.splitlines(keepends=True)]
        for chunk in chunks
    }


def addresses(*values: str) -> dict[str, list[str]]:
    keys = [Key(T.IP_DST, value) for value in sorted(values)]
    return read(compile_addresses(DATASETS["ip-dst"][1], keys, Tally()))


def ports(*values: str) -> dict[str, list[str]]:
    keys = [Key(T.IP_DST_PORT, value) for value in sorted(values)]
    return read(compile_ports(DATASETS["ip-dst-port"][1], keys, Tally()))


def test_a_small_network_is_written_as_its_addresses_each_once() -> None:
    found = addresses("192.0.2.1", "192.0.2.0/30")
    assert found["ip-dst"] == ["192.0.2.0", "192.0.2.1", "192.0.2.2", "192.0.2.3"]
    assert found["ip-dst-values"] == ["192.0.2.0/30", "192.0.2.1"]


def test_addresses_alone_need_no_values() -> None:
    assert addresses("192.0.2.1") == {"ip-dst": ["192.0.2.1"]}


def test_a_large_network_is_in_no_set() -> None:
    assert addresses("10.0.0.0/8") == {"ip-dst-values": ["10.0.0.0/8"]}
    assert network_groups(["10.0.0.0/8", "192.0.2.1", "192.0.2.0/30"]) == (["10.0.0.0/8"], 0)


def test_256_addresses_are_the_most() -> None:
    assert len(list(expand("192.0.2.0/24"))) == 256
    assert list(expand("192.0.2.0/23")) == []
    assert len(list(expand("2001:db8::/120"))) == 256


def test_a_port_has_a_set_of_its_own() -> None:
    found = ports("192.0.2.1,443", "192.0.2.2,443", "192.0.2.1,80", "192.0.2.0/31,80")
    assert found["ip-dst-port-443"] == ["192.0.2.1", "192.0.2.2"]
    assert found["ip-dst-port-80"] == ["192.0.2.0", "192.0.2.1"]
    assert "ip-dst-port-any" not in found


def test_rare_ports_share_a_set_and_the_most_frequent_do_not() -> None:
    frequent = [f"192.0.2.{n},{port}" for port in range(1, OWN_PORTS_MAX + 1) for n in (1, 2)]
    found = ports(*frequent, "198.51.100.1,5000", "198.51.100.1,6000")
    own = {name for name in found if name.rpartition("-")[2].isdigit()}
    assert own == {f"ip-dst-port-{port}" for port in range(1, OWN_PORTS_MAX + 1)}
    assert found["ip-dst-port-any"] == ["198.51.100.1"]
    assert len(found["ip-dst-port-values"]) == len(frequent) + 2


def test_a_large_network_with_a_port_is_for_a_rule() -> None:
    assert ports("10.0.0.0/8,80") == {"ip-dst-port-values": ["10.0.0.0/8,80"]}
    assert network_groups(["10.0.0.0/8,80"]) == (["10.0.0.0/8"], 0)


def test_rules_of_networks_stay_below_the_engines_line() -> None:
    networks = [f"10.{a}.{b}.0/23" for a in range(10) for b in range(0, 256, 2)]
    groups, left_over = network_groups(networks)
    assert left_over == 0
    assert max(map(len, groups)) <= 6000
    assert sorted(",".join(groups).split(",")) == sorted(networks)


def test_a_group_ends_at_500_networks() -> None:
    groups, _ = network_groups([f"{a}.{b}.0.0/16" for a in range(1, 76) for b in range(10)])
    assert [group.count(",") + 1 for group in groups] == [500, 250]


def test_networks_beyond_all_rules_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vedette.ruleset.addresses.NETWORK_RULES_MAX", 2)
    networks = [f"{a}.{b}.0.0/16" for a in range(1, 76) for b in range(20)]
    groups, left_over = network_groups(networks)
    assert len(groups) == 2
    assert sum(group.count(",") + 1 for group in groups) + left_over == len(networks)
    tally = Tally()
    keys = [Key(T.IP_SRC, network) for network in networks]
    list(compile_addresses(DATASETS["ip-src"][1], keys, tally))
    assert tally.unmatched == {TOO_MANY_NETWORKS: left_over}
