"""Whether a sensor still holds what it was proved to hold: a cheap look every few seconds.

    watch = Watch(sensor)
    proof = watch.full()
    ...
    if (look := watch.look()).changed: proof = watch.full()   # look.why says what was seen

A look finds at once whatever leaves a trace: a file, the link, a reload, a restart, a set or its
canary that is gone. What leaves none, entries that another program removed or pushed out, is found
by the sweep, a slice of all entries with each look, and by the samples of the proofs. Entries that
another program *adds* cannot be seen: the engine neither counts nor lists them.
"""

from __future__ import annotations

from typing import NamedTuple

from vedette.sensor.client import SuricataSocket
from vedette.sensor.held import installed_on, prove_on
from vedette.sensor.install import Installed
from vedette.sensor.proof import Plan, Proof
from vedette.sensor.reach import directory_of, engine_of, reached
from vedette.sensor.seen import Seen, changes, see
from vedette.sensor.settings import Sensor
from vedette.sensor.sweep import Sweep, Swept

SWEEP_S = 0.03
"""Of each look; some 2,000 entries over a local socket."""
_SUSPECTS_MAX = 100


class Look(NamedTuple):
    """What a look found."""

    changed: bool
    """Prove now: it may not hold any more what it was proved to hold."""
    why: str = ""
    """What was seen, for people; ``""`` if nothing."""
    asked: int = 0
    """Entries that were asked for by the sweep, and found."""


class Watch:
    """Looks at one sensor again and again. Not for use while a push to it runs.

    Args:
        sensor: Which. Its generations are pushed by us; see :mod:`vedette.sensor.elsewhere` for
            one whose rules another tool installs.
        members: Random members of each dataset in a full proof.
        sweep_s: How long each look may ask for entries; 0: not at all.
    """

    def __init__(self, sensor: Sensor, *, members: int = 100, sweep_s: float = SWEEP_S) -> None:
        """Look at nothing yet."""
        self._sensor = sensor
        self._members = members
        self._sweep_s = sweep_s
        self._seen: Seen | None = None
        self._sweep: Sweep | None = None
        self._suspected: dict[str, list[str]] = {}
        self._suspected_in = ""

    @property
    def rounds(self) -> int:
        """How often each entry of the generation in force has been asked for by now."""
        return self._sweep.rounds if self._sweep else 0

    def look(self) -> Look:
        """Look from outside, and ask for some more entries.

        Raises:
            SensorError: The engine does not answer, or its machine cannot be reached.
        """
        with reached(self._sensor) as near, engine_of(near) as engine:
            if self._seen is None:
                return Look(changed=True, why="it was not proved yet")
            seen = self._see(engine, self._seen)
            if why := "; ".join(changes(self._seen, seen)):
                return Look(changed=True, why=why)
            return self._ask_some(engine)

    def full(self, *, seed: int | None = None) -> Proof:
        """Prove, and compare later looks with what is there now.

        Raises:
            SensorError: Nothing is installed, or the engine cannot be asked.
        """
        subject = self._subject()
        is_same = subject is not None and subject.release.content_id == self._suspected_in
        plan = Plan(members=self._members, seed=seed, suspected=self._suspected if is_same else {})
        self._seen = None
        with reached(self._sensor) as near, engine_of(near) as engine:
            seen = self._see(engine, None)  # before the proof: what happens meanwhile is a change
            proof = self._prove(engine, plan)
        self._seen = seen
        self._follow(proof)
        return proof

    def _see(self, engine: SuricataSocket, since: Seen | None) -> Seen:
        return see(engine, directory_of(self._sensor), since)

    def _prove(self, engine: SuricataSocket, plan: Plan) -> Proof:
        return prove_on(engine, self._sensor, directory_of(self._sensor), plan)

    def _subject(self) -> Installed | None:
        """Return what is proved and swept."""
        return installed_on(self._sensor, directory_of(self._sensor))

    def _follow(self, proof: Proof) -> None:
        """Sweep what is proved; what is red is known, and waits for its repair."""
        subject = self._subject() if proof.ok else None
        if subject is None:
            self._sweep = None
            return
        self._suspected = {}
        if self._sweep is None or self._sweep.installed.path != subject.path:
            self._sweep = Sweep(subject)

    def _ask_some(self, engine: SuricataSocket) -> Look:
        if self._sweep is None or not self._sweep_s:
            return Look(changed=False)
        try:
            swept = self._sweep.ask(engine, self._sweep_s)
        except OSError as error:
            self._sweep = None
            return Look(changed=True, why=f"a file cannot be read: {error.strerror}")
        if not swept.missing:
            return Look(changed=False, asked=swept.asked)
        self._suspected_in = self._sweep.installed.release.content_id
        self._suspected = {name: some[:_SUSPECTS_MAX] for name, some in swept.missing.items()}
        return Look(changed=True, why=_lost(swept), asked=swept.asked)


def _lost(swept: Swept) -> str:
    missing = sum(map(len, swept.missing.values()))
    return f"{missing} of {swept.asked} entries are missing in {', '.join(swept.missing)}"
