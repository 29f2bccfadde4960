"""What an indicator is about on the network: a name, an address, a network; pure."""

from __future__ import annotations

import ipaddress

from vedette.model import IndicatorType, Key
from vedette.normalize import split_url

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

NAMES = frozenset({IndicatorType.DOMAIN, IndicatorType.HOSTNAME})
ADDRESSES = frozenset(
    {
        IndicatorType.IP_DST,
        IndicatorType.IP_SRC,
        IndicatorType.IP_DST_PORT,
        IndicatorType.IP_SRC_PORT,
    }
)
_MAILBOXES = frozenset({IndicatorType.EMAIL_SRC, IndicatorType.EMAIL_DST})
HOSTED = frozenset({*NAMES, *ADDRESSES, *_MAILBOXES, IndicatorType.URL})
"""The types that are about a host."""


def host_of(key: Key) -> str:
    """The name, address or network of an indicator, of a mailbox its domain; ``""``: none."""
    if key.type in NAMES:
        return key.value
    if key.type in ADDRESSES:
        return key.value.partition(",")[0]
    if key.type is IndicatorType.URL:
        return split_url(key.value).host.strip("[]")
    return key.value.rpartition("@")[2] if key.type in _MAILBOXES else ""


def network_of(text: str) -> Network | None:
    """An address (as a network of one) or a network; None if it is neither."""
    if text[-1:].isalpha() and ":" not in text:
        return None  # a name: quicker than letting the parser fail
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        return None
