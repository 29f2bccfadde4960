"""What alerts on a value although the value itself is withheld: a published name or network above.

A sensor has no exceptions: a domain matches all names below it, a network all addresses within it.
Whoever takes something off the sensors is told what else has to go.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from vedette.model import IndicatorType, Key, Ruling, RulingKind
from vedette.normalize import ancestors
from vedette.pipeline.hub import Hub
from vedette.store.ruled import is_name, network_of

_NAMES = (IndicatorType.DOMAIN, IndicatorType.HOSTNAME)
_ADDRESSES = (IndicatorType.IP_DST, IndicatorType.IP_SRC)


def above(key: Key) -> Iterator[Key]:
    """Yield the indicators that would match whatever this one matches, the nearest first."""
    if key.type in _NAMES:
        if key.type is IndicatorType.HOSTNAME:
            yield Key(IndicatorType.DOMAIN, key.value)
        for name in ancestors(key.value):
            yield Key(IndicatorType.DOMAIN, name)
    elif key.type in _ADDRESSES:
        network = ipaddress.ip_network(key.value)
        for length in range(network.prefixlen - 1, 0, -1):
            yield Key(key.type, str(network.supernet(new_prefix=length)))


def covering(hub: Hub, key: Key) -> Key | None:
    """What is published and alerts on an indicator as well, the nearest; None: nothing does."""
    keys = list(above(key))
    published = hub.store.published.listed(keys)
    return next((one for one in keys if one in published), None)


def still_alerting(hub: Hub, ruling: Ruling) -> Iterator[Key]:
    """Yield what goes on alerting on the value of a ruling that takes it off the sensors.

    That is what is published above it, and what no such ruling is about itself.
    """
    for key in _meant(ruling):
        keys = list(above(key))
        published = hub.store.published.listed(keys)
        rulings = hub.store.rulings.applying_to(published)
        for one in keys:
            kinds = {found.kind for found in rulings.get(one, ())}
            if one in published and not kinds & {RulingKind.ALLOW, RulingKind.HOLD}:
                yield one
                break


def _meant(ruling: Ruling) -> list[Key]:
    if ruling.type:
        return [Key(IndicatorType(ruling.type), ruling.value)]
    if network_of(ruling.value) is not None:
        return [Key(kind, ruling.value) for kind in _ADDRESSES]
    return [Key(IndicatorType.DOMAIN, ruling.value)] if is_name(ruling.value) else []
