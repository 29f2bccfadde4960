"""A capture of name lookups, web requests and TLS handshakes, a few of them with listed names."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bench.names import strange
from vedette.testing.capture import Capture, dns_answer, dns_query

_FIRST_PORT, _LAST_PORT = 20_000, 60_000
_LISTED_EVERY = 100  # 1 %
_PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 400\r\n\r\n" + b"x" * 400
_CIPHERS = bytes.fromhex("130113021303c02bc02fc02cc030cca9cca8")


class Traffic(NamedTuple):
    """A capture and what is in it."""

    path: Path
    packets: int
    listed: Counter[str]
    """Listed names by buffer."""


def generate(path: Path, listed: Sequence[str], known: Sequence[str], packets: int) -> Traffic:
    """Write about so many packets: two thirds of them DNS, one fifth HTTP, the rest TLS.

    Args:
        path: The pcap file.
        listed: Names that are to be found, 1 % of all.
        known: All names of all lists: the other 99 % are none of them.
        packets: About how many.
    """
    kinds = ["dns.query"] * (packets // 3) + ["http.host"] * (packets // 50)
    kinds += ["tls.sni"] * max(1, (packets - 2 * (packets // 3) - 10 * (packets // 50)) // 8)
    others = strange(len(kinds), known)
    capture = Capture()
    found: Counter[str] = Counter()
    for number, (kind, other) in enumerate(zip(kinds, others, strict=True)):
        name = other
        if number % _LISTED_EVERY == 0:
            name = listed[number // _LISTED_EVERY % len(listed)]
            found[kind] += 1
        if capture.next_port not in range(_FIRST_PORT, _LAST_PORT):
            capture.next_port = _FIRST_PORT
        _talk(capture, kind, name, f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}")
    return Traffic(capture.write(path), len(capture.packets), found)


def _talk(capture: Capture, kind: str, name: str, client: str) -> None:
    if kind == "dns.query":
        talk = capture.udp(dns_query(name), client=client)
        talk.reply(dns_answer(name, [(name, "192.0.2.1")]))
    elif kind == "http.host":
        request = f"GET /index.html HTTP/1.1\r\nHost: {name}\r\nUser-Agent: bench\r\n\r\n"
        capture.tcp(client=client).send(request.encode()).reply(_PAGE).close()
    else:
        capture.tcp(client=client, port=443).send(client_hello(name)).close()


def client_hello(name: str) -> bytes:
    """A ClientHello of TLS 1.2 with a server name."""
    host = name.encode()
    entry = struct.pack(">BH", 0, len(host)) + host
    names = struct.pack(">H", len(entry)) + entry
    extension = struct.pack(">HH", 0, len(names)) + names
    body = b"\x03\x03" + bytes(32) + b"\0" + struct.pack(">H", len(_CIPHERS)) + _CIPHERS
    body += b"\x01\x00" + struct.pack(">H", len(extension)) + extension
    handshake = b"\x01" + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x01" + struct.pack(">H", len(handshake)) + handshake
