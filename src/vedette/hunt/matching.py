"""Which indicators an observed value may be: the other direction of a hunt."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from vedette.fields import BY_NAME, Match
from vedette.model import Key
from vedette.normalize import ancestors

_WIDEST = {4: 8, 6: 16}
"""Wider networks are refused as indicators."""


def indicators_of(field: str, value: str) -> Iterator[Key]:
    """Yield every indicator that a hunt would find in this value of a field."""
    known = BY_NAME.get(field)
    for kind, match in known.hunted if known else ():
        if match is not Match.PATH:
            yield Key(kind, value)
        yield from (Key(kind, wider) for wider in _wider(match, value))


def _wider(match: Match, value: str) -> Iterator[str]:
    match match:
        case Match.EXACT:
            return
        case Match.SUBDOMAIN:
            yield from ancestors(value)
        case Match.NETWORK:
            yield from _networks(value)
        case Match.PATH:
            _host, slash, path = value.partition("/")
            if slash:
                yield slash + path


def _networks(value: str) -> Iterator[str]:
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return  # a field of names has addresses, too
    number = int(address)
    for prefix in range(address.max_prefixlen - 1, _WIDEST[address.version] - 1, -1):
        free = address.max_prefixlen - prefix
        yield f"{type(address)(number >> free << free)}/{prefix}"
