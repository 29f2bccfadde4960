"""The second half of a hunt: since when, until when, how often, and who, of the values found.

One bucket for each value, over all its spellings and all the places of the field: a document that
shows a value twice counts once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import Struct

from vedette.fields import Asset
from vedette.normalize.observed import address
from vedette.opensearch.connection import Client, TooMuchError
from vedette.opensearch.ends import Direction, Ends
from vedette.opensearch.layouts import Source
from vedette.opensearch.queries import Query, both, either, exists, no, one_of
from vedette.opensearch.values import Question, Raw

VALUES_AT_ONCE = 200
"""As fast as 500, twice as fast as 100, and far from the limits of small servers."""
HOSTS_MAX = 1_000
"""Hosts of one value that are counted; with more the number is a minimum."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Detail(Struct, frozen=True, kw_only=True):
    """What is known of one observed value in one group of indices."""

    first_seen: datetime
    last_seen: datetime
    count: int
    earliest: Ends
    """Of the earliest document."""
    hosts: frozenset[str]
    """On our end."""
    more_hosts: bool


def details(
    client: Client,
    question: Question,
    direction: Direction,
    values: Mapping[str, Mapping[Source, set[Raw]]],
) -> Iterator[tuple[str, Detail]]:
    """Yield what is known of each value that still has a document.

    Raises:
        PoolError: The place cannot be asked.
    """
    names = sorted(values)
    for start in range(0, len(names), VALUES_AT_ONCE):
        yield from _some(client, question, direction, values, names[start : start + VALUES_AT_ONCE])


def _some(
    client: Client,
    question: Question,
    direction: Direction,
    values: Mapping[str, Mapping[Source, set[Raw]]],
    names: list[str],
) -> Iterator[tuple[str, Detail]]:
    filters = [_of_value(question, values[name]) for name in names]
    body = {
        "size": 0,
        "query": both(question.base, either(*filters)),
        "aggs": {"values": {"filters": {"filters": filters}, "aggs": _known(question, direction)}},
    }
    try:
        answer = client.search(body, question.group.indices)
    except TooMuchError:
        if len(names) == 1:
            raise
        half = len(names) // 2
        for part in (names[:half], names[half:]):
            yield from _some(client, question, direction, values, part)
        return
    buckets = answer.get("aggregations", {}).get("values", {}).get("buckets", [])
    for name, bucket in zip(names, buckets, strict=False):
        if bucket["doc_count"] and bucket["first"].get("value") is not None:
            yield name, _detail(bucket, direction)


def _of_value(question: Question, spellings: Mapping[Source, set[Raw]]) -> Query:
    """Return the query for documents with a value, however and wherever it is spelt."""
    queries: list[Query] = []
    for source, raws in spellings.items():
        columns = [question.group.column(name) for name in source]
        if len(columns) == 1 and columns[0]:
            texts = sorted(text for (text,) in raws if isinstance(text, str))
            queries.append(one_of(columns[0].path, texts))
            continue
        for raw in raws:
            parts = [
                no(exists(column.path)) if value is None else one_of(column.path, [value])
                for column, value in zip(columns, raw, strict=True)
                if column
            ]
            queries.append(both(*parts))
    return either(*queries)


def _known(question: Question, direction: Direction) -> dict[str, Any]:
    time = question.group.time.path
    known: dict[str, Any] = {
        "first": {"min": {"field": time}},
        "last": {"max": {"field": time}},
        "earliest": {
            "top_hits": {
                "size": 1,
                "sort": [{time: {"order": "asc"}}],
                "_source": direction.columns(),
            }
        },
    }
    ours, theirs = question.roles.src_ip, question.roles.dest_ip
    if question.field.asset is Asset.SERVER:
        ours, theirs = theirs, ours
    turned = direction.turned(question.field)
    known.update(_hosts(question, "straight", ours, no(turned) if turned else {"match_all": {}}))
    if turned:
        known.update(_hosts(question, "turned", theirs, turned))
    return known


def _hosts(question: Question, name: str, end: str, which: Query) -> dict[str, Any]:
    column = question.group.column(end)
    if column is None:
        return {}
    hosts = {"terms": {"field": column.path, "size": HOSTS_MAX}}
    return {name: {"filter": which, "aggs": {"hosts": hosts}}}


def _detail(bucket: Mapping[str, Any], direction: Direction) -> Detail:
    hits = bucket["earliest"]["hits"]["hits"]
    document = hits[0].get("_source", {}) if hits else {}
    hosts: set[str] = set()
    more = False
    for name in ("straight", "turned"):
        told = bucket.get(name, {}).get("hosts", {})
        hosts.update(address(str(host["key"])) for host in told.get("buckets", ()))
        more = more or bool(told.get("sum_other_doc_count"))
    return Detail(
        first_seen=moment(bucket["first"]["value"]),
        last_seen=moment(bucket["last"]["value"]),
        count=bucket["doc_count"],
        earliest=direction.of(document),
        hosts=frozenset(hosts),
        more_hosts=more,
    )


def moment(milliseconds: float) -> datetime:
    """Return the moment of a date as the engine counts it; years that Python lacks are cut off."""
    try:
        return _EPOCH + timedelta(milliseconds=int(milliseconds))
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC) if milliseconds > 0 else _EPOCH
