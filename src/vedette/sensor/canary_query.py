"""One DNS query, sent from this machine: to its resolver, or as a packet on a wire.

A sensor that sits in the path sees what its own machine asks; one that listens to a mirror port
sees only what is on that wire, so the query is put there, between addresses of nobody (RFC 5737).
"""

from __future__ import annotations

import secrets
import socket
import struct
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from vedette.errors import SensorError

_PORT = 53
_NOBODY, _NO_RESOLVER = "192.0.2.1", "192.0.2.53"
_MAC_TO, _MAC_FROM = bytes.fromhex("020000000002"), bytes.fromhex("020000000001")
_IPV4 = 0x0800
_UDP = 17
_RESOLVERS = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))
_LABEL_MAX, _NAME_MAX = 63, 253


class Way(Struct, frozen=True, kw_only=True):
    """How a query leaves this machine."""

    resolver: str = ""
    """Address that is asked; ``""``: the one that this machine asks."""
    interface: str = ""
    """With a resolver: leave by it. Alone: put a packet on it, as for a mirror port."""
    source: str = ""
    """Address that it comes from; ``""``: as the system chooses."""


class Heard(NamedTuple):
    """What EVE had about the query."""

    alert_s: float
    """From the query to its alert; -1: none came."""
    was_logged: bool
    """Whether the query itself is in EVE: the engine saw it."""


def send_query(name: str, way: Way) -> tuple[int, str]:
    """Ask for the address of a name; the answer is not waited for.

    Returns:
        The UDP port that it came from, and where it went, for people.

    Raises:
        SensorError: It cannot be sent.
    """
    try:
        query = dns_query(name)
        if way.interface and not way.resolver:
            return _on_the_wire(query, way), f"onto {way.interface}"
        resolver = way.resolver or own_resolver()
        return _to_resolver(query, resolver, way), f"to {resolver}"
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SensorError(
            f"cannot send a DNS query {_spelt(way)}: {reason}",
            hint="Name a resolver that this machine reaches, or an interface; to put a packet on"
            " an interface, Vedette must run as root or have CAP_NET_RAW.",
        ) from error


def dns_query(name: str) -> bytes:
    """Return the payload of a query for an A record.

    Raises:
        ValueError: It is no name.
    """
    labels = [label.encode() for label in name.split(".")]
    if len(name) > _NAME_MAX or not all(0 < len(label) <= _LABEL_MAX for label in labels):
        raise ValueError(f"{name!r} is no name")
    header = struct.pack(">6H", secrets.randbelow(1 << 16), 0x0100, 1, 0, 0, 0)
    question = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    return header + question + struct.pack(">2H", 1, 1)


def own_resolver() -> str:
    """Return the address that this machine asks, the one behind a stub of its own if there is one.

    Raises:
        ValueError: None is configured.
    """
    found = [address for path in _RESOLVERS for address in _nameservers(path)]
    outside = [address for address in found if not ip_address(address).is_loopback]
    if not found:
        raise ValueError("this machine has no resolver in /etc/resolv.conf")
    return (outside or found)[0]


def _nameservers(path: Path) -> Iterator[str]:
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        words = line.split()
        if words[:1] == ["nameserver"] and len(words) > 1:
            yield words[1]


def _to_resolver(query: bytes, resolver: str, way: Way) -> int:
    six = ip_address(resolver).version == 6  # noqa: PLR2004
    with socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM) as udp:
        if way.interface:
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, way.interface.encode())
        if way.source:
            udp.bind((way.source, 0))
        udp.connect((resolver, _PORT))
        udp.send(query)
        return int(udp.getsockname()[1])


def _on_the_wire(query: bytes, way: Way) -> int:
    port = 49152 + secrets.randbelow(16384)
    source = ip_address(way.source or _NOBODY).packed
    target = ip_address(_NO_RESOLVER).packed
    if len(source) != len(target):
        raise ValueError("a packet on an interface comes from an IPv4 address")
    size = 8 + len(query)
    pseudo = source + target + struct.pack(">BBH", 0, _UDP, size)
    head = struct.pack(">3H", port, _PORT, size)
    summed = _checksum(pseudo + head + b"\0\0" + query) or 0xFFFF
    udp = head + struct.pack(">H", summed) + query
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + size, 1, 0, 64, _UDP, 0) + source + target
    ip = ip[:10] + struct.pack(">H", _checksum(ip)) + ip[12:]
    frame = _MAC_TO + _MAC_FROM + struct.pack(">H", _IPV4) + ip + udp
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind((way.interface, 0))
        wire.send(frame)
    return port


def _checksum(data: bytes) -> int:
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return int(~(total + (total >> 16)) & 0xFFFF)


def _spelt(way: Way) -> str:
    if way.interface and not way.resolver:
        return f"onto {way.interface}"
    return f"to {way.resolver or 'the resolver of this machine'}"
