"""Reload the engine's rules, and know whether somebody else does.

Hard rule: nothing is added over the socket while a reload runs; the engine says "data added" and
loses it when the reload ends.
"""

from __future__ import annotations

import time
from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct

from vedette.errors import SensorError
from vedette.sensor.client import SuricataSocket
from vedette.sensor.protocol import Outcome

_POLL_S = 0.02
_DOUBT_S = 5.0


class Mark(Struct, frozen=True):
    """Which load of its rules the engine is in."""

    reloads: int
    """How many reloads have begun."""
    loaded_at: str
    """When the rules in force were loaded."""


class Reloaded(NamedTuple):
    """A reload of ours that has ended."""

    mark: Mark
    """After it; no reload that began before it is running any more."""
    seconds: float
    """How long it took, waiting for somebody else's apart."""


class Activity(StrEnum):
    """What happened since a mark."""

    NONE = "none"
    """The same rules are in force, and no reload is running."""
    RUNNING = "running"
    """A reload is running."""
    RELOADED = "reloaded"
    """Other rules are in force: a reload has ended, or the engine was started again."""
    UNKNOWN = "unknown"
    """Several reloads have begun: the last one may still be running."""


def mark(engine: SuricataSocket, since: Mark | None = None) -> Mark:
    """Return where the engine is now; the count is read before the time."""
    reloads = engine.reloads(since.reloads if since else 0)
    return Mark(reloads, engine.reload_time())


def activity(since: Mark, now: Mark) -> Activity:
    """Compare a mark that was made while no reload was running with the present."""
    same_rules = since.loaded_at == now.loaded_at
    if now.reloads == since.reloads and same_rules:
        return Activity.NONE
    if now.reloads == 0:
        return Activity.RELOADED  # started again: the socket opens when the rules are loaded
    if same_rules:
        return Activity.RUNNING
    if now.reloads == since.reloads + 1:
        return Activity.RELOADED
    return Activity.UNKNOWN


def reload(engine: SuricataSocket, timeout_s: float) -> Reloaded:
    """Reload the rules and wait until they are in force; a reload that already runs goes first.

    Raises:
        SensorError: The engine cannot reload, or not in time.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        before = mark(engine)
        began = time.monotonic()
        outcome = engine.begin_reload()
        if outcome is Outcome.DONE:
            loaded_at = _wait(engine, before.loaded_at, deadline, timeout_s)
            seconds = time.monotonic() - began
            return Reloaded(Mark(before.reloads + 1, loaded_at), round(seconds, 3))
        if outcome is not Outcome.RELOADING:
            raise _refused(outcome)
        _sleep(deadline, timeout_s)


def _wait(engine: SuricataSocket, before: str, deadline: float, timeout_s: float) -> str:
    doubt_at = time.monotonic() + _DOUBT_S
    while (loaded_at := engine.reload_time()) == before:
        if time.monotonic() > doubt_at:
            _still_runs(engine, before)
            doubt_at = time.monotonic() + _DOUBT_S
        _sleep(deadline, timeout_s)
    return loaded_at


def _still_runs(engine: SuricataSocket, before: str) -> None:
    """Raise if the reload has ended without a change, as with a suricata.yaml that is broken."""
    if engine.begin_reload() is Outcome.DONE and engine.reload_time() == before:
        raise SensorError(
            "the engine gave the reload up; the old rules are still in force",
            hint="Its suricata.log says why; often suricata.yaml was edited: suricata -T shows it.",
        )


def _sleep(deadline: float, timeout_s: float) -> None:
    if time.monotonic() > deadline:
        raise SensorError(
            f"the engine did not end a reload within {timeout_s:g} s",
            hint="Its own ruleset may need longer: raise reload_timeout_s of the sensor. The new"
            " files are installed; they come into force with the reload.",
        )
    time.sleep(_POLL_S)


def _refused(outcome: Outcome) -> SensorError:
    if outcome is Outcome.CANNOT_RELOAD:
        return SensorError(
            "the engine was started with -S or -s and cannot reload its rules",
            hint="Start it without -S; put the path of vedette.rules under rule-files in"
            " suricata.yaml (see: vedette sensor doctor).",
        )
    return SensorError(f"the engine refused to reload: {outcome}")
