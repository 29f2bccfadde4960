"""``vedette source show``: when a source was pulled, how much came, why, and what was refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from vedette.cli.common import hub, with_output
from vedette.cli.output import Output, moment
from vedette.cli.source_rules import describe_rules
from vedette.errors import SourceError
from vedette.misp.http import without_secrets
from vedette.pipeline.pulling import Preview
from vedette.sources.imported import Imported, Taken, read_taken
from vedette.store import Counts, PullSummary, SourceRecord
from vedette.store.past import Removal

_PULLS = 8
_BROKEN_SHOWN = 20
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


@click.command()
@click.argument("name")
@click.option("--reason", default="", help="Show values rejected for this reason only.")
@click.option("--rejected", "limit", default=20, help="How many rejected and removed values.")
@with_output
def show(out: Output, name: str, reason: str, limit: int) -> None:
    """Show a source: settings, its last pulls, what left it and why, what was refused and why."""
    with hub() as opened:
        record = opened.store.source(name)
        refused = opened.store.rejected(name, reason=reason, limit=limit)
        pulls = opened.store.past.pulls(name, _PULLS)
        removals = opened.store.past.removals(name, limit)
        guarded = opened.store.inbox.by_source(name)[name]
    _show_settings(out, record)
    taken = _taken(record)
    if taken:
        _show_taken(out, taken)
    _show_guarded(out, guarded)
    if pulls:
        _show_last(out, record, pulls[0])
        _show_pulls(out, pulls)
    else:
        out.say("  never pulled")
    _show_removals(out, removals)
    if refused:
        out.say("Rejected, for example:")
        out.table(("value", "where", "why"), refused)
    samples = [{"value": value, "ref": ref, "reason": why} for value, ref, why in refused]
    removed = [
        {"at": at, "type": key.type, "value": key.value, "reason": why} for at, key, why in removals
    ]
    document: dict[str, Any] = {
        "source": without_secrets_of(record),
        "guard": guarded,
        "pulls": pulls,
    }
    if taken:
        document["taken"] = taken
    out.result({**document, "removed": removed, "rejected": samples})


def without_secrets_of(record: SourceRecord) -> SourceRecord:
    """Return a record whose addresses hold no password."""
    settings = {
        name: without_secrets(value) if isinstance(value, str) else value
        for name, value in record.settings.items()
    }
    return msgspec.structs.replace(record, settings=settings)


def _show_settings(out: Output, record: SourceRecord) -> None:
    out.say(
        f"{record.name} ({record.kind}): {record.entries:,} entries,"
        f" pulled every {duration(record.interval_s)}",
        style="bold",
    )
    for key, value in without_secrets_of(record).settings.items():
        if value not in ({}, [], ""):
            out.say(f"  {key}: {value}")
    if described := describe_rules(record.rules):
        out.say(f"  rules: {described}")


def _taken(record: SourceRecord) -> Taken | None:
    """What a person said of an import; None for any other source, and if it cannot be read."""
    if record.kind != Imported.kind:
        return None
    try:
        return read_taken(Path(str(record.settings["location"])))
    except (OSError, SourceError):
        return None  # its last pull says why


def _show_taken(out: Output, taken: Taken) -> None:
    out.say(
        f"  taken out of {taken.origin} ({taken.form or 'text'}) by {taken.who or '?'}"
        f" at {_at(taken.taken_at)}, TLP {taken.tlp or 'not said'}"
    )
    if taken.why:
        out.say(f"  why: {taken.why}")
    if taken.tags:
        out.say(f"  tags: {', '.join(taken.tags)}")
    if taken.expires:
        out.say(f"  until: {_at(taken.expires)}")


def _at(epoch_s: int) -> str:
    return moment(datetime.fromtimestamp(epoch_s, UTC) if epoch_s else None)


def _show_guarded(out: Output, guarded: Counts) -> None:
    """Print what became of its indicators on the way to the sensors."""
    if not guarded.listed:
        return
    waiting = f", {guarded.waiting:,} not judged yet" if guarded.waiting else ""
    exact = f", {guarded.exact:,} of them without names below" if guarded.exact else ""
    out.say(
        f"  {guarded.listed:,} indicators: {guarded.published + guarded.exact:,} published{exact},"
        f" {guarded.held:,} held, {guarded.dropped:,} dropped{waiting}"
    )
    if guarded.held or guarded.dropped:
        out.say("  vedette indicator list --held (or --dropped) --source NAME says which and why")


def _show_last(out: Output, record: SourceRecord, last: PullSummary) -> None:
    if last.outcome in {"held", "failed"}:
        out.bad(f"last pull {moment(last.finished_at)} {last.outcome}: {last.error}")
        if last.hint:
            out.say(f"       {last.hint}")
        good = record.last_good_at
        force = f"In force is what came by {moment(good)}." if good else "Nothing ever came of it."
        out.say(f"       {force}")
    else:
        out.good(f"last pull {moment(last.finished_at)}: {last.outcome}")
    if _counts(last.groups):
        out.say("  groups: " + _counts(last.groups))
    if last.removed_why:
        out.say("  removed: " + _counts(last.removed_why))
    if last.kept:
        out.say("  kept as they were: " + _counts(last.kept))
    _show_left_out(out, last.rejected, last.skipped, last.broken)


def _show_pulls(out: Output, pulls: Sequence[PullSummary]) -> None:
    out.say("Pulls:")
    rows = [
        (
            moment(pull.finished_at),
            pull.outcome,
            _took(pull),
            pull.entries,
            pull.added,
            pull.removed,
            sum(pull.rejected.values()),
            sum(pull.skipped.values()),
            pull.groups.get("broken", 0),
        )
        for pull in pulls
    ]
    heads = ("when", "outcome", "took", "entries", "added", "removed", "rejected", "left out")
    out.table((*heads, "broken"), rows)


def _show_removals(out: Output, removals: Sequence[Removal]) -> None:
    if removals:
        out.say("Removed last:")
        rows = [(at, key.type.value, key.value[:100], why) for at, key, why in removals]
        out.table(("when", "type", "value", "why"), rows)


def show_preview(out: Output, found: Preview) -> None:
    """Show what a source would bring."""
    if found.connection:
        out.good(", ".join(f"{key}: {value}" for key, value in found.connection.items()))
    if found.types:
        out.say(f"{sum(found.types.values()):,} indicators would come:")
        rows = [
            (kind, n, ", ".join(text[:60] for text in found.samples[kind][:3]))
            for kind, n in found.types.items()
        ]
        out.table(("type", "indicators", "for example"), rows)
    else:
        out.warn("nothing usable would come")
    _show_left_out(out, found.rejected, found.skipped, found.broken)
    out.result(found)


def _show_left_out(
    out: Output, rejected: Mapping[str, int], skipped: Mapping[str, int], broken: Mapping[str, str]
) -> None:
    rows = [("rejected", reason, n) for reason, n in rejected.items()]
    rows += [("left out", reason, n) for reason, n in skipped.items()]
    shown = list(broken.items())[:_BROKEN_SHOWN]
    rows += [("broken", f"{key}: {reason}", 1) for key, reason in shown]
    if more := len(broken) - len(shown):
        rows.append(("broken", "others", more))
    if rows:
        out.say("Not used:")
        out.table(("what", "why", "values"), rows)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{n:,} {what}" for what, n in counts.items() if n)


def _took(pull: PullSummary) -> str:
    if pull.finished_at is None:
        return "-"
    return f"{(pull.finished_at - pull.started_at).total_seconds():.1f} s"


def duration(seconds: int) -> str:
    """Say an interval in its largest whole unit: ``6 h``."""
    size, unit = next(each for each in _UNITS if seconds % each[0] == 0)
    return f"{seconds // size} {unit}"
