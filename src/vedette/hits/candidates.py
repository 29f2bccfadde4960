"""Which indicators an observed value may be: the keys to look up, the most specific first.

Hard rule: a candidate never matches more than the rule that alerted; what one dataset could not
compare (port, host with path) is compared here.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from vedette.errors import UnusableValueError
from vedette.eve.extract import Event, values, values_at
from vedette.hits.places import Place
from vedette.model import IndicatorType as T
from vedette.model import Key
from vedette.normalize import ancestors, normalize

_PORT = re.compile(r":\d+\Z")
_ABSOLUTE = re.compile(r"[a-z][a-z0-9+.-]*://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL).fullmatch
_ADDRESS = re.compile(r"[^<,\s]+@[^>,\s]+").search
_WIDEST = {4: 8, 6: 16}
"""Wider networks are refused as indicators."""


class Observed(NamedTuple):
    """One value as the network showed it, and what it may be."""

    text: str
    keys: tuple[Key, ...]
    """The first that is listed is the indicator."""


def observed(event: Event, place: Place) -> list[Observed]:
    """Return what the place shows in this event; nothing if EVE does not say."""
    found = _OBSERVERS.get(place.row.type, _texts)(event, place)
    return [item for item in found if item.keys]


def from_entry(place: Place, entry: str) -> Observed:
    """Return what a dataset's entry, as the context of an alert has it, stands for."""
    kind = place.row.type
    if kind in {T.DOMAIN, T.HOSTNAME}:
        return _name(entry.removeprefix("."))
    if kind in {T.IP_DST, T.IP_SRC}:
        return _address(kind, entry, "")
    return Observed(entry, tuple(_canonical(kind, entry)))


def _texts(event: Event, place: Place) -> Iterator[Observed]:
    kind = place.row.type
    for text in values(event, place.buffer):
        yield Observed(text, tuple(_canonical(kind, text)))


def _canonical(kind: T, text: str) -> Iterator[Key]:
    """Yield the value as it is and as it is spelt here."""
    try:
        key = normalize(kind, text)
    except UnusableValueError:
        yield Key(kind, text)
        return
    if key.type is kind:
        yield key
    if key.value != text:
        yield Key(kind, text)


def _names(event: Event, place: Place) -> Iterator[Observed]:
    seen: set[str] = set()
    for text in values(event, place.buffer):
        bare = _PORT.sub("", text) if place.buffer.name == "http.host" else text
        item = _name(bare)
        if item.text not in seen:
            seen.add(item.text)
            yield item


def _name(text: str) -> Observed:
    """Spell a name as the engine compares it; it may be one that no indicator could be.

    A hostname at or below a listed domain has no entry of its own, so every rule may mean both
    types; where the same name is listed as both, it is the domain that the engine holds.
    """
    name = text.lower().removesuffix(".")
    above = (Key(T.DOMAIN, parent) for parent in ancestors(name))
    return Observed(name, (Key(T.DOMAIN, name), Key(T.HOSTNAME, name), *above))


def _address_of(event: Event, place: Place) -> Iterator[Observed]:
    ends = event.ends
    address = ends.src_ip if place.buffer.name == "ip.src" else ends.dest_ip
    if address:
        yield _address(place.row.type, address, "", networks_only=place.network)


def _address_and_port(event: Event, place: Place) -> Iterator[Observed]:
    ends = event.ends
    by_source = place.buffer.name == "ip.src"
    address, port = (ends.src_ip, ends.src_port) if by_source else (ends.dest_ip, ends.dest_port)
    if address:
        yield _address(place.row.type, address, f",{port}", networks_only=place.network)


def _address(kind: T, text: str, suffix: str, *, networks_only: bool = False) -> Observed:
    """Return an address and the networks around it, the smallest first."""
    address = plain_address(text)
    spelt = str(address) if address else text
    keys = [] if networks_only else [Key(kind, spelt + suffix)]
    if address:
        number = int(address)
        for prefix in range(address.max_prefixlen - 1, _WIDEST[address.version] - 1, -1):
            free = address.max_prefixlen - prefix
            base = type(address)(number >> free << free)
            keys.append(Key(kind, f"{base}/{prefix}{suffix}"))
    return Observed(spelt + suffix, tuple(keys))


def plain_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Read an address as EVE spells it (IPv6 uncompressed); IPv4-mapped becomes IPv4."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or address
    return address


def _urls(event: Event, place: Place) -> Iterator[Observed]:
    if place.buffer.name == "email.url":
        for text in values(event, place.buffer):
            host, slash, path = text.partition("/")
            yield Observed(text, (Key(T.URL, host.lower() + slash + path),))
        return
    asked = _authority(event)
    for text in values_at(event, "http.url"):  # whichever of the two buffers alerted
        absolute = _ABSOLUTE(text)
        authority, path = absolute.groups() if absolute else (asked, text)
        if authority:
            yield _url(event, authority.lower(), path)


def _authority(event: Event) -> str:
    """Return the host that was asked for, with its port if the request named one."""
    http = event.http if isinstance(event.http, dict) else {}
    if isinstance(host := http.get("hostname"), str) and host:
        return f"{host}:{port}" if (port := http.get("http_port")) else host
    return next(values_at(event, "http.request_headers[:authority]"), "")


def _url(event: Event, authority: str, path: str) -> Observed:
    """Return host, port and path as one value: with the port first, which an indicator may have."""
    host = _PORT.sub("", authority)
    path = path if path.startswith("/") else f"/{path}"
    ports = dict.fromkeys([authority[len(host) + 1 :], str(event.ends.dest_port or "")])
    with_port = [Key(T.URL, f"{host}:{port}{path}") for port in ports if port]
    return Observed(authority + path, (*with_port, Key(T.URL, host + path)))


def _addresses_of_mail(event: Event, place: Place) -> Iterator[Observed]:
    kind = place.row.type
    for text in values(event, place.buffer):
        bare = match[0].lower() if (match := _ADDRESS(text)) else text.lower()
        yield Observed(bare, tuple(_canonical(kind, bare)))


def _certificates(event: Event, place: Place) -> Iterator[Observed]:
    digest = hashlib.sha256 if place.row.type is T.CERT_SHA256 else hashlib.md5
    for text in values(event, place.buffer):
        try:
            der = base64.b64decode(text, validate=True)
        except binascii.Error:
            continue
        value = digest(der, usedforsecurity=False).hexdigest()
        yield Observed(value, (Key(place.row.type, value),))


_OBSERVERS: Mapping[T, Callable[[Event, Place], Iterator[Observed]]] = MappingProxyType(
    {
        T.DOMAIN: _names,
        T.HOSTNAME: _names,
        T.IP_DST: _address_of,
        T.IP_SRC: _address_of,
        T.IP_DST_PORT: _address_and_port,
        T.IP_SRC_PORT: _address_and_port,
        T.URL: _urls,
        T.CERT_SHA256: _certificates,
        T.CERT_MD5: _certificates,
        T.EMAIL_SRC: _addresses_of_mail,
        T.EMAIL_DST: _addresses_of_mail,
    }
)
