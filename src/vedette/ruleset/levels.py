"""Indicators by threat level: each level is compiled as if there were no other.

So a name that a listed name of another level covers keeps its entry, and alerts under both. Ports
and networks in the headers of rules know no level: their sids do not suffice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from vedette.model import Entry, IndicatorType, Key
from vedette.ruleset.addresses import is_in_a_header
from vedette.ruleset.lines import Chunk
from vedette.ruleset.sets import LEVELS
from vedette.ruleset.tally import Indicators

_PORTS = (IndicatorType.IP_DST_PORT, IndicatorType.IP_SRC_PORT)
_NAMES = {1: "high", 3: "low"}
"""By number; all others have no sets of their own."""


class Graded(Indicators, Protocol):
    """Indicators whose threat levels are known: 1 high, 2 medium, 3 low, 0 unknown."""

    def graded(self, kind: IndicatorType, /) -> Iterator[tuple[Key, int]]:
        """What ``keys`` yields, each with the highest level of its claims."""
        ...

    def grades(self, keys: Iterable[Key], /) -> Mapping[Key, int]:
        """The highest level of each of these that is listed."""
        ...


class OfLevel:
    """An :class:`Indicators`: those of one level."""

    def __init__(self, indicators: Graded, level: str) -> None:
        """Take one of ``sets.LEVELS``."""
        self._all = indicators
        self._level = level

    def keys(self, kind: IndicatorType, /) -> Iterator[Key]:
        """All of a type, in their order."""
        if kind in _PORTS:
            return iter(()) if self._level else self._all.keys(kind)
        return (key for key, grade in self._all.graded(kind) if self._has(key, grade))

    def with_context(self, kind: IndicatorType, /) -> Iterator[tuple[Key, list[Entry]]]:
        """The same, each with all that the sources say about it."""
        both = zip(self._all.with_context(kind), self._all.graded(kind), strict=True)
        return (item for item, (key, grade) in both if self._has(key, grade))

    def listed(self, keys: Iterable[Key], /) -> set[Key]:
        """Which of these have the level."""
        grades = self._all.grades(self._all.listed(keys))
        return {key for key, grade in grades.items() if self._has(key, grade)}

    def descendants(self, name: str, /) -> Iterator[Key]:
        """All domains, then all hostnames of the level strictly below a name."""
        below = list(self._all.descendants(name))
        grades = self._all.grades(below)
        return (key for key in below if self._has(key, grades[key]))

    def counts(self) -> Mapping[IndicatorType, int]:
        """How many there are of each type; all are read for it."""
        counts = {kind: sum(1 for _ in self.keys(kind)) for kind in IndicatorType}
        return {kind: n for kind, n in counts.items() if n}

    def _has(self, key: Key, grade: int) -> bool:
        level = "" if key.type in _PORTS or is_in_a_header(key) else _NAMES.get(grade, "")
        return level == self._level


def by_level(indicators: Graded) -> dict[str, Indicators]:
    """Return the indicators of each level that has sets of its own, and of the rest."""
    return {level: OfLevel(indicators, level) for level in LEVELS}


def moved(chunks: Iterable[Chunk], level: str) -> Iterator[Chunk]:
    """Make lines those of the sets of a level."""
    for chunk in chunks:
        yield chunk._replace(spec=chunk.spec._replace(level=level)) if level else chunk
