"""What a compilation reads, and what it counts: nothing is left out silently."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from vedette.model import Entry, IndicatorType, Key


class Valued(Protocol):
    """A key, or a key with what sources say about it."""

    @property
    def type(self) -> IndicatorType:
        """What it is."""
        ...

    @property
    def value(self) -> str:
        """In its canonical spelling."""
        ...


class Claimed(NamedTuple):
    """A key with what each source says about it."""

    type: IndicatorType
    value: str
    entries: list[Entry]


class Indicators(Protocol):
    """The indicators in force; the store is one.

    Streams have no duplicates and are sorted: names by ``reverse_key``, all others by value.
    """

    def keys(self, kind: IndicatorType, /) -> Iterator[Key]:
        """All indicators of a type."""
        ...

    def with_context(self, kind: IndicatorType, /) -> Iterator[tuple[Key, list[Entry]]]:
        """The same, each with what the sources say about it."""
        ...

    def listed(self, keys: Iterable[Key], /) -> set[Key]:
        """Which of these are there."""
        ...

    def descendants(self, name: str, /) -> Iterator[Key]:
        """All domains, then all hostnames strictly below a name."""
        ...

    def counts(self) -> Mapping[IndicatorType, int]:
        """How many there are of each type."""
        ...


@dataclass
class Tally:
    """Counts that grow while the streams are read."""

    listed: Counter[IndicatorType] = field(default_factory=Counter)
    """Indicators that came in."""
    pruned: Counter[IndicatorType] = field(default_factory=Counter)
    """Names that a listed name above them covers."""
    unmatched: Counter[str] = field(default_factory=Counter)
    """Indicators that no rule covers, by reason."""
