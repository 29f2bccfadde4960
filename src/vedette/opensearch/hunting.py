"""A hunt in a place that is not ours: a list against the past that somebody else has kept."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from vedette.config import OpenSearchSettings, Settings
from vedette.errors import UsageError
from vedette.fields import FIELDS, Asset, Field, Spelling
from vedette.model import Key
from vedette.opensearch.answer import Answer
from vedette.opensearch.connection import Client
from vedette.opensearch.details import Detail, details
from vedette.opensearch.ends import Direction
from vedette.opensearch.queries import Span
from vedette.opensearch.shapes import Shape, look
from vedette.opensearch.sought import Sought
from vedette.opensearch.survey import Extent, survey
from vedette.opensearch.values import Asker, Question, shown
from vedette.opensearch.window import covered
from vedette.pool.records import Found

_SHORT = 256
"""Characters that every usual template keeps of a keyword."""
_PATTERNS_SINCE = (7, 10)
"""The first Elasticsearch in which a pattern can be told to ignore case."""


def place(settings: Settings, name: str) -> OpenSearchSettings:
    """Return the place of that name in vedette.toml.

    Raises:
        UsageError: There is none.
    """
    found = settings.opensearch.get(name)
    if found is None:
        known = ", ".join(sorted(settings.opensearch)) or "none"
        raise UsageError(
            f"vedette.toml has no place '{name}' to hunt in (it has: {known})",
            hint=f"Add a section [opensearch.{name}] with its url.",
        )
    return found


class _Task(NamedTuple):
    """What is looked for, where and when."""

    wanted: list[Field]
    sought: Sought
    span: Span
    home: tuple[str, ...]


class _Said(NamedTuple):
    """What could not be looked at, by field."""

    unanswered: dict[str, str]
    partly: dict[str, str]


def hunt(
    settings: OpenSearchSettings,
    keys: Iterable[Key],
    *,
    span: Span | None = None,
    home: Iterable[str] = (),
) -> Answer:
    """Look for indicators in the documents of a place, which is only read.

    Args:
        settings: The place; its password is taken from the environment.
        keys: What is looked for; any number.
        span: The stretch of time; all of it unless told.
        home: Our own networks (CIDR), to tell which end of a file transfer is ours.

    Raises:
        PoolError: The place cannot be reached, lets us not in, or has no events of Suricata.
    """
    began = time.monotonic()
    span = span or Span()
    sought = Sought(keys)
    with Client(settings, os.environ.get(settings.password_env, "")) as client:
        engine = client.engine()
        shape = look(client, settings.layout)
        wanted = [field for field in FIELDS if sought.wanted(field)]
        window = covered(client, shape, span)
        patterns = engine.name == "OpenSearch" or engine.version >= _PATTERNS_SINCE
        asker = Asker(client, settings.page, patterns)
        known, said = _search(asker, shape, _Task(wanted, sought, span, tuple(home)))
        found = tuple(_found(known, sought))
        return Answer(
            engine=str(engine),
            layout=shape.layout.name,
            found=found,
            window=window,
            unanswered=said.unanswered,
            partly=said.partly,
            partial=tuple(sorted(client.trouble)),
            skipped=dict(sought.skipped),
            more_hosts=sum(detail.more_hosts for detail in known.values()),
            requests=client.requests,
            seconds=round(time.monotonic() - began, 3),
        )


def _search(asker: Asker, shape: Shape, task: _Task) -> tuple[dict[tuple[str, str], Detail], _Said]:
    """Return what is known by field name and observed value, and what was not looked at."""
    roles = shape.layout.roles
    known: dict[tuple[str, str], Detail] = {}
    extents: dict[str, list[Extent]] = {field.name: [] for field in task.wanted}
    for group in shape.groups:
        direction = Direction(roles, group, task.home)
        there = survey(asker.client, shape.layout, group, task.wanted, task.span)
        for field in task.wanted:
            extents[field.name].append(there[field.name])
            if there[field.name].documents:
                question = Question(field, roles, group, task.span)
                values = shown(asker, question, there[field.name], task.sought)
                for value, detail in details(asker.client, question, direction, values):
                    name = (field.name, value)
                    known[name] = _merged(known[name], detail) if name in known else detail
    return known, _said(shape, task, extents)


def _merged(one: Detail, other: Detail) -> Detail:
    earlier = min(one, other, key=lambda detail: detail.first_seen)
    return Detail(
        first_seen=earlier.first_seen,
        last_seen=max(one.last_seen, other.last_seen),
        count=one.count + other.count,
        earliest=earlier.earliest,
        hosts=one.hosts | other.hosts,
        more_hosts=one.more_hosts or other.more_hosts,
    )


def _found(known: Mapping[tuple[str, str], Detail], sought: Sought) -> Iterator[Found]:
    """Yield each finding: an observed value may be several indicators."""
    by_name = {field.name: field for field in FIELDS}
    findings = [
        _finding(by_name[name], value, detail, matched.key, matched.match.value)
        for (name, value), detail in known.items()
        for matched in sought.matches(by_name[name], value)
    ]
    yield from sorted(findings, key=lambda f: (f.type, f.indicator, f.field, f.observed))


def _finding(field: Field, value: str, detail: Detail, key: Key, match: str) -> Found:
    ends = detail.earliest
    return Found(
        type=key.type.value,
        indicator=key.value,
        field=field.name,
        observed=value,
        match=match,
        first_seen=detail.first_seen,
        last_seen=detail.last_seen,
        count=detail.count,
        patient_zero=ends.server if field.asset is Asset.SERVER else ends.client,
        client=ends.client,
        server=ends.server,
        sensor=ends.sensor,
        hosts=len(detail.hosts),
    )


def _said(shape: Shape, task: _Task, extents: Mapping[str, list[Extent]]) -> _Said:
    unanswered: dict[str, str] = {}
    partly: dict[str, str] = {}
    for field in task.wanted:
        if reason := shape.layout.unanswered.get(field.name):
            unanswered[field.name] = reason
            continue
        told = extents[field.name]
        blind = _blind(shape, field)
        if not any(extent.distinct for extent in told):
            unanswered[field.name] = "; ".join(blind) or "the indices have no such field"
        elif not any(extent.documents for extent in told):
            unanswered[field.name] = f"no {field.event.replace('|', ' or ')} events in the window"
        else:
            if lost := sum(extent.too_long for extent in told):
                blind.append(f"{lost} documents whose value is too long for the index")
            if _may_be_cut(shape, field, task.sought):
                blind.append("values too long for the index, which does not count them")
            if reason := shape.layout.partly.get(field.name):
                blind.append(reason)
            if blind:
                partly[field.name] = "; ".join(blind)
    return _Said(unanswered, partly)


def _may_be_cut(shape: Shape, field: Field, sought: Sought) -> bool:
    """Whether an index may have left out, for its length, a value that is looked for.

    A keyword beside a text shows that it lacks something; a keyword alone does not.
    """
    alone = any(
        column.path == column.document and column.kind == "text"
        for group in shape.groups
        for source in group.sources(shape.layout.sources[field.name])
        for name in source
        if (column := group.column(name))
    )
    longest = max(
        (len(value) for kind, _ in sought.wanted(field) for value in sought.values[kind]), default=0
    )
    return alone and (field.spelling is Spelling.FILENAME or longest > _SHORT)


def _blind(shape: Shape, field: Field) -> list[str]:
    names = dict.fromkeys(
        name.removeprefix("?")
        for source in shape.layout.sources.get(field.name, ())
        for name in source
    )
    return [f"{name}: {shape.blind[name]}" for name in names if name in shape.blind]
