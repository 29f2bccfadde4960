"""What the store says about sources, sensors, generations and proofs: plain frozen records."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import msgspec

from vedette.errors import UsageError
from vedette.model import SourceRules
from vedette.store.history import PullSummary

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def check_name(what: str, name: str) -> None:
    """Refuse a name that could not stand in a path, in a log and on a command line.

    Raises:
        UsageError: It says which names are fine.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"a {what} cannot be named {name[:80]!r}",
            hint="Use 1 to 63 letters, digits, '.', '_' and '-'; the first a letter or a digit.",
        )


class SourceRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A configured source."""

    name: str
    kind: str
    settings: dict[str, Any]
    """As the kind's struct serialises itself, without ``name``."""
    interval_s: int
    created_at: datetime
    entries: int
    last_pull: PullSummary | None = None
    last_good_at: datetime | None = None
    rules: SourceRules = SourceRules()


class SensorRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A configured sensor and its last proof."""

    name: str
    settings: dict[str, Any]
    created_at: datetime
    proof: dict[str, Any] | None = None
    """The last :class:`vedette.sensor.Proof`, as JSON."""


class GenerationRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A published generation and how far into the changes it reaches."""

    number: int
    content_id: str
    parent: int | None
    created_at: datetime
    change_seq: int


class HitRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A grouped hit with what the sources said when it was last seen."""

    id: int
    type: str
    value: str
    observed: str
    buffer: str
    sensor: str
    client: str
    server: str
    origin: str
    first_seen: datetime
    last_seen: datetime
    count: int
    contexts: list[dict[str, Any]]
    live: str = ""
    """Of a retro hit: ``yes``, or why a live alert would not have caught it."""
    hosts: int = 0
    """Of a retro hit: distinct hosts that showed the value, within the retention."""
    status: str = "new"
    """What a person says it is: ``new``, ``investigating``, ``confirmed``, ``false-positive``."""


class HuntMark(msgspec.Struct, frozen=True, kw_only=True):
    """How far hunting by itself has come."""

    change_seq: int = 0
    """The last change whose indicators have been hunted."""
    cursor: str = ""
    """How far the new sightings have been looked at, in the words of whoever looked."""
    at: datetime | None = None
    """None: nothing has ever been hunted."""


class HuntRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A hunt with a name, to be run again."""

    name: str
    created_at: datetime
    body: dict[str, Any]
    """Where its indicators come from, in the words of whoever saved it."""
    runs: int = 0
    last_run: datetime | None = None


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a hunt."""

    id: int
    hunt: str
    """``""``: it has no name, or was made for new indicators."""
    label: str
    started_at: datetime
    finished_at: datetime
    body: dict[str, Any]
