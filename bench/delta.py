"""A thousand changes in a million: how soon after the pull a real engine holds and proves them.

By the socket, and by a reload of the same; and whether the reload loses alerts of queries that are
sent while it runs. Every change is also asked for in traffic: what is new must alert, what was
withdrawn must not.
"""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import Any, NamedTuple, Self

import msgspec

from bench import delta_pushes
from bench.cost import BenchError, alternate, middle, spread
from bench.names import flat, made_up
from bench.options import Options
from bench.report import Table
from bench.subject import Vedette
from vedette.pipeline.building import build
from vedette.pipeline.delivering import push_current
from vedette.pipeline.hub import Hub
from vedette.pipeline.pulling import pull
from vedette.sensor.client import SuricataSocket
from vedette.testing.capture import dns_query
from vedette.testing.engine import Engine, Live

_QUERIES_A_SECOND = 500
_ASKED = 10


class Step(NamedTuple):
    """One change, from the end of the pull to the proof."""

    pull_s: float
    build_s: float
    install_s: float
    live_s: float
    total_s: float
    """From the end of the pull; what the operator waits."""
    rss_mib: float
    peak_mib: float
    sent: int = 0
    lost: int = 0
    dropped: int = 0
    """Packets that the kernel did not give to the engine: the capture's fault, not the reload's."""


def tables(options: Options) -> Iterable[Table]:
    """By socket and by reload on each engine: with the build, and the pushes alone."""
    names = flat(options.size(1_000_000, 3_000))
    changes = options.size(1_000, 40)
    rows: list[Sequence[object]] = []
    for engine in options.engines:
        place = options.scratch / engine.home.name
        with _Desk.open(place, engine, names, options.size(1.0, 0.2)) as desk:
            found = alternate(
                {
                    "socket": partial(desk.change, changes, "delta"),
                    "reload": partial(desk.change, changes, "reload"),
                },
                options.size(options.repeat, 1),
            )
        rows += [_row(engine, way, steps) for way, steps in found.items()]
    return [
        Table(
            f"{changes:,} changes in {len(names):,} domains, live and proved",
            (
                "engine",
                "by",
                "build s",
                "install s",
                "into force and proved s",
                "after the pull s",
                "the pull itself s",
                "engine RSS MiB, peak",
                "queries sent, alerts lost, packets not captured",
            ),
            rows,
            (
                "wall seconds in one process, as in `vedette run`",
                "target: by socket at most 1 s after the pull; no alert lost",
                f"during a reload, {_QUERIES_A_SECOND} queries a second are sent on loopback",
            ),
        ),
        delta_pushes.table(options),
    ]


def _row(engine: Engine, way: str, steps: Sequence[Step]) -> Sequence[object]:
    sent, lost, dropped = map(sum, zip(*((s.sent, s.lost, s.dropped) for s in steps), strict=True))
    return (
        ".".join(map(str, engine.version)),
        way,
        spread([step.build_s for step in steps]),
        spread([step.install_s for step in steps]),
        spread([step.live_s for step in steps]),
        spread([step.total_s for step in steps]),
        f"{middle([step.pull_s for step in steps]):.2f}",
        f"{middle([s.rss_mib for s in steps]):.0f}, {max(s.peak_mib for s in steps):.0f}",
        f"{sent:,}, {lost}, {dropped}" if sent else "-",
    )


class _Desk:
    """A hub, a running engine that holds its generation, and the list that both come from."""

    def __init__(
        self, hub: Hub, live: Live, path: Path, names: Sequence[str], settle_s: float
    ) -> None:
        self._hub = hub
        self._live = live
        self._path = path
        self._names = list(names)
        self._numbers = count()
        self._default = hub.settings
        self._settle_s = settle_s

    @classmethod
    @contextmanager
    def open(
        cls, place: Path, engine: Engine, names: Sequence[str], settle_s: float
    ) -> Iterator[_Desk]:
        """Start an engine, and push the names to it for the first time."""
        vedette = Vedette(place)
        rules = place / "rules"
        path = place / "domains.txt"
        with (
            engine.live(place, str(rules / "current/vedette.rules")) as live,
            Hub(vedette.settings) as hub,
        ):
            settings = {"location": str(path), "type": "domain", "format": "lines"}
            hub.store.add_source("domains", "list", settings, 900)
            sensor: dict[str, Any] = {"socket": str(live.socket), "rules": str(rules)}
            hub.store.fleet.add_sensor("probe", sensor)
            desk = cls(hub, live, path, names, settle_s)
            desk._write()
            pull(hub, "domains")
            build(hub)
            if not push_current(hub, "probe").proof.ok:
                raise BenchError("the first push is not proved")
            yield desk

    def change(self, changes: int, how: str) -> Step:
        """Change the list, and bring the change to the engine."""
        new = [f"new-{name}" for name in islice(made_up(next(self._numbers)), changes // 2)]
        random.Random(len(new)).shuffle(self._names)
        gone, self._names = self._names[: len(new)], self._names[len(new) :] + new
        self._write()
        self._hub.settings = msgspec.structs.replace(
            self._default,
            push=msgspec.structs.replace(
                self._default.push, delta_max=0 if how == "reload" else 20_000
            ),
        )
        started = time.monotonic()
        pull(self._hub, "domains")
        pulled = time.monotonic()
        rss = _memory(self._live.pid, "VmRSS")
        Path(f"/proc/{self._live.pid}/clear_refs").write_text("5")
        dropped = _dropped(self._live)
        listed = self._names[: -len(new)] if how == "reload" else []
        with _Queries(self._live, listed, self._settle_s) as queries:
            before = time.monotonic()
            build(self._hub)
            built = time.monotonic()
            pushed = push_current(self._hub, "probe")
            done = time.monotonic()
        if pushed.how != how or not pushed.proof.ok:
            raise BenchError(f"not by {how} but {pushed.how}: {pushed.reason} {pushed.proof}")
        peak = _memory(self._live.pid, "VmHWM")
        self._ask(new[:_ASKED], gone[:_ASKED])
        return Step(
            pulled - started,
            built - before,
            pushed.install_s,
            done - built - pushed.install_s,
            done - before,
            rss,
            peak,
            queries.sent,
            queries.lost(),
            _dropped(self._live) - dropped,
        )

    def _write(self) -> None:
        self._path.write_text("".join(f"{name}\n" for name in self._names))

    def _ask(self, new: Sequence[str], gone: Sequence[str]) -> None:
        """Look up names that must alert, and names that must not."""
        for name in (*new, *gone):
            _look_up(name)
        deadline = time.monotonic() + 10
        while not set(new) <= (seen := _alerted(self._live)):
            if time.monotonic() > deadline:
                raise BenchError(f"no alert for {set(new) - seen}")
            time.sleep(0.05)
        if wrong := seen & set(gone):
            raise BenchError(f"alerts for withdrawn names {wrong}")


class _Queries:
    """Listed names, looked up at a steady rate as long as the ``with`` lasts."""

    def __init__(self, live: Live, names: Sequence[str], settle_s: float) -> None:
        self._live = live
        self._names = random.Random(1).sample(names, len(names))
        self._settle_s = settle_s if names else 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send)
        self.sent = 0

    def __enter__(self) -> Self:
        self._thread.start()
        time.sleep(self._settle_s)
        return self

    def __exit__(self, *_: object) -> None:
        time.sleep(self._settle_s)
        self._stop.set()
        self._thread.join()

    def lost(self) -> int:
        """How many of the names that were sent have no alert."""
        sent = set(self._names[: self.sent])
        deadline = time.monotonic() + 10
        while missing := sent - _alerted(self._live):
            if time.monotonic() > deadline:
                return len(missing)
            time.sleep(0.1)
        return 0

    def _send(self) -> None:
        started = time.monotonic()
        for number, name in enumerate(self._names):
            due = started + number / _QUERIES_A_SECOND
            if self._stop.wait(max(0, due - time.monotonic())):
                return
            _look_up(name)
            self.sent = number + 1


def _look_up(name: str) -> None:
    """Send one query from a port of its own, as resolvers do; nobody answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.sendto(dns_query(name), ("127.0.0.1", 53))


def _alerted(live: Live) -> set[str]:
    """All names that alerted so far."""
    found = set()
    for alert in live.events():
        dns = alert.get("dns", {})
        for query in dns.get("queries") or dns.get("query") or ():
            found.add(query["rrname"])
    return found


def _dropped(live: Live) -> int:
    """Packets on loopback that the kernel dropped before the engine saw them."""
    with SuricataSocket(live.socket) as engine:
        answer = engine.ask("iface-stat", {"iface": "lo"})
    return int(msgspec.json.decode(answer.message)["drop"])


def _memory(pid: int, field: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise BenchError(f"process {pid} has no {field}")
