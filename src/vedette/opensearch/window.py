"""How much of the past a place covers: from when to when, in which indices, with which gaps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any

from vedette.opensearch.answer import IndexWindow, Window
from vedette.opensearch.connection import Client
from vedette.opensearch.details import moment
from vedette.opensearch.queries import Span, both, within
from vedette.opensearch.shapes import Group, Shape
from vedette.pool.records import Gap

_INDICES_MAX = 5_000
_TYPES_MAX = 100
_GAPS_MAX = 20


def covered(client: Client, shape: Shape, span: Span) -> Window:
    """Ask how much of the past there is in a stretch of time.

    Raises:
        PoolError: The place cannot be asked.
    """
    answers = [_ask(client, group, span) for group in shape.groups]
    indices = tuple(sorted(_indices(answers), key=lambda index: index.name))
    events: Counter[str] = Counter()
    days: set[date] = set()
    for answer in answers:
        for bucket in answer["events"]["buckets"]:
            events[str(bucket["key"])] += bucket["doc_count"]
        days |= {moment(bucket["key"]).date() for bucket in answer["days"]["buckets"]}
    gaps = _gaps(sorted(days))
    firsts = [index.first_seen for index in indices if index.first_seen]
    lasts = [index.last_seen for index in indices if index.last_seen]
    return Window(
        since=span.since,
        until=span.until,
        first_seen=min(firsts, default=None),
        last_seen=max(lasts, default=None),
        documents=sum(index.documents for index in indices),
        events=dict(events.most_common()),
        indices=indices,
        gaps=tuple(gaps[:_GAPS_MAX]),
        gap_days=sum((gap.until - gap.since).days for gap in gaps),
    )


def _ask(client: Client, group: Group, span: Span) -> Mapping[str, Any]:
    time_field = {"field": group.time.path}
    ends = {"first": {"min": time_field}, "last": {"max": time_field}}
    body = {
        "size": 0,
        "query": both(*within(group, span)),
        "aggs": {
            "indices": {"terms": {"field": "_index", "size": _INDICES_MAX}, "aggs": ends},
            "events": {"terms": {"field": group.event.path, "size": _TYPES_MAX}},
            "days": {"date_histogram": {**time_field, "fixed_interval": "1d", "min_doc_count": 1}},
        },
    }
    empty: dict[str, Any] = {"buckets": []}
    told = client.search(body, group.indices).get("aggregations", {})
    return {name: told.get(name, empty) for name in ("indices", "events", "days")}


def _indices(answers: Iterable[Mapping[str, Any]]) -> Iterable[IndexWindow]:
    for answer in answers:
        for bucket in answer["indices"]["buckets"]:
            first, last = bucket["first"].get("value"), bucket["last"].get("value")
            yield IndexWindow(
                name=bucket["key"],
                documents=bucket["doc_count"],
                first_seen=None if first is None else moment(first),
                last_seen=None if last is None else moment(last),
            )


def _gaps(days: list[date]) -> list[Gap]:
    """Return the stretches without a document between days that have one, the longest first."""
    gaps = [
        Gap(since=_midnight(before + timedelta(days=1)), until=_midnight(after))
        for before, after in pairwise(days)
        if after - before > timedelta(days=1)
    ]
    return sorted(gaps, key=lambda gap: (gap.since - gap.until, gap.since))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
