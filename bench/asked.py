"""A pool in a process of its own: filled, or asked. ``asked.py fill|ask STATE ...``; prints JSON.

The engine takes one directory for each process, and memory is only told apart by process.
"""

from __future__ import annotations

import argparse
import json
import logging
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import structlog

from bench.eve import START_S
from bench.eve_world import Numbers
from bench.stores import MIX, NAMES, Keys, Rows, batches
from vedette.config import Settings
from vedette.model import IndicatorType, Key
from vedette.pool import hunting, questions
from vedette.pool.keeping import sizes
from vedette.pool.records import Place
from vedette.pool.store import Pool

UNSEEN = 1 << 28
"""Numbers of keys from here on are in no store."""

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
_SEEN = 0.05
"""Share of the indicators that the network has met."""


def fill(state: Path, rows: Rows) -> dict[str, float]:
    """Commit batches, and wait until the engine has merged what it wants to merge."""
    with Pool.open(Settings(home=str(state))) as pool:
        spent = events = 0.0
        for number, folded in enumerate(batches(rows)):
            began = time.perf_counter()
            pool.commit(folded, sensor="bench", token=f"fill:{number}")
            spent += time.perf_counter() - began
            events += folded.counts["events"]
        _settle(pool)
        found: dict[str, float] = {"commit_s": spent, "events": events, "keys": pool.known}
        for size in sizes(pool.backend):
            found[f"{size.table}.rows"] = size.rows
            found[f"{size.table}.bytes"] = size.bytes
    return found | {"rss_mib": _rss_mib()}


def _settle(pool: Pool) -> None:
    """Wait until no merge runs any more."""
    calm = 0
    while calm < 10:
        merging = pool.backend.query("SELECT count() AS n FROM system.merges")["n"][0].as_py()
        calm = 0 if merging else calm + 1
        time.sleep(0.2)


def ask(state: Path, keys: int, *, indicators: int, repeat: int) -> dict[str, Any]:
    """Ask everything, each question some times; milliseconds, and how much was answered."""
    began = time.perf_counter()
    with Pool.open(Settings(home=str(state))) as pool:
        opened_ms = (time.perf_counter() - began) * 1000
        found: dict[str, Any] = {
            "open": {"ms": [opened_ms], "answers": pool.known, "rss_mib": _rss_mib()}
        }
        for name, question in _questions(pool, keys, indicators):
            times: list[float] = []
            answers = 0
            for _ in range(repeat):
                began = time.perf_counter()
                answers = question()
                times.append((time.perf_counter() - began) * 1000)
            found[name] = {"ms": times, "answers": answers, "rss_mib": _rss_mib()}
    return found


def _questions(pool: Pool, keys: int, indicators: int) -> Iterator[tuple[str, Callable[[], int]]]:
    backend, made = pool.backend, Keys()
    listed = _listed(made, keys, indicators)
    exact = [Key(_exact(kind), value) for kind, value in listed]
    below = _domains(made, keys, indicators)
    networks = _networks(indicators // 100)
    since = datetime.fromtimestamp(START_S, UTC).date() + timedelta(days=30)

    def hunt(wanted: list[Key]) -> Callable[[], int]:
        return lambda: sum(1 for _ in hunting.found(backend, wanted))

    yield "hunt exact", hunt(exact)
    yield "hunt subdomains", hunt(below)
    yield "hunt mixed", hunt(listed)
    yield "hunt networks", hunt(networks)
    yield "hunt 1,000", hunt(listed[:: max(1, len(listed) // 1000)])
    yield "prevalence", lambda: _prevalent(pool, listed, since)
    for name, number in (("popular", 0), ("rare", keys * 3 // 4)):
        places = _places(made, number)
        yield f"one value, {name}", lambda places=places: len(questions.seen(backend, places))
        yield f"who, {name}", lambda places=places: len(questions.who(backend, places))
        yield f"days, {name}", lambda places=places: len(questions.days(backend, places))


def _prevalent(pool: Pool, wanted: list[Key], since: date) -> int:
    return sum(1 for one in hunting.prevalence(pool.backend, wanted, since=since) if one.hosts)


def _numbers(keys: int, count: int) -> Numbers:
    """Keys to look for: some were seen, most were not, in no order."""
    rng = np.random.default_rng(7)
    seen = min(int(count * _SEEN), keys // 2)
    met = rng.choice(keys, seen, replace=False)
    found: Numbers = rng.permutation(np.concatenate([met, UNSEEN + np.arange(count - seen)]))
    return found


def _listed(made: Keys, keys: int, count: int) -> list[Key]:
    """Indicators of all types, as a large MISP has them."""
    numbers = _numbers(keys, count)
    fields = np.array(sorted(MIX))[made.fields(numbers)].tolist()
    values = made.values(numbers).to_pylist()
    return [Key(_TYPES[field], value) for field, value in zip(fields, values, strict=True)]


def _exact(kind: IndicatorType) -> IndicatorType:
    """The type that is compared as a whole: a host name instead of a domain."""
    return IndicatorType.HOSTNAME if kind is IndicatorType.DOMAIN else kind


def _domains(made: Keys, keys: int, count: int) -> list[Key]:
    """Domains, of which some have names below them in the store."""
    numbers = _numbers(keys, count)
    met = made.domains(numbers[numbers < UNSEEN]).to_pylist()
    others = made.of(NAMES[0], numbers[numbers >= UNSEEN]).to_pylist()
    return [Key(IndicatorType.DOMAIN, name) for name in dict.fromkeys([*met, *others])]


def _networks(count: int) -> list[Key]:
    """Networks of many sizes, most of them of addresses that nobody met."""
    rng = np.random.default_rng(8)
    found = {}
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


def _places(made: Keys, number: int) -> list[Place]:
    """Where one value may have been seen: what `sighting show` asks."""
    one = np.array([number - number % 100])  # the first of a hundred is a name that was looked up
    value = str(made.values(one)[0])
    return [Place(field, value) for field in NAMES]


def _rss_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.asked")
    parser.add_argument("what", choices=("fill", "ask"))
    parser.add_argument("state", type=Path)
    parser.add_argument("keys", type=int)
    parser.add_argument("--observations", type=int, default=0)
    parser.add_argument("--batches", type=int, default=10)
    parser.add_argument("--indicators", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    given = parser.parse_args()
    quiet = structlog.make_filtering_bound_logger(logging.WARNING)
    structlog.configure(wrapper_class=quiet)
    if given.what == "fill":
        rows = Rows(keys=given.keys, observations=given.observations, batches=given.batches)
        found: Mapping[str, Any] = fill(given.state, rows)
    else:
        found = ask(given.state, given.keys, indicators=given.indicators, repeat=given.repeat)
    json.dump(found, sys.stdout)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
