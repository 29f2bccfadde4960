"""What the agent knows of its engine now, and what it says about that in one word.

Threads write here what they found; whoever reports takes all of it at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

import vedette
from vedette.sensor.finding import Finding
from vedette.sensor.proof import Proof
from vedette.sensor.wire import (
    Announcement,
    Delivered,
    EngineState,
    EveState,
    Rate,
    Report,
    State,
)

log = structlog.get_logger(__name__)

MINUTES_SENT = 15


@dataclass
class Facts:
    """Everything that a report is made of."""

    wanted: Announcement | None = None
    proof: Proof | None = None
    """The newest."""
    silent: str = ""
    """Why the engine cannot be asked now; ``""``: it answered."""
    refused: str = ""
    """Why what the hub announces, or the hub itself, is not believed."""
    damaged: str = ""
    """Why what came from the hub is not what was announced."""
    trouble: str = ""
    """Why the wanted generation is not in force yet."""
    installed: int = 0
    content_id: str = ""
    """Of what is installed."""
    delivered: Delivered | None = None
    engine: EngineState = field(default_factory=EngineState)
    eve: EveState | None = None
    findings: tuple[Finding, ...] | None = None
    drifts: int = 0
    repaired_at: datetime | None = None


def judge(facts: Facts) -> tuple[State, str]:
    """Return the state and why, the worst first: what is not known, then what is wrong."""
    proof = facts.proof
    if facts.silent:
        return State.SILENT, "; ".join(filter(None, [facts.silent, facts.refused]))
    if proof is not None and not proof.ok:
        return State.DRIFTED, "; ".join(filter(None, [proof.why, facts.trouble]))
    if why := facts.refused or facts.damaged:
        return State.REFUSED, why
    if proof is None:
        return _unproved(facts)
    wanted = facts.wanted
    if wanted is None or wanted.content_id == proof.content_id:
        return State.PROVED, ""
    return State.BEHIND, facts.trouble or f"generation {wanted.generation} is on its way"


def _unproved(facts: Facts) -> tuple[State, str]:
    if facts.installed:
        return State.BEHIND, f"generation {facts.installed} is installed and not proved yet"
    return State.BEHIND, facts.trouble or "no generation is installed yet"


class Situation:
    """The facts, shared by threads; whoever waits is woken when the state changes."""

    def __init__(self, delivery: str) -> None:
        """Know nothing."""
        self._delivery = delivery
        self._lock = threading.Lock()
        self._facts = Facts()
        self._rates: dict[int, int] = {}
        self._said: tuple[object, ...] = ()
        self._sent_proof: datetime | None = None
        self.changed = threading.Event()
        """Set when there is something that the hub should hear at once."""

    def note(self, change: Callable[[Facts], None]) -> None:
        """Change facts; a change of state wakes the reporter."""
        with self._lock:
            change(self._facts)
            state, why = judge(self._facts)
            proof = self._facts.proof
            said = (state, why, proof.content_id if proof else "", self._facts.wanted)
            if said != self._said:
                self._said = said
                if state is not State.BEHIND or self._facts.trouble:
                    self.changed.set()  # that it is on its way, the hub knows by itself
                log.info("state.changed", state=str(state), why=why, generation=_generation(proof))

    def count(self, minutes: Mapping[int, int]) -> None:
        """Add alerts by minute."""
        with self._lock:
            for minute, alerts in minutes.items():
                before = self._rates.get(minute, 0)
                self._rates[minute] = before + alerts
                if (before + alerts).bit_length() > max(before.bit_length(), _LOUD_BITS):
                    self.changed.set()  # a flood: the roll-out must hear of it before a minute ends
            for minute in sorted(self._rates)[:-MINUTES_SENT]:
                del self._rates[minute]

    @property
    def facts(self) -> Facts:
        """The facts; to be read only."""
        return self._facts

    @property
    def rates(self) -> dict[int, int]:
        """Alerts by minute, of the last ones."""
        with self._lock:
            return dict(self._rates)

    def report(self) -> Report:
        """Return all that is known."""
        with self._lock:
            facts = self._facts
            state, why = judge(facts)
            proof = facts.proof
            is_new = proof is not None and proof.at != self._sent_proof
            return Report(
                at=datetime.now(UTC),
                by=f"agent {vedette.__version__}",
                delivery=self._delivery,
                state=state,
                why=why,
                serial=facts.wanted.serial if facts.wanted else 0,
                generation=_generation(proof) or facts.installed,
                content_id=proof.content_id if proof else facts.content_id,
                proof=proof if is_new else None,
                delivered=facts.delivered,
                engine=facts.engine,
                eve=facts.eve,
                rates=tuple(Rate(m, n) for m, n in sorted(self._rates.items())),
                findings=facts.findings,
                drifts=facts.drifts,
                repaired_at=facts.repaired_at,
            )

    def arrived(self, report: Report) -> None:
        """Note that the hub has a report: what it knows now is not sent again."""
        with self._lock:
            if report.proof is not None:
                self._sent_proof = report.proof.at


_LOUD_BITS = 9
"""From 512 alerts in a minute on, each doubling is reported at once."""


def _generation(proof: Proof | None) -> int:
    return proof.generation if proof else 0
