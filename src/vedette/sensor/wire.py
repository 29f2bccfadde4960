"""What hub and agent say to each other: frozen documents, JSON on the wire.

Readers ignore members that they do not know, so that hub and agents of different versions talk.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec
from msgspec import Struct

from vedette.sensor.finding import Finding
from vedette.sensor.proof import Proof


class Announcement(Struct, frozen=True, kw_only=True):
    """The hub's statement which generation is wanted. It is signed as the bytes it is sent as."""

    hub: str
    """Who says so: the instance id of the hub's store."""
    serial: int
    """Rises with every announcement of a hub, a roll back included: an agent that has seen a
    greater one refuses this one."""
    generation: int
    content_id: str
    manifest: str
    """SHA-256 of ``manifest.json``, in hex."""
    at: datetime
    """By the hub's clock; for people only."""
    why: str
    """``build``, or what a person or the roll-out did: ``rollback: ...``, ``stopped: ...``."""


class SignedAnnouncement(Struct, frozen=True, kw_only=True):
    """An announcement as it is sent, stored and put on a stick."""

    document: str
    """The JSON text of an :class:`Announcement`; its UTF-8 bytes are what is signed."""
    signature: str
    """Text of a minisign signature of it."""

    def read(self) -> Announcement:
        """Return what it says; the signature is not looked at.

        Raises:
            msgspec.DecodeError: It is no announcement.
        """
        return msgspec.json.decode(self.document.encode(), type=Announcement)


class State(StrEnum):
    """What is known of a sensor, in one word."""

    PROVED = "proved"
    """The engine was asked and holds the wanted generation."""
    BEHIND = "behind"
    """It holds (proved) another generation than the wanted one; it is on its way."""
    DRIFTED = "drifted"
    """It was asked and does not hold what was installed; ``why`` tells what is red and what to
    do."""
    SILENT = "silent"
    """Its engine, or its agent, does not answer: nothing is known now."""
    REFUSED = "refused"
    """The agent refuses what the hub announces (signature, serial, damaged files)."""
    FETCHED = "fetched"
    """A consumer fetched the wanted generation; nobody asked its engine."""
    NEVER = "never"
    """Nothing was ever heard of it."""


class EngineState(Struct, frozen=True, kw_only=True):
    """What the engine says of itself."""

    version: str = ""
    uptime_s: int = -1
    packets: int = 0
    dropped: int = 0
    """Packets that the kernel did not hand over since the start."""
    alerts_lost: int = 0
    """Alerts beyond ``packet-alert-max`` since the start."""
    reloaded_at: str = ""
    """When the rules in force were loaded, as the engine spells it."""
    reload_s: float = -1.0
    """How long our last reload took; -1: there was none."""
    entries_per_s: float = -1.0
    """Measured speed of the command socket; -1: not measured yet."""


class EveState(Struct, frozen=True, kw_only=True):
    """How reading of eve.json goes."""

    lag_s: float = -1.0
    """Between the newest event's own time and the moment when it was read; -1: none was read."""
    behind_bytes: int = 0
    """Written and not read yet."""
    last_event_at: datetime | None = None
    waiting: int = 0
    """Batches of our alerts that the hub has not taken yet."""


class Rate(Struct, frozen=True):
    """Alerts of our rules in one minute."""

    minute: int
    """Epoch seconds // 60, by the engine's time."""
    alerts: int


class Delivered(Struct, frozen=True, kw_only=True):
    """How the last generation came into force (see :class:`vedette.sensor.push.Pushed`)."""

    generation: int
    how: str
    reason: str = ""
    added: int = 0
    removed: int = 0
    fetch_s: float = 0.0
    install_s: float = 0.0
    live_s: float = 0.0
    at: datetime


class Report(Struct, frozen=True, kw_only=True):
    """What a sensor's state is, said by its agent, or by the hub that reached it itself."""

    at: datetime
    """By the clock of whoever says it."""
    by: str
    """``agent 0.5.0``, ``hub``."""
    delivery: str
    state: State
    why: str = ""
    """One line for people; ``""`` when proved."""
    serial: int = 0
    """Of the announcement that it was told last and accepted; 0: none."""
    generation: int = 0
    """Held and proved, or installed if not proved; 0: none."""
    content_id: str = ""
    proof: Proof | None = None
    """The newest; None: never, or it was sent before."""
    delivered: Delivered | None = None
    engine: EngineState = EngineState()
    eve: EveState | None = None
    rates: tuple[Rate, ...] = ()
    """Of the last minutes; the same minute may come again with a greater count."""
    findings: tuple[Finding, ...] | None = None
    """Of the doctor; None: he has not looked since the last report."""
    drifts: int = 0
    """Times that it drifted since the agent started."""
    repaired_at: datetime | None = None
