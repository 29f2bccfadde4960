"""One way to ask warning lists: ``python -m bench.warninglist_ways WAY LISTS SCRATCH ASKED``.

Prints JSON: seconds to start, memory that it took, microseconds a value, shares that are on a list.
"""

from __future__ import annotations

import ipaddress
import json
import logging
import random
import sys
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import structlog

from bench.names import listed, shared_data
from bench.pools import rss_mib
from vedette.config import GuardSettings, Settings
from vedette.guard.lists_model import WarningList
from vedette.model import IndicatorType as T
from vedette.model import Key
from vedette.pipeline.warninglists import list_files, open_index, read_lists

_BATCH = 50_000

Ask = Callable[[Sequence[Any]], int]
"""How many of the values are on a list."""


class Way(NamedTuple):
    """How names and addresses are asked, and how many lists and members there are."""

    names: Ask
    addresses: Ask
    lists: int = 0
    entries: int = 0


def ours(lists: Path, state: Path) -> Way:
    settings = Settings(home=str(state), state=".", guard=GuardSettings(warning_lists=str(lists)))
    index = open_index(settings)

    def ask(keys: Sequence[Key]) -> int:
        return sum(map(bool, index.match_many(keys)))

    entries = sum(info.entries for info in index.lists)
    return Way(ask, ask, len(index.lists), entries)


def made(lists: Path, state: Path) -> Way:
    (state / "warninglists.table").unlink(missing_ok=True)
    return ours(lists, state)


def dictionary(lists: Path, _state: Path) -> Way:
    """A name -> the lists that have it; of networks only whether one is around an address."""
    names: dict[str, int] = {}
    intervals: list[tuple[int, int]] = []
    above = 0
    for number, one in enumerate(read_lists(list_files(lists), {})):
        above |= (one.kind == "hostname") << number
        if one.kind in {"string", "hostname"}:
            for member in one.members:
                name = member.lower().strip(".")
                names[name] = names.get(name, 0) | 1 << number
        elif one.kind == "cidr":
            intervals += _intervals(one)
    firsts, lasts = _joined(intervals)

    def ask_names(values: Sequence[str]) -> int:
        found = 0
        for value in values:
            lists_of = names.get(value, 0)
            at = value.find(".") + 1
            while at:
                lists_of |= names.get(value[at:], 0) & above
                at = value.find(".", at) + 1
            found += bool(lists_of)
        return found

    def ask_addresses(values: Sequence[str]) -> int:
        found = 0
        for value in values:
            a, b, c, d = value.split(".")
            address = int(a) << 24 | int(b) << 16 | int(c) << 8 | int(d)
            at = bisect_right(firsts, address) - 1
            found += at >= 0 and lasts[at] >= address
        return found

    return Way(ask_names, ask_addresses)


def _intervals(one: WarningList) -> Iterator[tuple[int, int]]:
    for member in one.members:
        network = ipaddress.ip_network(member, strict=False)
        if network.version == 4:
            yield int(network[0]), int(network[-1])


def _joined(intervals: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    firsts: list[int] = []
    lasts: list[int] = []
    for first, last in sorted(intervals):
        if lasts and first <= lasts[-1]:
            lasts[-1] = max(lasts[-1], last)
        else:
            firsts.append(first)
            lasts.append(last)
    return firsts, lasts


def library(lists: Path, _state: Path) -> Way:
    return _library(lists, slow=False)


def slow(lists: Path, _state: Path) -> Way:
    return _library(lists, slow=True)


def _library(lists: Path, *, slow: bool) -> Way:
    from pymispwarninglists import WarningLists  # noqa: PLC0415 - only this way pays for it

    documents = [json.loads(path.read_bytes()) for path in list_files(lists).values()]
    loaded = WarningLists(slow_search=slow, lists=documents)
    del documents

    def ask(values: Sequence[str]) -> int:
        return sum(bool(loaded.search(value)) for value in values)

    return Way(ask, ask)


WAYS: dict[str, Callable[[Path, Path], Way]] = {
    "made": made,
    "ours": ours,
    "dict": dictionary,
    "library": library,
    "slow": slow,
}


def _addresses(count: int) -> list[str]:
    """Published addresses, then random ones of unicast space."""
    rng = random.Random(20_260)
    found: list[str] = []
    data = shared_data()
    if data is not None:
        lines = (data / "lists/ipsum.txt").read_text().splitlines()
        found = [line.split("\t")[0] for line in lines if not line.startswith("#")]
        rng.shuffle(found)
    while len(found) < count:
        found.append(".".join(str(rng.randrange(1, 224)) for _ in range(4)))
    return found[:count]


def _ask(ask: Ask, values: Sequence[object]) -> tuple[float, float]:
    """Return microseconds of CPU a value, and the share that is on a list."""
    rest, found, spent = iter(values), 0, 0.0
    while batch := list(islice(rest, _BATCH)):
        began = time.process_time()
        found += ask(batch)
        spent += time.process_time() - began
    return spent / len(values) * 1e6, found / len(values)


def _now_mib() -> float:
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * 4096 / 2**20


def main() -> int:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    name, lists, scratch, count = (
        sys.argv[1],
        Path(sys.argv[2]),
        Path(sys.argv[3]),
        int(sys.argv[4]),
    )
    names: Sequence[object] = listed(count)
    addresses: Sequence[object] = _addresses(min(count, 500_000))
    if name == "ours":
        names = [Key(T.DOMAIN, str(value)) for value in names]
        addresses = [Key(T.IP_DST, str(value)) for value in addresses]
    before = _now_mib()
    began = time.perf_counter()
    way = WAYS[name](lists, scratch)
    found: dict[str, Any] = {"start_s": time.perf_counter() - began}
    found |= {"lists": way.lists, "entries": way.entries, "addresses": len(addresses)}
    found |= dict.fromkeys(("name_us", "names_on", "address_us", "addresses_on"), 0.0)
    if name == "made":
        found["mib"] = rss_mib() - before
    else:
        found["name_us"], found["names_on"] = _ask(way.names, names)
        found["address_us"], found["addresses_on"] = _ask(way.addresses, addresses)
        found["mib"] = _now_mib() - before
    json.dump(found, sys.stdout)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
