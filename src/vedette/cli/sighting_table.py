"""Sightings as tables, and what is said when there are none."""

from __future__ import annotations

from datetime import UTC, datetime

from vedette.cli.output import Output, moment
from vedette.pool.records import Coverage, NewSighting, Sighting, Wanted

INDENT = 14
"""Columns of a label in front of a line."""

_DAYS_FROM = 72

WIDE = 112
"""Columns of a terminal from which on everything fits."""


def minute(at: datetime) -> str:
    """A time for people, in UTC, where seconds do not matter."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def hours(n: int) -> str:
    """A number of hours for people: in days once there are many."""
    return f"{n} h" if n < _DAYS_FROM else f"{n // 24:,} d"


def show_sightings(out: Output, records: list[Sighting]) -> None:
    """Print one line a sighting: when, how often, where, what."""
    if not records:
        return
    if out.width < WIDE:
        out.table(
            ("last seen UTC", "count", "hosts", "field", "value"),
            [(minute(s.last_seen), s.count, s.hosts or "-", s.field, s.value) for s in records],
            last_gives_way=True,
        )
        return
    out.table(
        ("last seen UTC", "first seen UTC", "count", "hosts", "patient zero", "field", "value"),
        [
            (
                minute(s.last_seen),
                minute(s.first_seen),
                s.count,
                s.hosts or "-",
                s.patient_zero,
                s.field,
                s.value,
            )
            for s in records
        ],
        last_gives_way=True,
    )


def show_new(out: Output, records: list[NewSighting], coverage: Coverage, wanted: Wanted) -> None:
    """Print one line a new sighting, and what learning means for them."""
    if records and out.width < WIDE:
        out.table(
            ("first seen UTC", "by", "field", "value"),
            [(minute(s.first_seen), s.client, s.field, s.value) for s in records],
        )
    elif records:
        out.table(
            ("came in UTC", "first seen UTC", "by", "to", "sensor", "field", "value"),
            [
                (
                    minute(s.found_at),
                    minute(s.first_seen),
                    s.client,
                    s.server,
                    s.sensor,
                    s.field,
                    s.value,
                )
                for s in records
            ],
            last_gives_way=True,
        )
    say_learning(out, coverage, wanted)


def say_learning(out: Output, coverage: Coverage, wanted: Wanted) -> None:
    """Say until when everything is expected to be new, as long as that hides something."""
    until = coverage.learning_until
    if until is None or wanted.learning:
        return
    verb = "ends" if until > coverage.at else "ended"
    out.say(f"Learning {verb} {moment(until)}; what came up before is hidden (--learning)")


def show_emptiness(out: Output, coverage: Coverage, wanted: Wanted) -> None:
    """Say why nothing is shown, and what to do."""
    if not coverage.sensors:
        out.say("The memory is empty: nothing has been read yet.")
        out.say("  what is on disk:  vedette pool ingest /var/log/suricata")
        out.say("  from now on:      vedette sensor add NAME --eve FILE ..., then vedette run")
        return
    out.say("Nothing fits.")
    if wanted.host:
        since = coverage.observations_since
        out.say(f"  who was seen is known since {since or 'nothing yet'} (pool.retention)")
    show_coverage(out, coverage)


def show_coverage(out: Output, coverage: Coverage) -> None:
    """Say how much of the past an answer covers, sensor by sensor."""
    label = "covered"
    if not coverage.sensors:
        out.say(f"{label:<{INDENT}}nothing: the memory is empty (vedette pool ingest, vedette run)")
    for one in sorted(coverage.sensors, key=lambda sensor: sensor.sensor):
        span = f"{minute(one.first_seen)} to {minute(one.last_seen)}"
        out.say(f"{label:<{INDENT}}{one.sensor}: {span}, {one.events:,} events")
        if one.gaps:
            longest = f"{minute(one.gaps[0].since)} to {minute(one.gaps[0].until)}"
            out.say(f"{'':<{INDENT}}  silent {hours(one.gap_hours)}, longest {longest}")
        if one.ahead:
            out.say(f"{'':<{INDENT}}  {one.ahead:,} events are dated after tomorrow: a wrong clock")
        label = ""
    if coverage.observations_since is not None:
        out.say(f"{'':<{INDENT}}who and when since {coverage.observations_since}, values for ever")
