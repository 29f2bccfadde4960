"""The pull of a MISP over its API: rate and memory beside PyMISP, parsing alone, an idle cycle.

The MISP is ``vedette.testing.fake_misp`` in a process of its own, on the same machine, with pages
that it rendered before: its time is in the wall time and not in the CPU time.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.cost import BenchError, Cost, run
from bench.options import Options
from bench.relay import Relay
from bench.report import Table
from bench.subject import Vedette

_PAGE = 20_000
_OBJECTS = "pymisp_objects"
_PEERS = {
    "fetch_only": "limit: the same pages, fetched and thrown away",
    "vedette_items": "**Vedette's source**: indicators with context, not stored",
    "pymisp_pages": f"PyMISP search(), pages of {_PAGE:,}, type and value kept",
    _OBJECTS: f"PyMISP search(pythonify=True), pages of {_PAGE:,}, nothing kept",
}


class _Server(NamedTuple):
    url: str
    key: str


def tables(options: Options) -> Iterable[Table]:
    """Everybody on the same attributes, parsing alone, growth, and a cycle without changes."""
    most = options.size(1_000_000, 4_000)
    smallest, *others = options.size((100_000, 2_000_000), (2_000,))
    with _serving(most) as server:
        ours = _ours(options.scratch / "most", server, most)
        rates = [
            *((title, _peer(name, server, most)) for name, title in _PEERS.items()),
            ("**Vedette, first pull**: normalized, compared, stored", ours[0]),
        ]
        parsing = _parsing(server, most)
        growth = [(most, *ours)]
    for attributes in (smallest, *others):
        with _serving(attributes) as server:
            growth.append(
                (attributes, *_ours(options.scratch / str(attributes), server, attributes))
            )
            if attributes == smallest:
                rates.append(
                    (
                        f"PyMISP search(pythonify=True), all {smallest:,} at once and kept",
                        _peer("pymisp_once", server, smallest),
                    )
                )
    yield _of_rates(rates, most, smallest)
    yield parsing
    yield _of_growth(sorted(growth))
    yield _idle(options)


def _of_rates(rates: Sequence[tuple[str, Cost]], most: int, smallest: int) -> Table:
    slowest = next(cost for title, cost in rates if title == _PEERS[_OBJECTS])
    rows = []
    for title, cost in rates:
        count = smallest if "at once" in title else most
        rate = count / cost.wall_s
        rows.append(
            (
                title,
                f"{count:,}",
                f"{cost.wall_s:.2f}",
                f"{cost.cpu_s:.2f}",
                f"{cost.rss_mib:.0f}",
                f"{rate:,.0f}",
                f"{rate / (most / slowest.wall_s):.1f}x",
            )
        )
    columns = ("what", "attributes", "wall s", "CPU s", "peak RSS MiB", "a second", "of PyMISP")
    return Table(
        "Attributes of a MISP server",
        columns,
        rows,
        (
            "1,000 attributes in an event (domains, urls, addresses, hashes), all different",
            "target: at least 10 times the rate of PyMISP's objects, under 400 MB",
        ),
    )


def _parsing(server: _Server, count: int) -> Table:
    spent = json.loads(_peer("parse_only", server, count).output)
    titles = {
        "limit": "limit: msgspec into structs of the fields that are needed",
        "ours": "**Vedette's parser**",
        "json": "json.loads",
    }
    rows = [
        (title, f"{spent[name]:.2f}", f"{spent[name] / spent['limit']:.2f}x")
        for name, title in titles.items()
    ]
    return Table(
        f"Parsing {count:,} attributes, in pages of {_PAGE:,}",
        ("what", "s", "of the limit"),
        rows,
        ("target: within twice the limit",),
    )


def _of_growth(costs: Sequence[tuple[int, Cost, Cost]]) -> Table:
    rows = [
        (
            f"{count:,}",
            f"{first.wall_s:.2f}",
            f"{first.rss_mib:.0f}",
            f"{again.wall_s:.2f}",
            f"{again.rss_mib:.0f}",
        )
        for count, first, again in costs
    ]
    columns = ("attributes", "first pull s", "peak RSS MiB", "again, nothing changed s", "RSS MiB")
    return Table("What grows with the attributes", columns, rows)


def _idle(options: Options) -> Table:
    """A cycle in which nothing changed, by the number of events, and its bytes on the wire."""
    rows = []
    for events in options.size((1_000, 10_000), (10, 20)):
        with _serving(events * 5, per_event=5) as server, Relay(server.url) as relay:
            vedette = _subject(options.scratch / f"idle{events}", _Server(relay.url, server.key))
            vedette.run("source", "pull")
            before = relay.bytes
            again = vedette.run("source", "pull")
            sent = (relay.bytes - before) / 1e6
        rows.append((f"{events:,}", f"{again.wall_s:.2f}", f"{sent:.2f}", f"{again.rss_mib:.0f}"))
    columns = ("events", "wall s", "MB on the wire", "peak RSS MiB")
    note = "target at 10,000 events: under 1 s and under 5 MB"
    return Table("A cycle in which nothing changed", columns, rows, (note,))


def _subject(place: Path, server: _Server) -> Vedette:
    vedette = Vedette(place)
    key_file = place / "misp.key"
    key_file.write_text(server.key)
    key_file.chmod(0o600)
    vedette.run("source", "add", "misp", server.url, "--key-file", str(key_file), "--name", "misp")
    return vedette


def _ours(place: Path, server: _Server, attributes: int) -> tuple[Cost, Cost]:
    vedette = _subject(place, server)
    first = vedette.run("source", "pull", "--json")
    if f'"entries": {attributes}' not in first.output:
        raise BenchError(f"not all of {attributes:,} attributes came:\n{first.output[:600]}")
    return first, vedette.run("source", "pull")


def _peer(name: str, server: _Server, attributes: int) -> Cost:
    program = str(Path(__file__).with_name("misp_peers.py"))
    cost = run([sys.executable, program, name, *server, str(attributes), str(_PAGE)])
    if name in {"vedette_items", _OBJECTS, "pymisp_pages"} and int(cost.output) != attributes:
        raise BenchError(f"{name} found {cost.output.strip()} of {attributes:,} attributes")
    return cost


@contextmanager
def _serving(attributes: int, per_event: int = 1_000) -> Iterator[_Server]:
    sizes = ["--attributes", str(attributes), "--per-event", str(per_event), "--rendered"]
    command = [sys.executable, "-m", "vedette.testing.fake_misp", *sizes]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            said = dict(server.stdout.readline().split(maxsplit=1) for _ in range(2))
            yield _Server(said["url"].strip(), said["key"].strip())
        finally:
            server.terminate()
