"""Who is the client of an event, and who the server.

The client is the end that asked. Most events say it by their source; where an engine writes the
packet's direction instead (answers, file transfers), ports and our own networks decide.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from vedette.observe.events import DnsEvent, Event, FileEvent

_DNS, _KERBEROS, _QUIC = frozenset({53}), frozenset({88}), frozenset({443})
_ASKED = frozenset({"response", "answer"})
SERVED = {
    "http": frozenset({80, 8080, 8000, 3128}),
    "http2": frozenset({80, 443, 8080}),
    "doh2": frozenset({443}),
    "smb": frozenset({139, 445}),
    "smtp": frozenset({25, 465, 587, 2525}),
    "ftp-data": frozenset({20}),  # the client of a file is that of the FTP session
    "nfs": frozenset({2049}),
}
"""Server ports by ``app_proto`` of a file."""
_NONE: frozenset[int] = frozenset()
PRIVILEGED = 1024
"""The first port that any program may serve."""
EPHEMERAL = 32_768
"""The first port that clients get on Linux; Windows and BSD begin higher."""
_RECEIVED = "RETR"
_SENT = frozenset({"STOR", "STOU", "APPE"})


class Home:
    """Our own networks."""

    def __init__(self, networks: Iterable[str]) -> None:
        """Take networks in CIDR notation.

        Raises:
            ValueError: One of them is none.
        """
        self._networks = [ipaddress.ip_network(network) for network in networks]
        self.has = lru_cache(maxsize=4096)(self._has)
        """Whether an address, in any spelling, is in one of them."""

    def _has(self, text: str) -> bool:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address):
            address = address.ipv4_mapped or address
        return any(address in network for network in self._networks)


def _never(_event: Event, _home: Home) -> bool:
    return False


def _answered(event: DnsEvent, _home: Home) -> bool:
    """Version 2 (5 to 7) has the client as the source of answers; 1 and 3 have the server.

    DNS over HTTPS (version 3 too) has the client. Where ports do not tell, only version 3 turns.
    """
    if event.dns is None or event.dns.type not in _ASKED:
        return False
    by_ports = _by_ports(event, _DNS)
    return event.dns.type == "response" if by_ports is None else by_ports


def _from_kerberos(event: Event, _home: Home) -> bool:
    return bool(_by_ports(event, _KERBEROS))


def _from_quic(event: Event, _home: Home) -> bool:
    return bool(_by_ports(event, _QUIC))


def _sent_by_server(event: FileEvent, home: Home) -> bool:
    """Whether a file went from server to client: its source is who sent it."""
    command = event.ftp_data.command if event.ftp_data else ""
    if command == _RECEIVED or command in _SENT:
        return command == _RECEIVED
    by_ports = _by_ports(event, SERVED.get(event.app_proto, _NONE), _named(event))
    if by_ports is not None:
        return by_ports
    from_home, to_home = home.has(event.src_ip), home.has(event.dest_ip)
    # Of two unknown ends: files are fetched more often than they are sent.
    return to_home or not from_home


def _named(event: FileEvent) -> frozenset[int]:
    """Return the port that the request itself names."""
    return frozenset({event.http.http_port}) if event.http and event.http.http_port else _NONE


def _by_ports(event: Event, *served: frozenset[int]) -> bool | None:
    """Whether the source port is the server's; None if the ports cannot tell."""
    src, dest = event.src_port, event.dest_port
    if not src or not dest:
        return None
    for ports in served:
        if (src in ports) != (dest in ports):
            return src in ports
    for limit in (PRIVILEGED, EPHEMERAL):
        if (src < limit) != (dest < limit):
            return src < limit
    return None


TURNED: Mapping[str, Callable[[Any, Home], bool]] = MappingProxyType(
    {
        "dns": _answered,
        "fileinfo": _sent_by_server,
        "krb5": _from_kerberos,
        "quic": _from_quic,
    }
)
"""By event type, whether the source of an event is the server; in all other types it never is."""


def is_turned(event: Event, home: Home) -> bool:
    """Whether the source of an event is the server."""
    return TURNED.get(event.event_type, _never)(event, home)
