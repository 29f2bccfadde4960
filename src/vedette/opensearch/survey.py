"""How much there is in each field that is asked about: one question for each group of indices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from vedette.fields import Field
from vedette.opensearch.connection import Client
from vedette.opensearch.layouts import Layout, Source
from vedette.opensearch.queries import Query, Span, belonging, both, either, exists, no
from vedette.opensearch.shapes import Column, Group

_PRECISION = 10_000
"""Distinct values up to which the estimate is nearly exact."""


class Extent(NamedTuple):
    """What one field has in one group of indices."""

    documents: int
    """Of its type of event, within the window."""
    distinct: Mapping[Source, int]
    """About how many different values each source has."""
    too_long: int
    """Documents with a value that the index has not kept for searching, because it is long."""


def survey(
    client: Client, layout: Layout, group: Group, fields: Iterable[Field], span: Span
) -> dict[str, Extent]:
    """Return the extent of fields, by name.

    Raises:
        PoolError: The place cannot be asked.
    """
    wanted = {field.name: field for field in fields}
    questions: dict[str, Any] = {
        name: {
            "filter": belonging(field, layout.roles, group, span),
            "aggs": _questions(_sources(layout, group, name), group),
        }
        for name, field in wanted.items()
    }
    if not questions:
        return {}
    answer = client.search({"size": 0, "aggs": questions}, group.indices)
    told = answer.get("aggregations", {})
    return {name: _extent(told.get(name, {}), _sources(layout, group, name)) for name in wanted}


def _sources(layout: Layout, group: Group, name: str) -> list[Source]:
    return list(group.sources(layout.sources.get(name, ())))


def _questions(sources: list[Source], group: Group) -> dict[str, Any]:
    questions: dict[str, Any] = {}
    lost = []
    for number, source in enumerate(sources):
        columns = [column for name in source if (column := group.column(name))]
        options = {"field": columns[-1].path, "precision_threshold": _PRECISION}
        if len(columns) == 2:  # noqa: PLR2004  address and port: there are few ports
            options["field"] = columns[0].path
        questions[f"distinct {number}"] = {"cardinality": options}
        lost += [_lost(column) for column in columns if column.path != column.document]
    if lost:
        questions["too long"] = {"filter": either(*lost)}
    return questions


def _lost(column: Column) -> Query:
    """Return the query for documents whose text is not among those that can be searched."""
    return both(exists(column.document), no(exists(column.path)))


def _extent(told: Mapping[str, Any], sources: list[Source]) -> Extent:
    distinct = {
        source: int(told.get(f"distinct {number}", {}).get("value", 0))
        for number, source in enumerate(sources)
    }
    return Extent(
        documents=int(told.get("doc_count", 0)),
        distinct=distinct,
        too_long=int(told.get("too long", {}).get("doc_count", 0)),
    )
