"""Names and addresses, each moved to the type that it really has.

Feeds mix them: addresses in domain lists, ports behind both, whole URLs. The value decides, and the
configured type says the rest: which direction an address has, whether a name covers those below it.
"""

from __future__ import annotations

from vedette.model import IndicatorType as T
from vedette.model import Key
from vedette.normalize.addresses import (
    canonical_address,
    canonical_network,
    canonical_port,
    is_clean_ipv4,
    is_clean_ipv4_port,
    split_port,
)
from vedette.normalize.defang import refang
from vedette.normalize.names import canonical_name
from vedette.normalize.reasons import Reason, refuse
from vedette.normalize.urls import url

_SOURCES = {T.IP_DST: T.IP_SRC, T.IP_DST_PORT: T.IP_SRC_PORT}


def name(kind: T, text: str) -> Key:
    """Return the key of a value from a list of names.

    ``*.d`` and ``.d`` are the domain ``d``; a port is dropped; an address is ``ip-dst``; with a
    path it is a URL.

    Raises:
        UnusableValueError: It is nothing that a sensor can see.
    """
    text = refang(text)
    if not text:
        refuse(Reason.EMPTY)
    if "/" in text or "\\" in text:
        if (network := canonical_network(text)) is not None:
            return Key(T.IP_DST, network)
        key = url(text)
        return Key(kind, key.value) if key.type is T.HOSTNAME else key
    if "@" in text:
        refuse(Reason.EMAIL_AS_NAME)
    host, port = split_port(text)
    for prefix in ("*.", "."):
        if host.startswith(prefix):
            return Key(T.DOMAIN, canonical_name(host.removeprefix(prefix)))
    if (address := canonical_address(text)) is not None:
        return Key(T.IP_DST, address)
    if (address := canonical_address(host)) is not None:
        return Key(T.IP_DST_PORT, f"{address},{canonical_port(port)}")
    if port and ":" in text:
        canonical_port(port)
        text = host
    return Key(kind, canonical_name(text))


def address(kind: T, text: str) -> Key:
    """Return the key of a value from a list of addresses, with or without port.

    Raises:
        UnusableValueError: It is no address, network or ``address,port``, or of no host.
    """
    if is_clean_ipv4(text):
        return Key(_without_port(kind), text)
    if match := is_clean_ipv4_port(text):
        return Key(_with_port(kind), f"{match[1]},{match[2]}")
    text = refang(text)
    if not text:
        refuse(Reason.EMPTY)
    if "://" in text:
        return _directed(kind, url(text))
    if (network := canonical_network(text)) is not None:
        return Key(_without_port(kind), network)
    if (plain := canonical_address(text)) is not None:
        return Key(_without_port(kind), plain)
    host, port = split_port(text)
    if not port or (plain := canonical_address(host)) is None:
        refuse(Reason.NOT_ADDRESS)
    return Key(_with_port(kind), f"{plain},{canonical_port(port)}")


def _directed(kind: T, key: Key) -> Key:
    if kind in {T.IP_SRC, T.IP_SRC_PORT}:
        return Key(_SOURCES.get(key.type, key.type), key.value)
    return key


def _without_port(kind: T) -> T:
    return T.IP_SRC if kind in {T.IP_SRC, T.IP_SRC_PORT} else T.IP_DST


def _with_port(kind: T) -> T:
    return T.IP_SRC_PORT if kind in {T.IP_SRC, T.IP_SRC_PORT} else T.IP_DST_PORT
