"""What a run of the benchmarks is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from vedette.testing.engine import Engine

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The same for all benchmarks."""

    quick: bool
    """Sizes that take seconds: whether it runs, not what it costs."""
    repeat: int
    """Repetitions of what is compared; medians are shown."""
    engines: tuple[Engine, ...]
    scratch: Path
    """An empty directory."""
    profile: bool = False
    """Say in which functions Vedette spends its time."""

    def size(self, full: T, quick: T) -> T:
        """Choose by ``quick``."""
        return quick if self.quick else full
