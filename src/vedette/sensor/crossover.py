"""From how many changes on a reload is sooner than the socket: measured on each sensor.

Hard rule: ``delta_max`` stays the bound, whatever was measured. The figures outlive a failed proof,
so they are in a file of their own beside ``engine.json``.
"""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple, Self

import msgspec
from msgspec import Struct

from vedette.files import write_atomically
from vedette.sensor.install import RulesDirectory

_FILE = "speed.json"
_WEIGHT = 0.3
"""Of the newest measurement; the others have the rest."""
_CHANGES_MIN = 100
"""Fewer are over before their speed can be told."""
_ENTRIES_PER_S = 5_000.0
_RELOAD_S = 0.3
_RELOAD_S_PER_ENTRY = 2.5e-6
"""What is assumed as long as nothing was measured: the slowest socket and reload that were seen."""
_NOBODY_WAITS_S = 0.25
"""So long the socket may take even if a reload is sooner: a reload needs a second copy of all sets,
and compiles the rules of others too."""


class Limit(NamedTuple):
    """How many changes may go over the socket."""

    changes: int
    reason: str
    """Why not more."""


class Speed(Struct, frozen=True, kw_only=True):
    """How fast one engine takes changes either way; -1 is not measured yet."""

    entries_per_s: float = -1.0
    """Changes over the socket, smoothed."""
    reload_s: float = -1.0
    """A reload with all its rules, smoothed."""
    last_reload_s: float = -1.0
    """The last one, as it was."""

    def after_delta(self, changes: int, seconds: float) -> Self:
        """Take a measurement into account; that of a tiny change is not one."""
        if changes < _CHANGES_MIN or seconds <= 0:
            return self
        return msgspec.structs.replace(
            self, entries_per_s=_smooth(self.entries_per_s, changes / seconds, digits=0)
        )

    def after_reload(self, seconds: float) -> Self:
        """Take a measurement into account."""
        smoothed = _smooth(self.reload_s, seconds, digits=3)
        return msgspec.structs.replace(self, reload_s=smoothed, last_reload_s=seconds)

    def limit(self, entries: int, delta_max: int) -> Limit:
        """Return the most changes for which the socket is the better way.

        Args:
            entries: Of all sets; tells how long a reload takes that was never measured.
            delta_max: The bound that a person has set.
        """
        per_s = self.entries_per_s if self.entries_per_s > 0 else _ENTRIES_PER_S
        reload_s = self.reload_s
        if reload_s < 0:
            reload_s = _RELOAD_S + entries * _RELOAD_S_PER_ENTRY
        sooner = int(per_s * max(reload_s, _NOBODY_WAITS_S))
        if sooner < delta_max:
            return Limit(
                sooner,
                f"more than {sooner:,} entries have changed: at {per_s:,.0f} a second over the"
                f" socket, a reload of {reload_s:.2g} s is sooner",
            )
        return Limit(delta_max, f"more than delta_max ({delta_max:,}) entries have changed")


def speed_of(directory: RulesDirectory) -> Speed:
    """Return what was measured on the sensor so far."""
    try:
        return msgspec.json.decode((directory.path / _FILE).read_bytes(), type=Speed)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return Speed()


def keep_speed(directory: RulesDirectory, speed: Speed) -> None:
    """Remember it. That it cannot be written costs nothing but a guess at the next push."""
    with suppress(OSError):
        write_atomically(directory.path / _FILE, [msgspec.json.encode(speed)])


def _smooth(before: float, now: float, digits: int) -> float:
    return round(now if before < 0 else (1 - _WEIGHT) * before + _WEIGHT * now, digits)
