"""Pieces of the query language, and which documents belong to a field at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from vedette.fields import Field
from vedette.opensearch.layouts import ANSWER_TYPES, EVENTS, Roles
from vedette.opensearch.shapes import Group

Query = dict[str, Any]


class Span(Struct, frozen=True, kw_only=True):
    """The stretch of time that is asked about; None: without limit."""

    since: datetime | None = None
    until: datetime | None = None


def both(*filters: Query) -> Query:
    """Return a query for documents to which all of these apply."""
    return {"bool": {"filter": list(filters)}}


def either(*queries: Query) -> Query:
    """Return a query for documents to which one of these applies."""
    return {"bool": {"should": list(queries), "minimum_should_match": 1}}


def no(query: Query) -> Query:
    """Return a query for documents to which this does not apply."""
    return {"bool": {"must_not": [query]}}


def one_of(path: str, values: Sequence[str | int]) -> Query:
    """Return a query for documents with one of these values."""
    return {"terms": {path: list(values)}}


def exists(path: str) -> Query:
    """Return a query for documents that have a value there."""
    return {"exists": {"field": path}}


def within(group: Group, span: Span) -> list[Query]:
    """Return the filters for a stretch of time: none if it has no limit."""
    limits: Mapping[str, datetime | None] = {"gte": span.since, "lt": span.until}
    given = {name: at.isoformat() for name, at in limits.items() if at}
    return [{"range": {group.time.path: given}}] if given else []


def belonging(field: Field, roles: Roles, group: Group, span: Span) -> Query:
    """Return the query for the documents in which a field is observed."""
    filters = [one_of(group.event.path, EVENTS[field.name]), *within(group, span)]
    if field.event == "dns" and (column := group.column(roles.dns_type)):
        answers = one_of(column.path, ANSWER_TYPES)
        filters.append(answers if field.name != "dns.query" else no(answers))
    return both(*filters)
