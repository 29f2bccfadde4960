"""What the pool is asked and answers: plain frozen records, all times aware UTC."""

from __future__ import annotations

from datetime import date, datetime

from msgspec import Struct


class Place(Struct, frozen=True):
    """A value where it was, or may have been, seen."""

    field: str
    value: str
    below: bool = False
    """Whether every name below it is meant too."""


class Wanted(Struct, frozen=True, kw_only=True):
    """Which sightings are asked for; what is empty does not matter."""

    fields: tuple[str, ...] = ()
    since: datetime | None = None
    """Of sightings: last seen then or later. Of new ones: came in then or later."""
    until: datetime | None = None
    """Of sightings: first seen before. Of new ones: came in before."""
    host: str = ""
    """One end, ours or theirs, within the retention; of new ones: of the first event."""
    sensor: str = ""
    contains: str = ""
    """A part of the value, whatever the case."""
    below: str = ""
    """A name: it and every name below it."""
    learning: bool = False
    """Of new ones: those of the learning period, too."""
    latest: bool = False
    """Of new ones: the latest first, instead of the order in which they came in."""
    limit: int = 100
    """At most so many; 0: all."""


class Cursor(Struct, frozen=True, kw_only=True):
    """How far a reader of new sightings has come: what comes after it is unread."""

    found_at: datetime
    field: str
    value: str


class Who(Struct, frozen=True, kw_only=True):
    """One pair of hosts between which a value was seen, within the retention."""

    field: str
    value: str
    client: str
    server: str
    sensor: str
    first_seen: datetime
    last_seen: datetime
    count: int
    days: int
    flow_id: int
    """One flow to pivot from."""


class Sighting(Struct, frozen=True, kw_only=True):
    """A value of a field: since when, until when, how often, and who was first."""

    field: str
    value: str
    first_seen: datetime
    last_seen: datetime
    count: int
    patient_zero: str
    """Our end of the earliest observation: the client, or the server for ``ip.src``."""
    client: str
    server: str
    sensor: str
    """The ends and the sensor of the earliest observation."""
    hosts: int = 0
    """Distinct hosts on our end within the retention."""


class Day(Struct, frozen=True, kw_only=True):
    """One day of a timeline."""

    day: date
    count: int
    hosts: int


class NewSighting(Struct, frozen=True, kw_only=True):
    """A value that nobody had seen on this network before."""

    found_at: datetime
    """When it came in (the hub's clock)."""
    field: str
    value: str
    first_seen: datetime
    client: str
    server: str
    sensor: str
    learning: bool
    """Seen within the learning period: everything is new then."""


class Gap(Struct, frozen=True, kw_only=True):
    """Hours in which a sensor said nothing at all."""

    since: datetime
    until: datetime


class SensorCoverage(Struct, frozen=True, kw_only=True):
    """How much of the past of one sensor is in the pool."""

    sensor: str
    first_seen: datetime
    last_seen: datetime
    events: int
    hours: int
    """Hours with at least one event."""
    gaps: tuple[Gap, ...]
    """The longest first, at most 20."""
    gap_hours: int
    """Of all gaps."""
    ahead: int = 0
    """Events dated more than a day after now: a clock is wrong. They count in ``events`` only,
    unless there are no others."""


class Coverage(Struct, frozen=True, kw_only=True):
    """What an answer can know: said with every hunt."""

    at: datetime
    sensors: tuple[SensorCoverage, ...]
    observations_since: date | None
    """Who and when is known from here on (retention); sightings are kept for ever."""
    learning_until: datetime | None


class Found(Struct, frozen=True, kw_only=True):
    """An indicator that the network had already met."""

    type: str
    indicator: str
    field: str
    observed: str
    """The value as the network showed it (a subdomain of the indicator, for instance)."""
    match: str
    first_seen: datetime
    last_seen: datetime
    count: int
    patient_zero: str
    client: str
    server: str
    sensor: str
    hosts: int
    """Distinct hosts on our end within the retention; 0: too long ago to know."""


class Prevalence(Struct, frozen=True, kw_only=True):
    """How common a candidate indicator is on our network, in the last days."""

    type: str
    value: str
    hosts: int
    """Distinct hosts on our end, over all fields and all names below it."""
    count: int
    days: int
    """Distinct days on which it was seen."""
    first_seen: datetime | None
    """Ever, not only in the window; None: never."""


class TableSize(Struct, frozen=True, kw_only=True):
    """What one table takes."""

    table: str
    rows: int
    """As stored: rows that are not merged yet count apiece."""
    bytes: int
    """On disk, compressed."""
    parts: int = 0


class Expired(Struct, frozen=True, kw_only=True):
    """What a run of the retention dropped."""

    partitions: tuple[str, ...]
    """Weeks that went whole, by their Monday."""
    rows: int
    bytes: int
