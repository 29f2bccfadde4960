"""The first half of a hunt: which sought values were shown, in which spellings.

Either the distinct values of a field are walked, page by page, and compared here: that costs the
same for ten indicators and for ten million. Or the list is asked for, in clauses: cheap for short
lists. Both give the same; the cheaper one is taken.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from vedette.fields import Field, Spelling
from vedette.normalize import observed as spell
from vedette.observe.spelling import observed as spelt
from vedette.opensearch.clauses import PATTERN_MAX, Clause, clauses, joined
from vedette.opensearch.connection import Client, TooMuchError
from vedette.opensearch.layouts import Roles, Source
from vedette.opensearch.queries import Query, Span, belonging, both
from vedette.opensearch.shapes import Group
from vedette.opensearch.sought import Sought
from vedette.opensearch.survey import Extent

# Measured on one node with 270,000 distinct names; only the proportions matter.
_REQUEST_MS = 15.0
_WALKED_MS = 0.01
"""For each distinct value that is read and compared."""
_TERM_MS = 0.006
_PATTERN_MS = 30.0
"""For each pattern of forty values, to make ready."""
_HELD_MS = 0.000_025
"""For each distinct value that a pattern is held against."""
_TERMS_AT_ONCE = 10_000
_PATTERNS_AT_ONCE = 50
_IN_PATTERNS = frozenset({Spelling.NAME, Spelling.MAIL, Spelling.FILENAME, Spelling.URL})
_SHORTEST = 8
"""Characters that a value has in a pattern, at least."""

Raw = tuple[str | int | None, ...]
"""A value as the documents spell it: one member for each column of its source."""

Spellings = Mapping[Source, set[Raw]]


class Asker(NamedTuple):
    """Who is asked, and how."""

    client: Client
    page: int
    """Distinct values to read with one request."""
    patterns: bool = True
    """Whether the engine knows patterns that ignore case."""


class Question(NamedTuple):
    """Where the values of one field are."""

    field: Field
    roles: Roles
    group: Group
    span: Span

    @property
    def base(self) -> Query:
        """The query for the documents of this field."""
        return belonging(self.field, self.roles, self.group, self.span)


def shown(
    asker: Asker, question: Question, extent: Extent, sought: Sought
) -> dict[str, dict[Source, set[Raw]]]:
    """Return the observed values that are indicators, each with the spellings it has.

    Raises:
        PoolError: The place cannot be asked.
    """
    found: dict[str, dict[Source, set[Raw]]] = {}
    for source, distinct in extent.distinct.items():
        for raw in _candidates(asker, question, source, distinct, sought):
            value = observed(question.field, raw)
            if value and any(sought.matches(question.field, value)):
                found.setdefault(value, defaultdict(set))[source].add(raw)
    return found


def observed(field: Field, raw: Raw) -> str:
    """Return the value that is kept of a raw one; empty if nothing is."""
    match field.spelling, raw:
        case Spelling.ADDRESS_PORT, (str(address), int(port)):
            return spell.address_port(address, port)
        case Spelling.URL, (host, port, str(target)):
            number = port if isinstance(port, int) else 0
            return spell.request_url(host if isinstance(host, str) else "", number, target)
        case _, (str(text),):
            return spelt(field.spelling, text) or ""
        case _:
            return ""


def _candidates(
    asker: Asker, question: Question, source: Source, distinct: int, sought: Sought
) -> Iterator[Raw]:
    walk_ms = _REQUEST_MS * (1 + distinct / asker.page) + _WALKED_MS * distinct
    asked = None
    if _least_ms(question.field, sought) < walk_ms:
        asked = clauses(question.field, source, question.group, sought)
    if asked is not None and not asker.patterns and any(clause.patterns for clause in asked):
        asked = None
    if asked is not None and _cost_ms(asked, distinct) < walk_ms:
        try:
            for query in _batches(asked):
                yield from _walk(asker, question, source, [question.base, query])
        except TooMuchError:
            # Its limits are lower than the usual ones; walking asks for nothing special.
            pass
        else:
            return
    yield from _walk(asker, question, source, [question.base])


def _least_ms(field: Field, sought: Sought) -> float:
    """Return what asking costs at least: clauses for a million values are slow to write, too."""
    in_patterns = field.spelling in _IN_PATTERNS
    each = _PATTERN_MS * _SHORTEST / PATTERN_MAX if in_patterns else _TERM_MS
    return each * sum(len(sought.values[kind]) for kind, _ in sought.wanted(field))


def _cost_ms(asked: Sequence[Clause], distinct: int) -> float:
    terms = sum(clause.terms for clause in asked)
    patterns = sum(clause.patterns for clause in asked)
    requests = 1 + terms / _TERMS_AT_ONCE + patterns / _PATTERNS_AT_ONCE
    held = patterns * (_PATTERN_MS + _HELD_MS * distinct)
    return requests * _REQUEST_MS + terms * _TERM_MS + held


def _batches(asked: Sequence[Clause]) -> Iterator[Query]:
    batch: list[Clause] = []
    terms = patterns = 0
    for clause in asked:
        terms, patterns = terms + clause.terms, patterns + clause.patterns
        if batch and (terms > _TERMS_AT_ONCE or patterns > _PATTERNS_AT_ONCE):
            yield joined(batch)
            batch, terms, patterns = [], clause.terms, clause.patterns
        batch.append(clause)
    if batch:
        yield joined(batch)


def _walk(asker: Asker, question: Question, source: Source, filters: list[Query]) -> Iterator[Raw]:
    """Yield the distinct values in the documents that the filters leave, page by page."""
    keys: list[dict[str, Any]] = []
    names: list[str] = []
    for name in source:
        if column := question.group.column(name):
            options = {"field": column.path, "missing_bucket": name[0] == "?"}
            keys.append({name: {"terms": options}})
            names.append(name)
    after: dict[str, Any] | None = None
    while True:
        composite: dict[str, Any] = {"size": asker.page, "sources": keys}
        if after:
            composite["after"] = after
        body = {"size": 0, "query": both(*filters), "aggs": {"values": {"composite": composite}}}
        told = asker.client.search(body, question.group.indices).get("aggregations", {})
        buckets = told.get("values", {}).get("buckets", [])
        for bucket in buckets:
            key = bucket["key"]
            yield tuple(key[name] if name in names else None for name in source)
        after = told.get("values", {}).get("after_key")
        if not after or len(buckets) < asker.page:
            return
