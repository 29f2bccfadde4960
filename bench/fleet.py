"""What five hundred agents cost the hub, and how soon all of them have a new generation.

The hub is ``vedette serve`` as a process of its own; the agents are one process with sockets of
their own. What the hub does is the kernel's figure: CPU, memory, bytes read.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

import msgspec

from bench.cost import BenchError
from bench.fleet_agents import Order
from bench.fleet_hub import ServedHub
from bench.fleet_proofs import table as proofs
from bench.options import Options
from bench.report import Table

TARGET = "7.0"
_AGENTS = Path(__file__).with_name("fleet_agents.py")
_TICKS = os.sysconf("SC_CLK_TCK")


class Used(NamedTuple):
    """By a process, since its start."""

    at: float
    cpu_s: float
    read: int
    """Bytes asked of files, from memory or from disk."""
    from_disk: int


def tables(options: Options) -> Iterable[Table]:
    """What waiting costs, and what a new generation costs."""
    world = _World(
        options.scratch,
        options.size(1_000_000, 3_000),
        options.size(500, 20),
        options.size(1_000, 40),
    )
    rest_s = options.size(120.0, 2.0)
    waiting = [world.wait(0, rest_s / 4, 0), world.wait(world.fleet, rest_s / 2, 0)]
    told = [world.tell(rest_s, 60.0, whole=0)]
    waiting.append(world.waited)
    told.append(world.tell(1.0, 0, whole=options.size(50, 2)))
    yield Table(
        f"The hub, while {world.fleet} agents wait for the next generation",
        ("agents", "reports", "for s", "CPU, % of one core", "memory MiB"),
        waiting,
        (
            "a report has a proof of 80 checks; one a minute from each agent",
            "target: under 50 % of one core",
        ),
    )
    yield Table(
        f"A new generation of {world.size:,} domains with {world.changes:,} changes, to all",
        (
            "agents that fetch",
            "told after s, median and last",
            "all have it after s",
            "the generation's files MB",
            "sent MB",
            "read by the hub MB",
            "of it from disk MB",
            "CPU s of the hub",
            "memory MiB, peak",
        ),
        told,
        (
            "seconds since it was announced, the patches being made in them",
            "read: all bytes that the hub asked of files, those in the kernel's memory, too",
        ),
    )
    yield proofs(options)


class _World:
    """A hub and a fleet, and what was measured with them."""

    def __init__(self, scratch: Path, size: int, fleet: int, changes: int) -> None:
        self.size, self.fleet, self.changes = size, fleet, changes
        self._served = ServedHub(scratch / "fleet", size, fleet)
        self.waited: Sequence[object] = ()

    def wait(self, agents: int, for_s: float, report_every_s: float) -> Sequence[object]:
        """Return what it costs that agents wait."""
        with self._served.serving() as hub:
            if not agents:
                return self._rest(hub, for_s, 0, 0)
            order = self._order(agents, report_every_s, 0)
            with _agents(order):
                return self._rest(hub, for_s, agents, report_every_s)

    def tell(self, rest_s: float, report_every_s: float, whole: int) -> Sequence[object]:
        """Publish a generation to agents that wait, and return what that costs."""
        agents = whole or self.fleet
        order = self._order(agents, report_every_s, whole)
        with self._served.serving() as hub, _agents(order) as running:
            self.waited = self._rest(hub, rest_s, agents, report_every_s)
            before = _used(hub)
            self._served.change(self.changes)
            said = msgspec.json.decode(_line(running))
            after = _used(hub)
            peak = _memory_mib(hub, "VmHWM")
        generation = self._served.generation()
        size = sum(path.stat().st_size for path in generation.sources(TARGET).values())
        if len(said["done_s"]) != agents or min(said["done_s"]) < 0 or min(said["fetched"]) <= 0:
            raise BenchError(f"not all agents have it: {said}")
        return (
            f"{agents}, whole files" if whole else f"{agents}, patches",
            f"{median(said['told_s']):.3f}, {max(said['told_s']):.3f}",
            f"{max(said['done_s']):.2f}",
            f"{size / 1e6:.1f}",
            f"{sum(said['fetched']) / 1e6:.1f}",
            f"{(after.read - before.read) / 1e6:.1f}",
            f"{(after.from_disk - before.from_disk) / 1e6:.1f}",
            f"{after.cpu_s - before.cpu_s:.2f}",
            f"{peak:.0f}",
        )

    def _order(self, agents: int, report_every_s: float, whole: int) -> Order:
        held = {name: str(path) for name, path in self._served.generation().sources(TARGET).items()}
        return Order(
            port=self._served.port,
            tokens=list(self._served.tokens.values())[:agents],
            report_every_s=report_every_s,
            target=TARGET,
            whole=whole,
            held=held,
        )

    def _rest(self, hub: int, for_s: float, agents: int, report_every_s: float) -> Sequence[object]:
        before = _used(hub)
        time.sleep(for_s)
        after = _used(hub)
        share = (after.cpu_s - before.cpu_s) / (after.at - before.at)
        return (
            agents,
            f"one each {report_every_s:.0f} s" if report_every_s else "none",
            f"{after.at - before.at:.0f}",
            f"{100 * share:.1f}",
            f"{_memory_mib(hub, 'VmRSS'):.0f}",
        )


@contextmanager
def _agents(order: Order) -> Iterator[subprocess.Popen[bytes]]:
    """Run agents; they all wait when the block begins."""
    command = [sys.executable, "-m", "bench.fleet_agents"]
    root, pipe = _AGENTS.parent.parent, subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd=root) as process:
        try:
            if process.stdin:
                process.stdin.write(msgspec.json.encode(order) + b"\n")
                process.stdin.flush()
            if msgspec.json.decode(_line(process)) != {"ready": len(order.tokens)}:
                raise BenchError("the agents do not wait")
            yield process
        finally:
            process.kill()


def _line(process: subprocess.Popen[bytes]) -> bytes:
    line = process.stdout.readline() if process.stdout else b""
    if not line:
        raise BenchError(f"the agents ended with {process.wait()}")
    return line


def _used(pid: int) -> Used:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    read = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    cpu = (int(fields[11]) + int(fields[12])) / _TICKS
    return Used(time.monotonic(), cpu, int(read["rchar"]), int(read["read_bytes"]))


def _memory_mib(pid: int, field: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise BenchError(f"process {pid} has no {field}")
