"""Lists of indicators of which a store of bench.stores has met some, and most never."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa

from bench.eve_world import Numbers
from bench.stores import MIX, NAMES, Keys
from vedette.model import IndicatorType, Key
from vedette.pool.records import Place

_UNSEEN = 1 << 28
"""Numbers of keys from here on are in no store."""

_SEEN, _SEEN_DOMAINS = 0.01, 0.002
"""Share of the indicators that the network has met; each of such domains has dozens of names."""

_TYPES: Mapping[str, IndicatorType] = {
    "dns.query": IndicatorType.DOMAIN,
    "dns.response.rrname": IndicatorType.DOMAIN,
    "dns.response.ip": IndicatorType.IP_DST,
    "tls.sni": IndicatorType.HOSTNAME,
    "tls.cert_fingerprint": IndicatorType.CERT_SHA1,
    "http.host": IndicatorType.HOSTNAME,
    "http.url": IndicatorType.URL,
    "filemd5": IndicatorType.MD5,
    "filesha256": IndicatorType.SHA256,
    "ip.dst": IndicatorType.IP_DST,
}


@cache
def made() -> Keys:
    """Return the keys of all stores."""
    return Keys()


def mixed(keys: int, count: int) -> list[Key]:
    """Return indicators of seven types, as a large MISP has them."""
    numbers = _numbers(keys, count, _SEEN)
    fields = np.array(sorted(MIX))[made().fields(numbers)].tolist()
    values = made().values(numbers).to_pylist()
    return [Key(_TYPES[field], value) for field, value in zip(fields, values, strict=True)]


def exact(keys: int, count: int) -> list[Key]:
    """Return the same with host names for domains: all are compared as a whole."""
    return [
        Key(IndicatorType.HOSTNAME if kind is IndicatorType.DOMAIN else kind, value)
        for kind, value in mixed(keys, count)
    ]


def places(keys: int, count: int) -> pa.Table:
    """Return the same as the fields and values in which they were made."""
    numbers = _numbers(keys, count, _SEEN)
    fields = np.array(sorted(MIX))[made().fields(numbers)]
    return pa.table({"field": fields, "value": made().values(numbers)})


def domains(keys: int, count: int) -> list[Key]:
    """Return domains, of which some have names below them in the store."""
    numbers = _numbers(keys, count, _SEEN_DOMAINS)
    met = made().domains(numbers[numbers < _UNSEEN]).to_pylist()
    others = made().of(NAMES[0], numbers[numbers >= _UNSEEN]).to_pylist()
    return [Key(IndicatorType.DOMAIN, name) for name in dict.fromkeys([*met, *others])]


def networks(count: int) -> list[Key]:
    """Return networks of many sizes."""
    rng = np.random.default_rng(8)
    found: dict[str, None] = {}
    for first, second, prefix in zip(
        rng.integers(32, 220, count).tolist(),
        rng.integers(0, 65_536, count).tolist(),
        rng.choice([16, 20, 22, 24, 24, 24, 28], count).tolist(),
        strict=True,
    ):
        bits = (first << 24 | second << 8) & (0xFFFF_FFFF << (32 - prefix))
        octets = ".".join(str(bits >> shift & 255) for shift in (24, 16, 8, 0))
        found[f"{octets}/{prefix}"] = None
    return [Key(IndicatorType.IP_DST, network) for network in found]


def one_value(number: int) -> list[Place]:
    """Return where one name may have been seen: what ``sighting show`` asks."""
    one = np.array([number - number % 100])  # the first of a hundred keys is a name looked up
    value = str(made().values(one)[0])
    return [Place(field, value) for field in NAMES]


def write_unseen(path: Path, count: int) -> None:
    """Write indicators that nobody met as they would stand in EVE, one a line."""
    values = made().values(_UNSEEN + np.arange(count)).to_pylist()
    path.write_text("".join(f"{value}\n" for value in values))


def _numbers(keys: int, count: int, share: float) -> Numbers:
    """Keys to look for: some were seen, most were not, in no order."""
    rng = np.random.default_rng(7)
    seen = min(int(count * share), keys // 2)
    met = rng.choice(keys, seen, replace=False)
    found: Numbers = rng.permutation(np.concatenate([met, _UNSEEN + np.arange(count - seen)]))
    return found
