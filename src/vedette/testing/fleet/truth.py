"""What the engine really held and when: of its journal, or of what the watcher saw."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from vedette.testing.fleet.contents import Generation, spelt_from_memory
from vedette.testing.fleet.watcher import Snapshot

_AROUND_S = 0.05


class Truth(Protocol):
    """What can be asked afterwards."""

    def held(self, generation: Generation, began: float, ended: float) -> bool | None:
        """Whether the engine held exactly this at some moment of a time; None: nobody saw."""
        ...

    def longest_without(self, generation: Generation, began: float, ended: float) -> float:
        """Return the longest time in a row, in seconds, in which it held something else."""
        ...


class Period(NamedTuple):
    """A time in which nothing changed in the engine."""

    began: float
    ended: float
    held: dict[str, frozenset[bytes]]


class Journalled:
    """Of a fake engine: exact."""

    def __init__(self, journal: Path) -> None:
        """Read the journal."""
        self.periods = _periods(journal)
        self._cache: dict[str, dict[str, frozenset[bytes]]] = {}

    def held(self, generation: Generation, began: float, ended: float) -> bool | None:
        """See :class:`Truth`."""
        during = [one for one in self.periods if one.began <= ended and one.ended >= began]
        return any(_is(one, generation) for one in during) if during else None

    def longest_without(self, generation: Generation, began: float, ended: float) -> float:
        """See :class:`Truth`."""
        longest, since = 0.0, None
        for one in self.periods:
            if one.ended < began or one.began > ended:
                continue
            if _is(one, generation):
                since = None
                continue
            since = max(began, one.began) if since is None else since
            longest = max(longest, min(ended, one.ended) - since)
        return longest


class Seen:
    """Of a real engine: what the watcher's questions met."""

    def __init__(self, snapshots: Sequence[Snapshot]) -> None:
        """Take them."""
        self._all = snapshots

    def held(self, generation: Generation, began: float, ended: float) -> bool | None:
        """See :class:`Truth`; those next before and after count, for a look takes a while."""
        before = [one for one in self._all if one.ended < began][-1:]
        after = [one for one in self._all if one.began > ended][:1]
        during = [one for one in self._all if one.ended >= began and one.began <= ended]
        looked = [*before, *during, *after]
        if not during and len(looked) < 2:  # noqa: PLR2004 - one on each side
            return None
        return any(one.is_of(generation) for one in looked)

    def longest_without(self, generation: Generation, began: float, ended: float) -> float:
        """See :class:`Truth`."""
        longest, since = 0.0, None
        for one in self._all:
            if one.ended < began or one.began > ended:
                continue
            if one.is_of(generation):
                since = None
                continue
            since = one.began if since is None else since
            longest = max(longest, one.ended - since)
        return longest


def _is(period: Period, generation: Generation) -> bool:
    if {name for name, values in period.held.items() if values} != set(generation.sets):
        return False
    for name, wanted in generation.sets.items():
        held = period.held[name]
        if len(held) != len(wanted):
            return False
        kind = generation.kinds[name]
        if {spelt_from_memory(kind, value) for value in held} != wanted:
            return False
    return True


def _periods(journal: Path) -> list[Period]:
    periods: list[Period] = []
    held: dict[str, frozenset[bytes]] = {}
    at = None
    for text in journal.read_bytes().splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue  # cut off by a kill
        if at is not None:
            periods.append(Period(at, line["at"], held))
        at, held = line["at"], _after(held, line)
    if at is not None:
        periods.append(Period(at, float("inf"), held))
    return periods


def _after(
    held: dict[str, frozenset[bytes]], line: dict[str, object]
) -> dict[str, frozenset[bytes]]:
    if isinstance(loaded := line.get("load"), dict):
        return {name: frozenset(map(base64.b64decode, some)) for name, some in loaded.items()}
    for change in ("add", "remove"):
        if isinstance(pair := line.get(change), list):
            name, value = pair[0], frozenset([base64.b64decode(pair[1])])
            now = held.get(name, frozenset())
            return {**held, name: now | value if change == "add" else now - value}
    return held
