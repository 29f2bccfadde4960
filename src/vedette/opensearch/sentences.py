"""An answer's limits in sentences: nothing that was not looked at goes without saying."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from vedette.opensearch.answer import Answer, Window

_TIME = "%Y-%m-%d %H:%M:%S"
_NAMED = 5
"""Gaps, types and indices that are named one by one."""


def sentences(answer: Answer) -> Iterator[str]:
    """Yield what an answer covers, and then everything that it leaves out."""
    window = answer.window
    yield (
        f"{answer.engine} ({answer.layout}): {window.documents:,} documents in"
        f" {_indices(window)}, {_stretch(window)};"
        f" {answer.requests:,} requests, {answer.seconds:.1f} s."
    )
    if window.events:
        yield f"Events: {_list({kind: f'{count:,}' for kind, count in window.events.items()})}."
    if window.gaps:
        gaps = [
            f"{gap.since:%Y-%m-%d} to {gap.until - timedelta(days=1):%Y-%m-%d}"
            for gap in window.gaps[:_NAMED]
        ]
        more = "" if len(window.gaps) <= _NAMED else " ..."
        yield f"No document on {window.gap_days:,} days in between: {', '.join(gaps)}{more}."
    for partial in answer.partial:
        yield f"PARTIAL: {partial}. Documents may be missing in every number."
    for field, reason in answer.unanswered.items():
        yield f"Not looked for in {field}: {reason}."
    for field, reason in answer.partly.items():
        yield f"Not found in {field}: {reason}."
    for reason, count in answer.skipped.items():
        yield f"Not looked for at all: {count:,} indicators ({reason})."
    if answer.more_hosts:
        yield f"Of {answer.more_hosts:,} values the number of hosts is a minimum."


def _indices(window: Window) -> str:
    count = len(window.indices)
    return "1 index" if count == 1 else f"{count:,} indices"


def _stretch(window: Window) -> str:
    if window.first_seen is None or window.last_seen is None:
        return f"none in the time asked for ({_limits(window)})"
    stretch = f"{_utc(window.first_seen)} to {_utc(window.last_seen)} UTC"
    asked = window.since or window.until
    return f"{stretch} (asked for: {_limits(window)})" if asked else stretch


def _limits(window: Window) -> str:
    since = _utc(window.since) if window.since else "the beginning"
    until = _utc(window.until) if window.until else "now"
    return f"{since} to {until}"


def _utc(at: datetime) -> str:
    return at.strftime(_TIME)


def _list(counts: Mapping[str, str]) -> str:
    named = [f"{name} {count}" for name, count in list(counts.items())[: 2 * _NAMED]]
    more = len(counts) - len(named)
    return ", ".join([*named, f"and {more} more types"] if more > 0 else named)
