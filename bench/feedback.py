"""Hits that become MISP sightings: what noting costs, how fast they leave, that each arrives once.

The MISP is ``vedette.testing.fake_misp`` in this process; what sends is a process of its own.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pymisp import MISPSighting, PyMISP

from bench.cost import BenchError, run
from bench.options import Options
from bench.report import Table
from vedette.config import load
from vedette.pipeline.hub import Hub
from vedette.testing.fake_misp import FakeMisp
from vedette.testing.told import listed, met, write_settings

_EVENTS = 100
_SENDER = """
import sys
from pathlib import Path
from vedette.config import load
from vedette.pipeline.feeding_back import feed_back
from vedette.pipeline.hub import Hub
with Hub(load(Path(sys.argv[1]))) as hub:
    feed_back(hub, anyway=True)
"""
_FEEDBACK = '[feedback]\nsources = ["misp"]\nmax_per_day = 1_000_000\n'


def tables(options: Options) -> Iterable[Table]:
    """Noting beside recording alone; sending beside PyMISP; kills and an outage."""
    count = options.size(10_000, 300)
    yield _noting(options, count)
    yield _sending(options, count)


def _noting(options: Options, count: int) -> Table:
    rows = []
    titles = {
        "[feedback]\nsources = []\n": "hits recorded, nobody is told",
        _FEEDBACK: "**hits recorded, sightings noted**",
        f'{_FEEDBACK}[notify]\ntargets_file = "x"\n': "**and news for people**",
    }
    for number, (settings, title) in enumerate(titles.items()):
        with FakeMisp() as misp:
            home = options.scratch / f"noting{number}"
            spent, _ = _recorded(home, misp, settings, count)
        rows.append((title, f"{spent:.2f}", f"{count / spent:,.0f}"))
    return Table(f"{count:,} hits, in one transaction", ("what", "s", "a second"), rows)


def _sending(options: Options, count: int) -> Table:
    with FakeMisp() as misp:
        _, home = _recorded(options.scratch / "sent", misp, _FEEDBACK, count)
        ours = run(_command(home))
        _check(misp, count)
        again = run(_command(home))
        _check(misp, count)
    with FakeMisp() as misp:
        _, home = _recorded(options.scratch / "killed", misp, _FEEDBACK, count)
        killed_s, kills = _killed(home, misp, count)
    with FakeMisp() as misp:
        some = min(count, 500)
        theirs_s = _pymisp(misp, some)
    rows = [
        ("**vedette feedback send**", f"{count:,}", *_rate(ours.wall_s, count), "once"),
        ("the same again: nothing waits", "0", f"{again.wall_s:.2f}", "", "once"),
        (
            f"**vedette feedback send**, kill -9 {kills} times, MISP down once",
            f"{count:,}",
            *_rate(killed_s, count),
            "once",
        ),
        ("PyMISP add_sighting, one by one", f"{some:,}", *_rate(theirs_s, some), ""),
    ]
    return Table(
        f"{count:,} hits of {_EVENTS} events to MISP sightings",
        ("what", "sightings", "wall s", "a second", "each arrived"),
        rows,
        (
            "wall: with the start of processes, without the command line; target: 1,000 a second",
            "checked: every attribute has exactly one sighting",
        ),
    )


def _rate(wall_s: float, count: int) -> tuple[str, str]:
    return f"{wall_s:.2f}", f"{count / wall_s:,.0f}"


def _recorded(home: Path, misp: FakeMisp, settings: str, count: int) -> tuple[float, Path]:
    """Record hits; returns the seconds that it took, and where."""
    home.mkdir(parents=True)
    key = write_settings(home, misp, settings)
    with Hub(load(home / "vedette.toml")) as hub:
        hub.store.add_source("misp", "misp", {"url": misp.url, "key_file": str(key)}, 900)
        hits = list(met(listed(misp, count, events=_EVENTS)))
        started = time.monotonic()
        hub.store.fleet.add_hits("gate", hits, b"", {})
        return time.monotonic() - started, home


def _command(home: Path) -> list[str]:
    """What ``vedette feedback send`` does, without starting the rest of the command line."""
    return [sys.executable, "-c", _SENDER, str(home / "vedette.toml")]


def _killed(home: Path, misp: FakeMisp, count: int) -> tuple[float, int]:
    """Send with kills and an outage; returns the seconds until all had arrived, and the kills."""
    started = time.monotonic()
    kills = 0
    for goal in (1, count // 3, count // 2):
        with _sender(home) as sender:
            while len(misp.state.sightings) < goal and sender.poll() is None:
                time.sleep(0.001)
            if sender.poll() is None:
                os.kill(sender.pid, signal.SIGKILL)
                kills += 1
    misp.stop()
    with _sender(home):  # it finds nobody there
        pass
    again = FakeMisp(port=int(misp.url.rpartition(":")[2]))
    again.state = misp.state
    with again:
        run(_command(home))
    _check(again, count)
    return time.monotonic() - started, kills


@contextmanager
def _sender(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = _command(home)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as sender:
        yield sender


def _check(misp: FakeMisp, count: int) -> None:
    arrived = [one.attribute_uuid for one in misp.state.sightings.values()]
    if len(arrived) != count or len(set(arrived)) != count:
        raise BenchError(f"{len(arrived):,} sightings of {len(set(arrived)):,} of {count:,} hits")


def _pymisp(misp: FakeMisp, count: int) -> float:
    attributes = [attribute for _, attribute in listed(misp, count, events=_EVENTS)]
    client = PyMISP(misp.url, misp.key, ssl=False)
    started = time.monotonic()
    for attribute in attributes:
        sighting = MISPSighting()
        sighting.from_dict(uuid=attribute.uuid, source="vedette", type="0")
        client.add_sighting(sighting)
    spent = time.monotonic() - started
    _check(misp, count)
    return spent
