"""How a person sees all that is known about one value."""

from __future__ import annotations

from vedette.cli.output import Output, moment
from vedette.cli.ruling_options import day, reach
from vedette.model import Entry, Ruling
from vedette.pipeline.reviewing import About, Review, State

_ENTRIES_SHOWN = 10
_HEADLINES = {
    State.PUBLISHED: "published",
    State.EXACT: "published, without the names below it",
    State.COVERED: "published through a name above it",
    State.WAITING: "let through, in no generation yet",
    State.UNMATCHED: "let through, but no rule matches it",
    State.HELD: "HELD, not on the sensors",
    State.DROPPED: "DROPPED, not on the sensors",
}


def show_review(out: Output, found: Review) -> None:
    """Print the answer: the indicators, or why there is none."""
    for one in found.indicators:
        _show_about(out, one)
    if not any(one.is_asked for one in found.indicators):
        _show_unlisted(out, found)
    for bad in found.unusable:
        where = f" ({bad.ref})" if bad.ref else ""
        out.warn(f"{bad.source} has exactly this{where}, and it cannot be used: {bad.reason}")
    _show_past(out, found)
    if not found.indicators and found.next:
        _show_next(out, found.next)


def _show_past(out: Output, found: Review) -> None:
    past = found.past
    if past is None:
        return
    if not past.values:
        out.say("our network never showed it, as far as is remembered")
        return
    below = past.values - 1
    more = f" and {below:,} name{'' if below == 1 else 's'} below" if below else ""
    out.say(
        f"our network showed it{more} {past.times:,} times,"
        f" {moment(past.first_seen)} to {moment(past.last_seen)}: vedette sighting show"
    )


def _show_about(out: Output, one: About) -> None:
    out.say(f"{one.type.value}  {one.value}  {_headline(one)}", style="bold")
    if one.why:
        out.say(f"  why: {one.why}")
    if one.is_stale:
        last = one.steps[-1]
        out.warn(f"the next build makes it: {last.outcome} ({last.text})")
    _show_entries(out, one.entries)
    out.say("  the guard:" if one.is_asked else "  the guard, in the end:")
    for step in one.steps if one.is_asked else one.steps[-1:]:
        out.say(f"    {step.test:<12} {step.outcome:<8} {step.text}")
    _show_rulings(out, one)
    _show_sensors(out, one)
    if fired := one.fired:
        retro = f", {fired.retro:,} of them found by hunts" if fired.retro else ""
        out.say(
            f"  hits: {fired.count:,} by {fired.clients:,} hosts{retro},"
            f" {moment(fired.first_seen)} to {moment(fired.last_seen)}"
        )
    else:
        out.say("  hits: none")
    _show_next(out, one.next)


def _headline(one: About) -> str:
    if one.covered_by and one.state in (State.HELD, State.DROPPED):
        return f"{one.state.value.upper()}, but {one.covered_by} alerts on it"
    return _HEADLINES[one.state]


def _show_entries(out: Output, entries: tuple[Entry, ...]) -> None:
    out.say("  listed by:")
    for entry in entries[:_ENTRIES_SHOWN]:
        context = entry.context
        tags = ", ".join((*context.tags, *entry.tags)) or "-"
        out.say(f"    {entry.source}: {context.info or '-'}  (since {_came(entry)})")
        level = f"  threat level {context.threat_level}" if context.threat_level else ""
        out.say(f"      event {context.key or '-'}  TLP {context.tlp or '-'}{level}  tags {tags}")
        if worth := _worth(entry):
            out.say(f"      {worth}")
        if context.url:
            out.say(f"      {context.url}")
    if len(entries) > _ENTRIES_SHOWN:
        out.say(f"    and {len(entries) - _ENTRIES_SHOWN:,} more claims (--json has them)")


def _came(entry: Entry) -> str:
    return day(entry.added_at) if entry.added_at else "before that was kept"


def _worth(entry: Entry) -> str:
    """What the source says of it: when it changed, until when it counts, how sure it is."""
    said = (
        f"last changed {day(entry.changed)}" if entry.changed > 0 else "",
        f"expires {day(entry.expires)}" if entry.expires else "",
        f"confidence {entry.confidence}" if entry.confidence >= 0 else "",
    )
    return ", ".join(filter(None, said))


def _show_rulings(out: Output, one: About) -> None:
    if one.rulings or one.past_rulings:
        out.say("  decided:")
    for ruling in one.rulings:
        out.say(f"    {ruling_text(ruling)}")
    for past in one.past_rulings:
        ended = (
            f"ended {day(past.ended_at)} by {past.ended_by}: {past.ended_why}"
            if past.ended_at
            else "ran out"
        )
        out.say(f"    {ruling_text(past.ruling)}; {ended}")


def ruling_text(ruling: Ruling) -> str:
    """A ruling in one line."""
    return (
        f"{ruling.kind.value} {ruling.value} {reach(ruling)}, by {ruling.who},"
        f" {day(ruling.at)}, until {day(ruling.until)}: {ruling.why}"
    )


def _show_sensors(out: Output, one: About) -> None:
    if one.published_at:
        out.say(f"  published since {moment(one.published_at)}")
    if not one.sensors:
        out.say("  sensors: none is set up (vedette sensor add --help)")
    for where in one.sensors:
        mark = out.good if where.watches else out.bad
        asked = f", asked {moment(where.proved_at)}" if where.proved_at else ""
        mark(f"{where.sensor}: {where.why}{asked}")


def _show_unlisted(out: Output, found: Review) -> None:
    out.say(f"no source lists '{found.asked}' ({found.listed:,} indicators looked at)")
    if found.meant.refused:
        out.say(f"  it cannot be an indicator: {found.meant.refused}")
    elif found.meant.value:
        out.say(f"  looked for as {found.meant.value} ({found.meant.type})")
    for gone in found.withdrawn:
        out.say(f"  {gone.source} listed it until {moment(gone.at)}: {gone.reason}")
    for ruling in found.rulings:
        out.say(f"  {ruling_text(ruling)}")
    for trouble in found.sources:
        out.warn(f"{trouble.source or 'sources'}: {trouble.why}")
    if found.left_out:
        total = sum(found.left_out.values())
        out.say(f"  {total:,} values of the sources are no indicators here, such as this may be:")
        for reason, n in list(found.left_out.items())[:_ENTRIES_SHOWN]:
            out.say(f"    {n:,}  {reason}")


def _show_next(out: Output, commands: tuple[str, ...]) -> None:
    for number, command in enumerate(commands):
        out.say(f"  {'next:' if not number else '     '} {command}")
