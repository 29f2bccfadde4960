"""``/attributes/restSearch`` as MISP does it: OFFSET paging, odd counts, unknown keys ignored."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from vedette.testing.fake_misp.model import FakeAttribute, FakeEvent
from vedette.testing.fake_misp.state import State, truth

Query = Mapping[str, Any]
Row = tuple[FakeEvent, FakeAttribute]

_UNITS_S = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}


@dataclass(frozen=True)
class Found:
    """A page of a search and the headers that go with it."""

    rows: list[Row]
    result_count: int
    skipped: int


class OutOfMemoryError(Exception):
    """PHP's memory is exhausted: the search had no limit and too many results."""


def search_attributes(state: State, query: Query, *, unlimited_max: int) -> Found:
    """Search attributes.

    Raises:
        OutOfMemoryError: No ``limit``, and more than ``unlimited_max`` rows.
    """
    matches = [
        row for event in select_events(state, query) for row in _matching(state, event, query)
    ]
    matches.sort(key=_order(query))
    limit = int(query.get("limit") or 0)
    if not limit:
        if len(matches) > unlimited_max:
            raise OutOfMemoryError
        page = matches
    else:
        start = (max(int(query.get("page") or 1), 1) - 1) * limit
        page = matches[start : start + limit]
    kept = page
    if truth(query.get("enforceWarninglist")):
        kept = [row for row in page if not set(row[1].value.split("|")) & state.warninglist]
    skipped = len(page) - len(kept)
    return Found(kept, count_header(len(page), limit, skipped), skipped)


def count_header(rows: int, limit: int, skipped: int = 0) -> int:
    """What ``X-Result-Count`` says: one too many on a full page, and 1 beyond the end."""
    if skipped or not limit:
        return rows
    return rows + 1 if rows in {0, limit} else rows


def select_events(state: State, query: Query) -> list[FakeEvent]:
    """The events that the event part of a query allows, in the order of their ids."""
    wanted = {str(ref) for ref in _listed(query.get("eventid"))}
    events = [
        event
        for event in state.events.values()
        if not wanted or str(event.id) in wanted or event.uuid in wanted
    ]
    if query.get("published") not in (None, "", [0, 1]):
        events = [event for event in events if event.published == truth(query["published"])]
    for name, field in (
        ("event_timestamp", "timestamp"),
        ("publish_timestamp", "publish_timestamp"),
        ("last", "publish_timestamp"),
    ):
        if name in query and query[name] not in (None, ""):
            test = _time_test(query[name], state.now())
            events = [event for event in events if test(getattr(event, field))]
    if orgs := {str(item).lower() for item in _listed(query.get("org"))}:
        events = [
            event
            for event in events
            if orgs & {event.orgc.name.lower(), event.orgc.uuid, str(event.orgc.id)}
        ]
    return events


def _matching(state: State, event: FakeEvent, query: Query) -> Iterator[Row]:
    tests = list(_attribute_tests(state, event, query))
    for attribute in event.attributes.values():
        if all(test(attribute) for test in tests):
            yield event, attribute


def _attribute_tests(
    state: State, event: FakeEvent, query: Query
) -> Iterator[Callable[[FakeAttribute], bool]]:
    deleted = _deleted(query.get("deleted"))
    yield lambda item: item.deleted in deleted
    if types := [str(item) for item in _listed(query.get("type"))]:
        yield lambda item: item.type in types
    if categories := [str(item) for item in _listed(query.get("category"))]:
        yield lambda item: item.category in categories
    if uuids := [str(item) for item in _listed(query.get("uuid"))]:
        yield lambda item: item.uuid in uuids or event.uuid in uuids
    if values := [str(item).lower() for item in _listed(query.get("value"))]:
        yield lambda item: any(_value_matches(item.value, value) for value in values)
    if query.get("to_ids") not in (None, ""):
        flag = query["to_ids"] != "exclude" and truth(query["to_ids"])
        yield lambda item: item.to_ids == flag
    if names := {str(item).lower() for item in _listed(query.get("tags"))}:
        of_event = {tag.name.lower() for tag in event.tags}
        yield lambda item: bool(names & (of_event | {tag.name.lower() for tag in item.tags}))
    for name in ("timestamp", "attribute_timestamp"):
        if query.get(name) not in (None, ""):
            test = _time_test(query[name], state.now())
            yield lambda item, test=test: test(item.timestamp)  # type: ignore[misc]


def _value_matches(value: str, pattern: str) -> bool:
    """A whole value, either half of a composite, or ``%`` for anything."""
    whole = value.lower()
    if "%" in pattern:
        wild = ".*".join(re.escape(part) for part in pattern.split("%"))
        return re.fullmatch(wild, whole) is not None
    return pattern == whole or pattern in whole.split("|", 1)


def _deleted(value: object) -> set[bool]:
    if isinstance(value, list):
        return {truth(item) for item in value}
    return {True} if truth(value) or value == "only" else {False}


def _listed(value: object) -> list[Any]:
    if value is None or value in ("", []):
        return []
    return value if isinstance(value, list) else [value]


def _time_test(value: object, now: int) -> Callable[[int], bool]:
    """``>=`` a moment or an age, or between two; what cannot be read finds nothing."""
    bounds = [_moment(item, now) for item in (value if isinstance(value, list) else [value])]
    if any(bound is None for bound in bounds):
        return lambda _: False
    low, *rest = sorted(bound for bound in bounds if bound is not None)
    return lambda stamp: stamp >= low and all(stamp <= bound for bound in rest)


def _moment(value: object, now: int) -> int | None:
    text = str(value)
    if text.isdecimal():
        return int(text)
    if match := re.fullmatch(r"(\d+)([dhms])", text):
        return now - int(match[1]) * _UNITS_S[match[2]]
    return None


def _order(query: Query) -> Callable[[Row], Any]:
    wish = query.get("order")
    text = str(wish[0] if isinstance(wish, list) and wish else wish or "id")
    field, _, direction = text.removeprefix("Attribute.").partition(" ")
    sign = -1 if direction.lower() == "desc" else 1
    if field == "timestamp":
        return lambda row: (sign * row[1].timestamp, row[1].id)
    return lambda row: sign * row[1].id
