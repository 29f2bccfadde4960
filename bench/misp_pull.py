"""The pull of a MISP over its API: wall time, CPU and memory by number of attributes.

The MISP is ``vedette.testing.fake_misp`` in a process of its own, on the same machine: its time is
in the wall time and not in the CPU time. What must not grow with the attributes is the memory.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.cost import BenchError, Cost, run
from bench.options import Options
from bench.report import Table
from bench.subject import Vedette

_PAGE = 20_000
_PEERS = {
    "fetch_only": "limit: the same pages, fetched and thrown away",
    "pymisp_pages": f"PyMISP search(), pages of {_PAGE:,}, type and value kept",
    "pymisp_once": "PyMISP search(pythonify=True) at once",
}


class _Server(NamedTuple):
    url: str
    key: str


def tables(options: Options) -> Iterable[Table]:
    """One table: Vedette by size, and the peers on the smallest size."""
    sizes = options.size((100_000, 500_000, 1_000_000, 2_000_000), (2_000, 4_000))
    rows: list[Sequence[object]] = []
    for attributes in sizes:
        with _serving(attributes) as server:
            place = options.scratch / str(attributes)
            rows += _ours(place, server, attributes)
            if attributes == sizes[0]:
                rows += [
                    _row(title, attributes, _peer(name, server, attributes))
                    for name, title in _PEERS.items()
                ]
    return [
        Table(
            "Attributes of a MISP server into the store",
            ("what", "attributes", "wall s", "CPU s", "peak RSS MiB", "attributes a second"),
            rows,
            (
                "1,000 attributes in an event (domains, urls, addresses, hashes), all different",
                "PyMISP only reads; Vedette also normalizes, compares and stores",
            ),
        )
    ]


def _ours(place: Path, server: _Server, attributes: int) -> list[Sequence[object]]:
    vedette = Vedette(place)
    key_file = place / "misp.key"
    key_file.write_text(server.key)
    key_file.chmod(0o600)
    vedette.run("source", "add", "misp", server.url, "--key-file", str(key_file), "--name", "misp")
    first = vedette.run("source", "pull", "--json")
    if f'"entries": {attributes}' not in first.output:
        raise BenchError(f"not all of {attributes:,} attributes came:\n{first.output[:600]}")
    again = vedette.run("source", "pull")
    return [
        _row("Vedette, first pull", attributes, first),
        (*_row("Vedette, again: nothing changed", attributes, again)[:-1], "-"),
    ]


def _peer(name: str, server: _Server, attributes: int) -> Cost:
    program = str(Path(__file__).with_name("misp_peers.py"))
    return run([sys.executable, program, name, *server, str(attributes), str(_PAGE)])


def _row(title: str, attributes: int, cost: Cost) -> Sequence[object]:
    rate = attributes / cost.wall_s
    return (
        title,
        f"{attributes:,}",
        f"{cost.wall_s:.2f}",
        f"{cost.cpu_s:.2f}",
        f"{cost.rss_mib:.0f}",
        f"{rate:,.0f}",
    )


@contextmanager
def _serving(attributes: int) -> Iterator[_Server]:
    command = [sys.executable, "-m", "vedette.testing.fake_misp", "--attributes", str(attributes)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            said = dict(server.stdout.readline().split(maxsplit=1) for _ in range(2))
            yield _Server(said["url"].strip(), said["key"].strip())
        finally:
            server.terminate()
