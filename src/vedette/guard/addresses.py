"""Addresses that no list needs to name: nobody's, everybody's, our own side's; pure.

RFC 6890 has the ranges. Those for documentation and benchmarks are none of ours to refuse: nobody
routes them, so an indicator there alarms nobody, and laboratories use them.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from types import MappingProxyType

from vedette.guard.hosts import ADDRESSES, Network
from vedette.model import IndicatorType

_IMPOSSIBLE: Mapping[str, str] = MappingProxyType(
    {
        "0.0.0.0/8": "this network, unspecified",
        "127.0.0.0/8": "loopback",
        "169.254.0.0/16": "link-local",
        "224.0.0.0/4": "multicast",
        "240.0.0.0/4": "reserved, broadcast",
        "::/128": "unspecified",
        "::1/128": "loopback",
        "fe80::/10": "link-local",
        "ff00::/8": "multicast",
    }
)
_INTERNAL: Mapping[str, str] = MappingProxyType(
    {
        "10.0.0.0/8": "private (RFC 1918)",
        "100.64.0.0/10": "shared by carriers (RFC 6598)",
        "172.16.0.0/12": "private (RFC 1918)",
        "192.0.0.0/24": "of protocols (RFC 6890)",
        "192.168.0.0/16": "private (RFC 1918)",
        "fc00::/7": "private (RFC 4193)",
        "fec0::/10": "private (RFC 3879)",
    }
)
_TOO_WIDE: Mapping[int, int] = MappingProxyType({4: 8, 6: 16})
"""By version: a prefix shorter than this is no indicator at all."""
_WIDE: Mapping[int, int] = MappingProxyType({4: 16, 6: 32})
"""By version: a person should look at a prefix shorter than this."""

_SPECIAL = {
    kind: [(ip_network(text), what) for text, what in table.items()]
    for kind, table in (("impossible", _IMPOSSIBLE), ("internal", _INTERNAL))
}
_FIRST = frozenset(
    str(octet)
    for network, _ in (*_SPECIAL["impossible"], *_SPECIAL["internal"])
    if network.version == 4  # noqa: PLR2004
    for octet in range(network.network_address.packed[0], network.broadcast_address.packed[0] + 1)
)
"""First octets of special addresses."""


def impossible(network: Network) -> str:
    """Why no indicator can be there, in a few words; ``""``: one can."""
    if network.prefixlen < _TOO_WIDE[network.version]:
        return f"a network of {_size(network)} addresses is no indicator"
    what = _within(network, "impossible")
    return f"a {what} address is everybody's" if what else ""


def internal(network: Network) -> str:
    """Why an address means something else in each network, in a few words; ``""``: it does not."""
    what = _within(network, "internal")
    return f"{what}: a different machine in every network" if what else ""


def wide(network: Network) -> str:
    """Why a network is suspiciously wide, in a few words; ``""``: it is not."""
    if network.prefixlen < _WIDE[network.version]:
        return f"a network of {_size(network)} addresses"
    return ""


def may_be_special(kind: IndicatorType, value: str) -> bool:
    """Whether to look closer at an indicator: quick where the answer is no, as it nearly always is.

    Not exact: only False means something.
    """
    if kind in ADDRESSES:
        return "/" in value or ":" in value or value[: value.find(".")] in _FIRST
    if kind is IndicatorType.URL:
        host = value.partition("/")[0].partition(":")[0]
        return value[:1] == "[" or (host[-1:].isdigit() and host[: host.find(".")] in _FIRST)
    return value[-1:].isdigit()


def _within(network: Network, kind: str) -> str:
    for outer, what in _SPECIAL[kind]:
        if (
            outer.version == network.version
            and outer.prefixlen <= network.prefixlen
            and network.network_address in outer
        ):
            return what
    return ""


def _size(network: Network) -> str:
    return f"{network.num_addresses:,}" if network.version == 4 else f"2^{128 - network.prefixlen}"  # noqa: PLR2004
