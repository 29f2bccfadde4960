"""IP addresses, networks and ``address,port``.

A network keeps its prefix (``1.2.3.0/24``); with host bits set it is refused, because nobody can
tell whether the address or the network was meant. A network of one address is that address.
"""

from __future__ import annotations

import ipaddress
import re

from vedette.normalize.reasons import Reason, refuse

_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IPV4 = rf"(?!0|127\.|255\.255\.255\.255){_OCTET}(?:\.{_OCTET}){{3}}"
is_clean_ipv4 = re.compile(_IPV4, re.ASCII).fullmatch
"""Match an IPv4 address that is canonical already and that a host can have."""

is_clean_ipv4_port = re.compile(
    rf"({_IPV4})[:,]([1-9]\d{{0,3}}|[1-5]\d{{4}}|6[0-4]\d{{3}}|65[0-4]\d\d)", re.ASCII
).fullmatch
"""Match a clean IPv4 address with a port below 65500: nearly all there are."""

_DIGITS_AND_DOTS = re.compile(r"[0-9]+(?:\.[0-9]+)*\.?").fullmatch
_OCTAL = re.compile(r"(?:.*\.)?0[0-9]").match
_IPV6 = re.compile(r"[0-9a-f:.]*:[0-9a-f:.]*:[0-9a-f:.]*", re.IGNORECASE).fullmatch
_BRACKETED = re.compile(r"\[([^\]]*)\](?::(.*))?", re.DOTALL).fullmatch
_WITH_PORT = re.compile(r"([^:,|\s]+)[:,|]([0-9]+)").fullmatch
_IPV6_WITH_PORT = re.compile(r"([^,|]+)[,|]([0-9]+)").fullmatch
_PORT_MAX = 65535
_PREFIX_MIN = {4: 8, 6: 16}
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_MAPPED_BITS = 96


def canonical_address(text: str) -> str | None:
    """Return the one spelling of an address: RFC 5952, IPv4-mapped as IPv4; None if it is none.

    Raises:
        UnusableValueError: It was meant as an address and is not one, or no host can have it.
    """
    if is_clean_ipv4(text):
        return text
    if _DIGITS_AND_DOTS(text):
        return _ipv4(text.removesuffix("."))
    bare = text[1:-1] if text[:1] == "[" and text[-1:] == "]" else text
    if not _IPV6(bare):
        return None
    try:
        address = ipaddress.IPv6Address(bare)
    except ValueError:
        refuse(Reason.NOT_ADDRESS)
    if (mapped := address.ipv4_mapped) is not None:
        return _ipv4(str(mapped))
    if address.is_loopback or address.is_unspecified:
        refuse(Reason.SPECIAL)
    return address.compressed


def split_port(text: str) -> tuple[str, str]:
    """Split ``host:port``, ``[v6]:port``, ``host,port``, ``host|port``; ``""`` is no port."""
    if bracketed := _BRACKETED(text):
        return bracketed[1], bracketed[2] or ""
    if match := _WITH_PORT(text) or _IPV6_WITH_PORT(text):
        return match[1].strip(), match[2]
    return text, ""


def canonical_port(text: str) -> str:
    """Return a port as a decimal number without leading zeros.

    Raises:
        UnusableValueError: It is not a number from 1 to 65535.
    """
    digits = text.lstrip("0")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > len(str(_PORT_MAX)):
        refuse(Reason.PORT)
    return digits if int(digits) <= _PORT_MAX else refuse(Reason.PORT)


def canonical_network(text: str) -> str | None:
    """Return a network in its one spelling, or its only address; None if it is no network.

    Raises:
        UnusableValueError: Host bits are set, or it is wider than /8 (IPv6: /16).
    """
    base, slash, prefix = text.partition("/")
    if not slash or not prefix or not set(prefix) <= set("0123456789."):
        return None
    try:
        interface = ipaddress.ip_interface(f"{base.strip('[]')}/{prefix}")
    except ValueError:
        return None
    if interface.ip != interface.network.network_address:
        refuse(Reason.HOST_BITS)
    network = _unmap(interface.network)
    if network.num_addresses == 1:
        return canonical_address(str(network.network_address))
    if network.prefixlen < _PREFIX_MIN[network.version]:
        refuse(Reason.WIDE)
    if network.is_loopback or str(network.network_address).startswith("0."):
        refuse(Reason.SPECIAL)
    return str(network)


def _unmap(
    network: ipaddress.IPv4Network | ipaddress.IPv6Network,
) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        last = int(network.network_address) & 0xFFFFFFFF
        return ipaddress.IPv4Network((last, network.prefixlen - _MAPPED_BITS))
    return network


def _ipv4(text: str) -> str:
    if is_clean_ipv4(text):
        return text
    if _OCTAL(text):
        refuse(Reason.OCTAL)
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        refuse(Reason.NOT_ADDRESS)
    return refuse(Reason.SPECIAL)
