"""Write small captures: DNS, TCP conversations with handshake and end, IPv4 and IPv6.

Only what tests and the demonstration need; checksums are zero (read it with ``-k none``).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, ip_address
from pathlib import Path

_ETHERNET = bytes.fromhex("0200000000020200000000010800")
_ETHERNET_V6 = bytes.fromhex("02000000000202000000000186dd")
_MAX_SEGMENT = 1400
_SYN, _ACK, _PUSH_ACK, _FIN_ACK = 0x02, 0x10, 0x18, 0x11


def dns_query(name: str, *, number: int = 1) -> bytes:
    """Return the payload of a query for an A record, spelt exactly as given."""
    return struct.pack(">6H", number, 0x0100, 1, 0, 0, 0) + _question(name)


def dns_answer(name: str, answers: Iterable[tuple[str, str]], *, number: int = 1) -> bytes:
    """Return the payload of an answer; a record is (owner, address or name it points to)."""
    records = [_record(owner, data) for owner, data in answers]
    header = struct.pack(">6H", number, 0x8180, 1, len(records), 0, 0)
    return header + _question(name) + b"".join(records)


def _name(name: str) -> bytes:
    labels = [label.encode() for label in name.split(".")]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def _question(name: str) -> bytes:
    return _name(name) + struct.pack(">2H", 1, 1)


def _record(owner: str, data: str) -> bytes:
    try:
        kind, payload = 1, IPv4Address(data).packed
    except ValueError:
        kind, payload = 5, _name(data)
    return _name(owner) + struct.pack(">2HIH", kind, 1, 300, len(payload)) + payload


@dataclass
class Capture:
    """Packets in order, one millisecond apart."""

    packets: list[bytes] = field(default_factory=list)
    next_port: int = 40000

    def udp(
        self, payload: bytes, *, client: str = "10.0.0.5", server: str = "10.0.0.53", port: int = 53
    ) -> Datagrams:
        """Send a datagram and return the conversation, to reply."""
        talk = Datagrams(self, client, server, self._port(), port)
        talk.send(payload)
        return talk

    def tcp(self, *, client: str = "10.0.0.5", server: str = "192.0.2.80", port: int = 80) -> Tcp:
        """Shake hands and return the connection."""
        return Tcp(self, client, server, self._port(), port)

    def add(self, source: str, target: str, protocol: int, payload: bytes) -> None:
        """Append one packet."""
        one, two = ip_address(source), ip_address(target)
        if isinstance(one, IPv4Address):
            header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, 0)
            self.packets.append(_ETHERNET + header + one.packed + two.packed + payload)
        else:
            header = struct.pack(">IHBB", 6 << 28, len(payload), protocol, 64)
            self.packets.append(_ETHERNET_V6 + header + one.packed + two.packed + payload)

    def write(self, path: Path) -> Path:
        """Write it as a pcap file and return the path."""
        chunks = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)]
        for number, packet in enumerate(self.packets):
            second, milli = divmod(number, 1000)
            size = len(packet)
            chunks += [struct.pack("<4I", 1_700_000_000 + second, milli * 1000, size, size), packet]
        path.write_bytes(b"".join(chunks))
        return path

    def _port(self) -> int:
        self.next_port += 1
        return self.next_port


@dataclass
class Datagrams:
    """A UDP conversation."""

    capture: Capture
    client: str
    server: str
    client_port: int
    server_port: int

    def send(self, payload: bytes) -> None:
        """One datagram to the server."""
        head = struct.pack(">4H", self.client_port, self.server_port, 8 + len(payload), 0)
        self.capture.add(self.client, self.server, 17, head + payload)

    def reply(self, payload: bytes) -> None:
        """One datagram to the client."""
        head = struct.pack(">4H", self.server_port, self.client_port, 8 + len(payload), 0)
        self.capture.add(self.server, self.client, 17, head + payload)


class Tcp:
    """A TCP connection, each segment acknowledged."""

    def __init__(
        self, capture: Capture, client: str, server: str, client_port: int, server_port: int
    ) -> None:
        """Shake hands."""
        self._capture = capture
        self._ends = ((client, client_port), (server, server_port))
        self._sent = [1000, 5000]
        self._segment(0, _SYN)
        self._segment(1, _SYN | _ACK)
        self._segment(0, _ACK)

    def send(self, data: bytes) -> Tcp:
        """Bytes from the client."""
        return self._talk(0, data)

    def reply(self, data: bytes) -> Tcp:
        """Bytes from the server."""
        return self._talk(1, data)

    def close(self) -> None:
        """End it, the client first."""
        self._segment(0, _FIN_ACK)
        self._segment(1, _FIN_ACK)
        self._segment(0, _ACK)

    def _talk(self, who: int, data: bytes) -> Tcp:
        for start in range(0, len(data), _MAX_SEGMENT):
            self._segment(who, _PUSH_ACK, data[start : start + _MAX_SEGMENT])
            self._segment(1 - who, _ACK)
        return self

    def _segment(self, who: int, flags: int, data: bytes = b"") -> None:
        (source, source_port), (target, target_port) = self._ends[who], self._ends[1 - who]
        acknowledged = self._sent[1 - who] if flags & _ACK else 0
        head = struct.pack(
            ">HHIIBBHHH",
            source_port,
            target_port,
            self._sent[who],
            acknowledged,
            0x50,
            flags,
            0xFFFF,
            0,
            0,
        )
        self._capture.add(source, target, 6, head + data)
        self._sent[who] += len(data) + (1 if flags & (_SYN | 0x01) else 0)
