"""A thousand changes, live and proved on fifty sensors: from the announcement to the last proof.

The hub is ``vedette serve`` as a process of its own; sensors are bench/fleet_sensors.py. What is
waited for is what the hub knows: a report with a green proof of the new generation from each.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

import msgspec

from bench.cost import BenchError, spread
from bench.fleet_hub import ServedHub
from bench.fleet_sensors import Order
from bench.options import Options
from bench.report import Table
from vedette.pipeline.hub import Hub
from vedette.pipeline.signing import public_key
from vedette.sensor.wire import State

_PROCESSES = 4
_PATIENCE_S = 120.0
_LOOK_S = 0.01


def table(options: Options) -> Table:
    """One row for each dialect of the engine."""
    sensors = options.size(50, 4)
    size, changes = options.size(20_000, 2_000), options.size(1_000, 40)
    versions = options.size(("7.0.10", "8.0.7"), ("8.0.7",))
    rows = [_measured(options, version, sensors, size, changes) for version in versions]
    return Table(
        f"{changes:,} changes in {size:,} domains, live and proved on {sensors} simulated sensors",
        (
            "engine's dialect",
            "first sensor s",
            "half of them s",
            "**all of them s**",
            "with the build s",
            "CPU s of hub, agents and engines",
        ),
        rows,
        (
            "real agents (five threads each) on real sockets; the engines are simulated in Python",
            "hub, agents and engines share this machine's cores; in brackets the extremes",
            "seconds from the announcement until the hub has the green proof",
            "target: all in under 5 s",
        ),
    )


def _measured(
    options: Options, version: str, sensors: int, size: int, changes: int
) -> Sequence[object]:
    served = ServedHub(options.scratch / f"proofs-{version}", size, sensors)
    seconds: list[list[float]] = []
    built: list[float] = []
    spent: list[float] = []
    with served.serving() as hub, _sensors(served, version) as processes:
        _until_proved(served, sensors)
        for _ in range(options.repeat):
            before, started = _cpu_s([hub, *processes]), time.time()
            served.change(changes)
            announced, proved = _until_proved(served, sensors)
            seconds.append([at - announced for at in proved])
            built.append(max(proved) - started - served.pull_s)
            spent.append(_cpu_s([hub, *processes]) - before)
    return (
        version,
        spread([min(one) for one in seconds]),
        spread([median(one) for one in seconds]),
        spread([max(one) for one in seconds]),
        spread(built),
        spread(spent),
    )


def _until_proved(served: ServedHub, sensors: int) -> tuple[float, list[float]]:
    """Return when the newest generation was announced, and when each sensor had proved it."""
    proved: dict[str, float] = {}
    with Hub(served.settings) as hub:
        newest = hub.store.announcements.last()
        if newest is None:
            raise BenchError("nothing was announced")
        deadline = time.monotonic() + _PATIENCE_S
        while len(proved) < sensors:
            now = time.time()
            for name, record in hub.store.reports.states().items():
                is_it = (record.state, record.serial) == (State.PROVED, newest.serial)
                if is_it and record.content_id == newest.content_id:
                    proved.setdefault(name, now)
            if time.monotonic() > deadline:
                raise BenchError(f"only {len(proved)} of {sensors} sensors proved it")
            time.sleep(_LOOK_S)
    return newest.serial / 1000, list(proved.values())


@contextmanager
def _sensors(served: ServedHub, version: str) -> Iterator[list[int]]:
    """Run all sensors; yields their processes."""
    with Hub(served.settings) as hub:
        key = public_key(hub)
    if key is None:
        raise BenchError("the hub has no key")
    names = list(served.tokens)
    started: list[int] = []
    with ExitStack() as stack:
        place = stack.enter_context(tempfile.TemporaryDirectory(prefix="vd-"))
        for part in range(_PROCESSES):
            order = Order(
                hub=served.url,
                key=key.text,
                place=place,
                tokens={name: served.tokens[name] for name in names[part::_PROCESSES]},
                version=version,
            )
            command = [sys.executable, "-m", "bench.fleet_sensors"]
            root = Path(__file__).parent.parent
            process = subprocess.Popen(command, stdin=subprocess.PIPE, cwd=root)
            stack.callback(_end, process)
            started.append(process.pid)
            if process.stdin:
                process.stdin.write(msgspec.json.encode(order) + b"\n")
                process.stdin.flush()
        yield started


def _cpu_s(processes: Sequence[int]) -> float:
    fields = (Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in processes)
    return sum(int(one[11]) + int(one[12]) for one in fields) / os.sysconf("SC_CLK_TCK")


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.stdin:
        process.stdin.close()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
