"""How the memory is, on one screen."""

from __future__ import annotations

from collections import Counter

from vedette.cli.output import Output, moment, size
from vedette.cli.sighting_table import hours, minute
from vedette.pipeline.memory import Status
from vedette.pool.records import SensorCoverage
from vedette.store.intake import InputTotals

_GAPS_SHOWN = 3
_NOT_REASONS = {"lines", "events", "ignored", "empty"}


def show_status(out: Output, status: Status) -> None:
    """Print what is remembered, what it takes, and what is behind."""
    out.say(f"engine   {status.engine}")
    out.say(f"open in  {status.owner}")
    out.say(f"reader   {'native' if status.native == 'yes' else f'Python: {status.native}'}")
    out.say(f"known    {status.known:,} values")
    until = status.coverage.learning_until
    if until is not None:
        state = "until" if until > status.coverage.at else "ended"
        out.say(f"learning {state} {moment(until)}")
    since = status.coverage.observations_since
    out.say(f"who      {f'known since {since}' if since else 'nothing yet'}; values for ever")
    backlog = f"{status.spool_files:,} batches, {size(status.spool_bytes)}"
    out.say(f"spool    {backlog if status.spool_files else 'empty'}")
    if status.damaged_files:
        out.warn(f"{status.damaged_files:,} batches could not be read back: spool/damaged has them")
    _show_tables(out, status)
    _show_sensors(out, status)
    _show_inputs(out, status.inputs)
    if not status.coverage.sensors:
        _show_emptiness(out, status)


def _show_emptiness(out: Output, status: Status) -> None:
    out.say("")
    events = sum(one.counts.get("events", 0) for one in status.inputs)
    if events:
        out.bad(f"the store is empty, but {events:,} events had been read into it")
        out.say(
            "       Was it removed or replaced? Positions are in vedette.db: keep both together."
        )
        return
    out.say("Nothing has been read yet.")
    out.say("  what is on disk:  vedette pool ingest /var/log/suricata")
    out.say("  from now on:      vedette sensor add NAME --eve FILE ..., then vedette run")


def _show_tables(out: Output, status: Status) -> None:
    out.say("")
    out.table(
        ("table", "rows", "on disk", "bytes a row", "parts"),
        [
            (
                one.table,
                one.rows,
                size(one.bytes),
                f"{one.bytes / one.rows:.1f}" if one.rows else "-",
                one.parts,
            )
            for one in status.tables
        ],
    )


def _show_sensors(out: Output, status: Status) -> None:
    sensors = sorted(status.coverage.sensors, key=lambda one: one.sensor)
    if not sensors:
        return
    out.say("")
    out.table(
        ("sensor", "first event UTC", "last event UTC", "behind", "events", "silent"),
        [
            (
                one.sensor,
                minute(one.first_seen),
                minute(one.last_seen),
                lag(one, status),
                one.events,
                hours(one.gap_hours) if one.gap_hours else "-",
            )
            for one in sensors
        ],
    )
    for one in sensors:
        if one.ahead:
            out.warn(f"{one.sensor}: {one.ahead:,} events are dated after tomorrow: a wrong clock")
        for gap in one.gaps[:_GAPS_SHOWN]:
            out.say(f"  {one.sensor} said nothing {minute(gap.since)} to {minute(gap.until)}")
        if len(one.gaps) > _GAPS_SHOWN:
            out.say(f"  {one.sensor}: and {len(one.gaps) - _GAPS_SHOWN} more gaps (--json)")


def lag(one: SensorCoverage, status: Status) -> str:
    """How far the last event lies behind now, in the largest unit that says something."""
    seconds = max(0, int((status.coverage.at - one.last_seen).total_seconds()))
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def _show_inputs(out: Output, inputs: tuple[InputTotals, ...]) -> None:
    if not inputs:
        return
    out.say("")
    out.table(
        ("input", "sensor", "lines", "events", "not used", "read UTC"),
        [
            (
                f"{one.kind} {one.place}",
                one.sensor,
                one.counts.get("lines", 0),
                one.counts.get("events", 0),
                sum(n for name, n in one.counts.items() if name not in _NOT_REASONS),
                minute(one.updated_at),
            )
            for one in inputs
        ],
    )
    reasons: Counter[str] = Counter()
    for one in inputs:
        reasons.update({n: c for n, c in one.counts.items() if n not in _NOT_REASONS and c})
    if reasons:
        text = ", ".join(f"{name} {n:,}" for name, n in reasons.most_common())
        out.say(f"  not used, by reason: {text}")
