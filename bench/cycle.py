"""Ten attributes change in a MISP with ten thousand events: how soon an engine holds the change.

From the start of the cycle: what changed is pulled over the API, judged, compiled, pushed and
proved. MISP is ``vedette.testing.fake_misp`` in a process of its own, changed by real PyMISP.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any, NamedTuple

from pymisp import PyMISP

from bench.cost import BenchError, middle, spread
from bench.misp_pull import _serving
from bench.options import Options
from bench.report import Table
from bench.subject import Vedette
from vedette.pipeline.building import build
from vedette.pipeline.delivering import push_current
from vedette.pipeline.hub import Hub
from vedette.pipeline.pulling import pull
from vedette.testing.engine import Engine

_ADDED = _REMOVED = 5
_WAYS = {
    "delta": "names (by socket)",
    "reload": "names and a file's hash (by reload: hash lists have no other way)",
}


class Cycle(NamedTuple):
    """One cycle, in seconds."""

    pull_s: float
    build_s: float
    """The guard's verdicts are in it."""
    push_s: float
    """The proof is in it."""

    @property
    def total_s(self) -> float:
        return sum(self)


def tables(options: Options) -> Iterable[Table]:
    """One table: each engine."""
    events = options.size(10_000, 20)
    rows: list[Sequence[object]] = []
    for engine in options.engines:
        with _desk(options, engine, events) as desk:
            found = {
                how: [desk.change(how) for _ in range(max(options.repeat, 1))]
                for how in ("delta", "reload")
            }
        rows += [
            (
                ".".join(map(str, engine.version)),
                _WAYS[how],
                spread([one.pull_s for one in cycles]),
                spread([one.build_s for one in cycles]),
                spread([one.push_s for one in cycles]),
                spread([one.total_s for one in cycles]),
                f"{middle([one.total_s for one in cycles]) / 2.0:.2f}x",
            )
            for how, cycles in found.items()
        ]
    yield Table(
        f"{_ADDED + _REMOVED} changes in {events:,} events with {events * 10:,} attributes",
        (
            "engine",
            "what changed",
            "pull s",
            "judge and build s",
            "push and prove s",
            "from the start of the cycle s",
            "of the target of 2 s",
        ),
        rows,
        (f"{_ADDED} attributes added, {_REMOVED} deleted for good, in one event",),
    )


class _Desk:
    """A hub that holds what MISP has, and an engine that holds what the hub has."""

    def __init__(self, hub: Hub, misp: PyMISP, numbers: Iterator[int]) -> None:
        self._hub, self._misp, self._numbers = hub, misp, numbers

    def first(self) -> None:
        """Bring everything to the engine."""
        pull(self._hub, "misp")
        build(self._hub)
        if not push_current(self._hub, "probe").proof.ok:
            raise BenchError("the first push is not proved")

    def change(self, how: str) -> Cycle:
        """Change MISP, and bring that to the engine by ``delta`` or ``reload``."""
        before = sum(self._hub.store.published.counts().values())
        removed = self._edit(how)
        started = time.monotonic()
        summary = pull(self._hub, "misp")
        pulled = time.monotonic()
        build(self._hub)
        built = time.monotonic()
        pushed = push_current(self._hub, "probe")
        done = time.monotonic()
        if (summary.added, summary.removed) != (_ADDED, removed):
            raise BenchError(f"{summary.added} came, {summary.removed} went, of {removed}")
        if pushed.how != how or not pushed.proof.ok:
            raise BenchError(f"not by {how} but {pushed.how}: {pushed.reason} {pushed.proof}")
        if sum(self._hub.store.published.counts().values()) != before + _ADDED - removed:
            raise BenchError("what is published is not what came and went")
        return Cycle(pulled - started, built - pulled, done - built)

    def _edit(self, how: str) -> int:
        """Change one event; return how many attributes went."""
        misp = self._misp
        event = str(_check(misp.events(pythonify=False))[0]["id"])
        found: Any = _check(misp.get_event(event))
        names = [one for one in found["Event"]["Attribute"] if one["type"] == "domain"]
        for place in range(_ADDED):
            number = next(self._numbers)
            name, digest = f"new-{number}.cycle.example", f"{number:064x}"
            is_hash = how == "reload" and not place
            attribute = ("sha256", digest) if is_hash else ("domain", name)
            new = {"type": attribute[0], "value": attribute[1], "to_ids": True}
            _check(misp.add_attribute(event, new))
        for one in names[:_REMOVED]:
            _check(misp.delete_attribute(one["uuid"], hard=True))
        _check(misp.publish(event))
        return len(names[:_REMOVED])


@contextmanager
def _desk(options: Options, engine: Engine, events: int) -> Iterator[_Desk]:
    place = options.scratch / f"cycle{engine.home.name}"
    vedette = Vedette(place)
    rules = place / "rules"
    key_file = place / "misp.key"
    with (
        _serving(events * 10, per_event=10) as server,
        engine.live(place, str(rules / "current/vedette.rules")) as live,
        Hub(vedette.settings) as hub,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # PyMISP's, about versions
        key_file.write_text(server.key)
        key_file.chmod(0o600)
        hub.store.add_source("misp", "misp", {"url": server.url, "key_file": str(key_file)}, 900)
        sensor: dict[str, Any] = {"socket": str(live.socket), "rules": str(rules)}
        hub.store.fleet.add_sensor("probe", sensor)
        desk = _Desk(hub, PyMISP(server.url, server.key), count())
        desk.first()
        yield desk


def _check(answer: Any) -> Any:  # noqa: ANN401 - as PyMISP has it
    if isinstance(answer, dict) and "errors" in answer:
        raise BenchError(f"MISP does not: {answer['errors']}")
    return answer
