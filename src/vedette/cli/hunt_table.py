"""What hunts say, for people: findings by indicator, what changed, and what the answer covers."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from vedette.cli.output import Output, moment
from vedette.cli.sighting_table import INDENT, WIDE, hours, minute, show_coverage
from vedette.hunt.comparing import Comparison
from vedette.hunt.live import YES
from vedette.opensearch.sentences import sentences
from vedette.pipeline.hunting import Hunted
from vedette.pipeline.list_hunting import Finding, Given, HuntAnswer
from vedette.pool.records import Coverage
from vedette.store import HuntRecord, RunRecord

_REASONS_SHOWN = 8
_BEHIND_S = 2 * 3_600
_CSV = (
    "type",
    "indicator",
    "observed",
    "field",
    "match",
    "first_seen",
    "last_seen",
    "count",
    "hosts",
    "patient_zero",
    "client",
    "server",
    "sensor",
    "live",
    "listed",
)


def show_answer(out: Output, answer: HuntAnswer, *, limit: int, as_csv: bool) -> None:
    """Print what a hunt found, what it could not look for, and what it covers."""
    if as_csv:
        write_csv(answer.findings)
        return
    _show_given(out, answer)
    show_findings(out, answer.findings, limit)
    if answer.outside:
        out.say(f"{answer.outside:,} more were seen, but not in the time that was asked for")
    _show_changes(out, answer.changes)
    out.say("")
    if answer.coverage is not None:
        show_coverage(out, answer.coverage)
        _show_lag(out, answer)
    if answer.elsewhere is not None:
        for sentence in sentences(answer.elsewhere):
            out.say(sentence)
    else:
        for field, reason in answer.not_in.items():
            out.say(f"{'not in':<{INDENT}}{field}: {reason}")
    if answer.hunt:
        out.say(f"{'again':<{INDENT}}vedette hunt run {answer.hunt}")


def write_csv(findings: Sequence[Finding]) -> None:
    """Print findings as CSV (RFC 4180), all of them."""
    writer = csv.writer(sys.stdout, lineterminator="\r\n")
    writer.writerow(_CSV)
    for one in findings:
        found = one.found
        row = {name: getattr(found, name) for name in _CSV if hasattr(found, name)}
        row |= {"live": one.live, "listed": " ".join(one.listed)}
        writer.writerow([_cell(row[name]) for name in _CSV])


def _cell(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return value


def _show_given(out: Output, answer: HuntAnswer) -> None:
    given, findings = answer.given, answer.findings
    indicators = len({(one.found.type, one.found.indicator) for one in findings})
    many = f"{given.indicators:,} indicators" if given.indicators != 1 else "1 indicator"
    seconds = (answer.finished_at - answer.started_at).total_seconds()
    out.say(f"{answer.label}: {indicators:,} of {many} met  ({seconds:.1f} s)", style="bold")
    types = ", ".join(f"{name} {n:,}" for name, n in list(given.types.items())[:_REASONS_SHOWN])
    if given.indicators > 1:
        out.say(f"{'looked for':<{INDENT}}{types}")
    _show_rejected(out, given)


def _show_rejected(out: Output, given: Given) -> None:
    label = "not usable"
    for reason, n in list(given.rejected.items())[:_REASONS_SHOWN]:
        example = next((one for one in given.samples if one.reason == reason), None)
        shown = f"  ({example.ref}: {example.value[:60]})" if example else ""
        out.say(f"{label:<{INDENT}}{n:,} {reason}{shown}")
        label = ""
    for reason, n in given.skipped.items():
        out.say(f"{label:<{INDENT}}{n:,} {reason}")
        label = ""
    if given.without_value or given.comments:
        out.say(
            f"{'':<{INDENT}}{given.without_value:,} lines without a value,"
            f" {given.comments:,} comments"
        )


def show_findings(out: Output, findings: Sequence[Finding], limit: int) -> None:
    """Print findings by indicator: a table where there is room, else a few lines each."""
    if not findings:
        out.say("Nothing of it was ever seen.")
        return
    out.say("")
    shown = findings[:limit] if limit else findings
    if out.width < WIDE:
        _show_cards(out, shown)
    else:
        _show_table(out, shown)
    if len(findings) > len(shown):
        out.say(f"and {len(findings) - len(shown):,} more (--limit 0, --csv and --json have all)")
    out.say("")
    label = "live alert"
    for reason, n in Counter(one.live for one in findings).most_common():
        out.say(f"{label:<{INDENT}}{n:,} {reason}")
        label = ""


def _show_table(out: Output, findings: Sequence[Finding]) -> None:
    rows: list[tuple[object, ...]] = []
    before = None
    for one in findings:
        found = one.found
        indicator = (found.type, found.indicator)
        rows.append(
            (
                "" if indicator == before else f"{found.indicator} ({found.type})",
                found.observed,
                found.field,
                minute(found.first_seen),
                minute(found.last_seen),
                found.count,
                found.hosts,
                found.patient_zero,
                "yes" if one.live == YES else "no",
            )
        )
        before = indicator
    out.table(
        (
            "indicator",
            "observed",
            "field",
            "first seen UTC",
            "last seen UTC",
            "count",
            "hosts",
            "patient zero",
            "live",
        ),
        rows,
    )


def _show_cards(out: Output, findings: Sequence[Finding]) -> None:
    before = None
    for one in findings:
        found = one.found
        if (found.type, found.indicator) != before:
            before = (found.type, found.indicator)
            by = f", listed by {', '.join(one.listed)}" if one.listed else ""
            out.say(f"{found.indicator}  {found.type}{by}", style="bold")
        times = "once" if found.count == 1 else f"{found.count:,} times"
        hosts = f"{found.hosts:,} hosts" if found.hosts != 1 else "1 host"
        out.say(f"  {found.observed} in {found.field}")
        out.say(
            f"    {minute(found.first_seen)} to {minute(found.last_seen)}, {times} by"
            f" {hosts if found.hosts else 'hosts no longer known'}"
        )
        out.say(f"    patient zero {found.patient_zero} on {found.sensor}; live: {one.live}")


def _show_changes(out: Output, changes: Comparison | None) -> None:
    if changes is None:
        return
    out.say(
        f"{'since then':<{INDENT}}{len(changes.new):,} new, {len(changes.changed):,} seen again,"
        f" {len(changes.gone):,} gone, {changes.same:,} the same"
    )
    for one in changes.new[:_REASONS_SHOWN]:
        out.say(f"{'':<{INDENT}}new: {one.observed} in {one.field} ({one.indicator})")


def _show_lag(out: Output, answer: HuntAnswer) -> None:
    """Say by how much the sensors are behind, because what they saw since is not in the answer."""
    coverage = answer.coverage
    for one in coverage.sensors if coverage else ():
        behind = int((answer.started_at - one.last_seen).total_seconds())
        if behind >= _BEHIND_S:
            out.say(f"{'':<{INDENT}}{one.sensor} has said nothing for {hours(behind // 3_600)}")


def show_hunts(out: Output, records: Sequence[HuntRecord]) -> None:
    """Print saved hunts, one a line."""
    if not records:
        out.say("No hunt is saved. Save one with: vedette hunt run LIST --save --name NAME")
        return
    out.table(
        ("hunt", "list", "runs", "last run UTC"),
        [
            (
                one.name,
                "a kept copy" if one.body.get("kept") else one.body.get("path", ""),
                one.runs,
                minute(one.last_run) if one.last_run else "never",
            )
            for one in records
        ],
    )


def show_runs(out: Output, told: Sequence[tuple[RunRecord, Comparison | None]]) -> None:
    """Print runs, one a line, with what changed since the run before."""
    if not told:
        out.say("Nothing was hunted yet: vedette hunt run LIST, or vedette hunt new.")
        return
    out.table(
        ("run", "when UTC", "what", "indicators", "found", "since the run before"),
        [
            (
                run.id,
                minute(run.started_at),
                run.hunt or run.label,
                run.body.get("indicators", 0),
                run.body.get("found", 0),
                _changed(run, changes),
            )
            for run, changes in told
        ],
    )


def _changed(run: RunRecord, changes: Comparison | None) -> str:
    if changes is not None:
        return (
            f"{len(changes.new):,} new, {len(changes.changed):,} again, {len(changes.gone):,} gone"
        )
    if new_hits := run.body.get("new_hits"):
        return f"{new_hits:,} new hits"
    return "-"


def show_run(
    out: Output,
    run: RunRecord,
    findings: Sequence[Finding],
    changes: Comparison | None,
    *,
    limit: int,
) -> None:
    """Print one run as it was, and whether a live alert would have caught it as of now."""
    what = f"{run.hunt}: {run.label}" if run.hunt and run.hunt != run.label else run.label
    out.say(f"run {run.id}, {what}, {moment(run.started_at)}", style="bold")
    found, kept = run.body.get("found", 0), run.body.get("kept", 0)
    out.say(
        f"{'looked for':<{INDENT}}{run.body.get('indicators', 0):,} indicators, {found:,} found"
    )
    if kept < found:
        out.say(f"{'':<{INDENT}}{kept:,} of them were kept; the hits have all")
    show_findings(out, findings, limit)
    _show_changes(out, changes)
    if (coverage := run.body.get("coverage")) is not None:
        out.say("")
        show_coverage(out, msgspec.convert(coverage, Coverage))


def show_hunted(out: Output, hunted: Hunted) -> None:
    """Print what a hunt for what is new brought."""
    what = "all indicators" if hunted.everything else "new indicators"
    out.good(f"{hunted.indicators:,} indicators hunted ({what}), {hunted.found:,} findings")
    if hunted.sightings:
        out.say(f"       {hunted.sightings:,} values newly seen were compared with those listed")
    out.say(f"       {hunted.hits:,} retro hits, {hunted.new_hits:,} of them new")
    if hunted.alerted:
        out.say(f"       {hunted.alerted:,} contacts had been alerted on already")
    if hunted.new_hits:
        out.say("       see: vedette hit list --retro")
