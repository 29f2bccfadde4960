"""Everything about one value on one screen: the card that an analyst reads first."""

from __future__ import annotations

from collections.abc import Sequence

from vedette.cli.bars import draw
from vedette.cli.output import Output, moment
from vedette.cli.sighting_pairs import pairs
from vedette.cli.sighting_table import INDENT, WIDE, minute, show_coverage, show_sightings
from vedette.fields import BY_NAME, Asset
from vedette.model import Outcome
from vedette.pipeline.looking import Card, Listed
from vedette.pipeline.naming import Named
from vedette.pool.records import Day, Sighting, Who

_CONTEXTS_SHOWN = 5
_FIELDS_SHOWN = 20
_BARS_MAX = 90
_LOOKED_SHOWN = 3
_VERDICTS = {
    Outcome.HOLD.value: "held, on no sensor",
    Outcome.DROP.value: "dropped, on no sensor",
    Outcome.EXACT.value: "without the names below it",
}


def show_card(out: Output, card: Card, named: Named, who_limit: int) -> None:
    """Print the card: in short, then where, when, by whom, and who lists it."""
    if card.sightings:
        _show_summary(out, card)
        _show_fields(out, card.sightings)
        _show_days(out, card.days)
        _show_who(out, card.who, who_limit)
    else:
        _show_absence(out, named)
    _show_listed(out, card.listed)
    out.say("")
    show_coverage(out, card.coverage)


def _line(out: Output, label: str, text: str) -> None:
    out.say(f"{label:<{INDENT}}{text}")


def _show_absence(out: Output, named: Named) -> None:
    text = named.text.strip()
    out.say(f"{text}: never seen", style="bold")
    if named.places[0].value != text:
        _line(out, "spelt", named.places[0].value)
    fields = list(dict.fromkeys(place.field for place in named.places))
    more = f" and {len(fields) - _LOOKED_SHOWN} more" if len(fields) > _LOOKED_SHOWN else ""
    _line(out, "looked in", f"{', '.join(fields[:_LOOKED_SHOWN])}{more}")
    if named.host:
        _line(out, "its host", f"vedette sighting show {named.host}")
    if named.is_name and not any(place.below for place in named.places):
        _line(out, "names below", "--below looks for them, too")


def _show_summary(out: Output, card: Card) -> None:
    seen, who, days = card.sightings, card.who, card.days
    first = min(seen, key=lambda one: (one.first_seen, one.client, one.server))
    last = max(seen, key=lambda one: one.last_seen)
    values = list(dict.fromkeys(one.value for one in seen))
    more = f" and {len(values) - 1:,} more names" if len(values) > 1 else ""
    out.say(f"{values[0]}{more}", style="bold")
    _line(out, "first seen", f"{moment(first.first_seen)}  {first.field}, on {first.sensor}")
    _line(out, "", f"{first.client or '?'} to {first.server or '?'}")
    _line(out, "last seen", f"{moment(last.last_seen)}  {last.field}")
    hosts, fields = len({_host(one) for one in who}), len({one.field for one in seen})
    known = f"{_many(hosts, 'host')} on {_many(len(days), 'day')}" if who else "no longer known"
    _line(out, "seen by", f"{known}, in {_many(fields, 'field')}")
    _line(out, "patient zero", first.patient_zero or "unknown")


def _many(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def _host(one: Who) -> str:
    field = BY_NAME.get(one.field)
    return one.server if field is not None and field.asset is Asset.SERVER else one.client


def _show_fields(out: Output, seen: Sequence[Sighting]) -> None:
    out.say("")
    shown = list(seen[:_FIELDS_SHOWN])
    if len({one.value for one in seen}) > 1:
        show_sightings(out, shown)
    else:
        out.table(
            ("field", "first seen UTC", "last seen UTC", "count", "hosts"),
            [
                (s.field, minute(s.first_seen), minute(s.last_seen), s.count, s.hosts or "-")
                for s in shown
            ],
        )
    if len(seen) > len(shown):
        out.say(f"and {len(seen) - len(shown):,} more (--json has all)")


def _show_days(out: Output, days: Sequence[Day]) -> None:
    bars = draw(days, min(out.width - INDENT - 1, _BARS_MAX))
    if bars is None:
        return
    out.say("")
    _line(out, "by day", bars.text)
    span = f"{bars.since} to {bars.until}" if bars.since != bars.until else f"{bars.since}"
    each = "" if bars.days == 1 else f", a bar for {bars.days} days"
    _line(out, "", f"{span}{each}")
    hosts = _many(bars.peak.hosts, "host")
    _line(out, "", f"most on {bars.peak.day}: {_many(bars.peak.count, 'time')} by {hosts}")


def _show_who(out: Output, who: Sequence[Who], limit: int) -> None:
    out.say("")
    if not who:
        _line(out, "who", "no longer known: last seen before the retention begins")
        return
    found = pairs(who)
    shown = found[:limit] if limit else found
    if out.width < WIDE:
        out.table(
            ("last seen UTC", "client", "server", "count", "days", "in"),
            [
                (minute(one.last_seen), one.client, one.server, one.count, one.days, one.protocols)
                for one in shown
            ],
        )
    else:
        out.table(
            (
                "last seen UTC",
                "first seen UTC",
                "client",
                "server",
                "sensor",
                "count",
                "days",
                "in",
                "a flow",
            ),
            [
                (
                    minute(one.last_seen),
                    minute(one.first_seen),
                    one.client,
                    one.server,
                    one.sensors,
                    one.count,
                    one.days,
                    one.protocols,
                    str(one.flow_id or "-"),
                )
                for one in shown
            ],
        )
    if len(found) > len(shown):
        out.say(f"and {len(found) - len(shown):,} more (--who 0 for all)")


def _show_listed(out: Output, listed: Sequence[Listed]) -> None:
    out.say("")
    if not listed:
        _line(out, "listed", "by no source")
        return
    label = "listed"
    for one in listed:
        for entry in one.entries[:_CONTEXTS_SHOWN]:
            context = entry.context
            tags = ", ".join((*context.tags, *entry.tags))
            _line(out, label, f"{entry.source}: {one.type} {one.value}")
            _line(out, "", context.info or "-")
            _line(out, "", f"TLP {context.tlp or '-'}  tags {tags or '-'}")
            if context.url:
                _line(out, "", context.url)
            label = ""
        if len(one.entries) > _CONTEXTS_SHOWN:
            _line(out, "", f"and {len(one.entries) - _CONTEXTS_SHOWN:,} more entries")
        if said := _VERDICTS.get(one.outcome):
            _line(out, "", f"{said}: {one.reason}")
