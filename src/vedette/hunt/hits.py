"""What a hunt found as hits: one for each client, as far as it is known who they were."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from vedette.model import Hit, IndicatorType, Key
from vedette.pool.records import Found, Who

CLIENTS_MAX = 100
"""Of a value that more hosts have shown, there is one hit, of the first host, with all counted."""

Live = Callable[[str, datetime], str]
"""Takes a sensor and when it last saw the value; says whether a live alert would have caught it."""


def hits(found: Found, who: Iterable[Who], live: Live) -> list[Hit]:
    """Return the hits of one finding, the earliest first.

    Args:
        found: The indicator, and the value that the network showed.
        who: Between whom, within the retention; nothing if it is too long ago, or too many.
        live: The verdict on a sensor.
    """
    pairs = _by_client(who)
    if not pairs or found.hosts > CLIENTS_MAX:
        return [_hit(found, found.sensor, found.client, _all(found), live)]
    zero = (found.sensor, found.client)
    if zero in pairs:
        # The retention may have taken the first days of this client.
        _server, first, last, count = pairs[zero]
        pairs[zero] = (found.server, min(first, found.first_seen), last, count)
    else:
        rest = found.count - sum(count for _, _, _, count in pairs.values())
        pairs[zero] = (found.server, found.first_seen, found.first_seen, max(rest, 1))
    made = [_hit(found, sensor, client, pair, live) for (sensor, client), pair in pairs.items()]
    return sorted(made, key=lambda hit: (hit.first_seen, hit.sensor, hit.client))


def is_asked(found: Found) -> bool:
    """Whether it is worth asking who showed a value: they are known, and not too many."""
    return 0 < found.hosts <= CLIENTS_MAX


_Pair = tuple[str, datetime, datetime, int]
"""Server, first seen, last seen, count."""


def _by_client(who: Iterable[Who]) -> dict[tuple[str, str], _Pair]:
    """Return what is known by sensor and client; the server is the one of the earliest contact."""
    pairs: dict[tuple[str, str], _Pair] = {}
    for one in sorted(who, key=lambda row: (row.first_seen, row.client, row.server, row.sensor)):
        key = (one.sensor, one.client)
        server, first, last, count = pairs.get(key, (one.server, one.first_seen, one.last_seen, 0))
        pairs[key] = (server, first, max(last, one.last_seen), count + one.count)
    return pairs


def _all(found: Found) -> _Pair:
    return found.server, found.first_seen, found.last_seen, found.count


def _hit(found: Found, sensor: str, client: str, pair: _Pair, live: Live) -> Hit:
    server, first, last, count = pair
    return Hit(
        key=Key(IndicatorType(found.type), found.indicator),
        observed=found.observed,
        buffer=found.field,
        sensor=sensor,
        client=client,
        server=server,
        origin="retro",
        first_seen=first,
        last_seen=last,
        count=count,
        live=live(sensor, last),
        hosts=found.hosts,
    )
