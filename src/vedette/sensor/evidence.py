"""What a proof is made of: questions and their answers; and how much is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
from msgspec import Struct

from vedette.sensor.release import Release

_SAID = 2
_NAMED = 3
"""Of red checks: how many are told whole in one line, and how many more by name."""


class Check(Struct, frozen=True, kw_only=True):
    """One question to the engine and its answer."""

    name: str
    ok: bool
    expected: str
    got: str
    detail: str = ""
    """For a person at night: what it means and what to do."""
    kind: str = "direct"
    """``direct``: the thing itself was asked for; ``indirect``: it follows from something else."""


TRAFFIC = "traffic"
"""Name of the check that goes through the network and EVE: red, it says nothing of what is held."""


class Proof(Struct, frozen=True, kw_only=True):
    """What a sensor answered about one generation."""

    at: datetime
    sensor: str
    generation: int
    content_id: str
    target: str
    engine: str
    """The engine's version."""
    ok: bool
    checks: tuple[Check, ...]
    elapsed_s: float

    @property
    def failed(self) -> tuple[Check, ...]:
        """What is not as it should be."""
        return tuple(check for check in self.checks if not check.ok)

    @property
    def holds(self) -> bool:
        """Whether the engine holds the generation, even if no alert came out of its EVE."""
        return all(check.name == TRAFFIC for check in self.failed)

    @property
    def why(self) -> str:
        """For people: the first red checks, what was found and what to do; ``""``: none is red.

        A set that lost something makes several checks red; its first tells what to do.
        """
        red = self.failed
        said = [f"{c.name}: {c.detail or f'{c.expected}; got: {c.got}'}" for c in red[:_SAID]]
        if more := ", ".join(check.name for check in red[_SAID : _SAID + _NAMED]):
            said.append(f"also red: {more}{' and others' if red[_SAID + _NAMED :] else ''}")
        return " ".join(said)

    def with_check(self, check: Check) -> Proof:
        """Return the proof with one more check."""
        return msgspec.structs.replace(self, ok=self.ok and check.ok, checks=(*self.checks, check))


class Plan(Struct, frozen=True, kw_only=True):
    """How much is asked."""

    members: int = 100
    """Random members of each dataset that must be found."""
    seed: int | None = None
    before: Release | None = None
    """The release in force before; its canaries must be gone."""
    added: Mapping[str, Sequence[str]] = {}
    """By dataset, entries (as the socket takes them) that are new and must be found."""
    removed: Mapping[str, Sequence[str]] = {}
    """By dataset, entries that were withdrawn and must not be found."""
    suspected: Mapping[str, Sequence[str]] = {}
    """By dataset, entries that were missing when the engine was asked for all, one after another
    (see :class:`vedette.sensor.sweep.Sweep`); they must be found."""
