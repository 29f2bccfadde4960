"""``restSearch`` as MISP does it: OFFSET paging, odd counts, unknown keys ignored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from vedette.testing.fake_misp.decay import decay_scores
from vedette.testing.fake_misp.memory import Memory, truth
from vedette.testing.fake_misp.model import FakeAttribute, FakeEvent, FakeUser
from vedette.testing.fake_misp.render import View
from vedette.testing.fake_misp.terms import Terms, moment, terms, time_test
from vedette.testing.fake_misp.visibility import sees_event

Query = Mapping[str, Any]
Row = tuple[FakeEvent, FakeAttribute]

ATTRIBUTE_FILTERS = frozenset({"type", "category", "value", "to_ids", "object_name"})
"""With one of these a search for events wants those that have such an attribute."""
_ORDERS: Mapping[str, Callable[[Row], Any]] = {
    "event_id": lambda row: row[1].event_id,
    "object_id": lambda row: row[1].object_id,
    "type": lambda row: row[1].type,
    "category": lambda row: row[1].category,
    "value": lambda row: row[1].value,
    "distribution": lambda row: row[1].distribution,
    "timestamp": lambda row: row[1].timestamp,
    "object_relation": lambda row: row[1].object_relation or "",
    "Event.publish_timestamp": lambda row: row[0].publish_timestamp,
}


@dataclass(frozen=True)
class Found:
    """A page of a search and the headers that go with it."""

    rows: list[Row]
    result_count: int
    skipped: int

    @property
    def headers(self) -> dict[str, str]:
        """As MISP sends them."""
        return {
            "X-Result-Count": str(self.result_count),
            "X-Skipped-Elements-Count": str(self.skipped),
        }


class OutOfMemoryError(Exception):
    """PHP's memory is exhausted: the search had no limit and too many results."""


def search_attributes(view: View, query: Query, *, unlimited_max: int) -> Found:
    """Search attributes.

    Raises:
        OutOfMemoryError: No ``limit``, and more than ``unlimited_max`` rows.
    """
    matches = [
        row
        for event in select_events(view.memory, query, view.user)
        for row in matching(view, event, query)
    ]
    _sort(matches, query)
    limit = int(query.get("limit") or 0)
    if not limit:
        return _without_limit(view.memory, matches, query, unlimited_max)
    start = (max(int(query.get("page") or 1), 1) - 1) * limit
    page = matches[start : start + limit]
    kept = _kept(view.memory, page, query)
    skipped = len(page) - len(kept)
    return Found(kept, count_header(len(page), limit, skipped), skipped)


def _without_limit(memory: Memory, matches: list[Row], query: Query, chunk: int) -> Found:
    """MISP reads in chunks until one is not full; it counts after taking out what is skipped.

    So the first hit of a warning list ends the search, and nobody is told.
    """
    rows: list[Row] = []
    skipped = 0
    for start in range(0, len(matches), chunk):
        some = matches[start : start + chunk]
        kept = _kept(memory, some, query)
        rows += kept
        skipped += len(some) - len(kept)
        if len(kept) < chunk:
            break
        if len(matches) > start + chunk:
            raise OutOfMemoryError
    return Found(rows, len(rows) + skipped, skipped)


def _kept(memory: Memory, rows: list[Row], query: Query) -> list[Row]:
    """What is left after warning lists and decay, which come after the limit."""
    kept = rows
    if truth(query.get("enforceWarninglist")):
        kept = [row for row in kept if next(memory.warnings_for(row[1]), None) is None]
    if truth(query.get("excludeDecayed")):
        kept = [row for row in kept if not _has_decayed(memory, row[1], query)]
    return kept


def scores(memory: Memory, attribute: FakeAttribute, query: Query) -> list[dict[str, Any]]:
    """What the decaying models that a query names, or all of them, say about an attribute."""
    wanted = terms(query.get("decayingModel")) or Terms()
    models = [
        model for model in memory.decaying_models.values() if wanted.allow_value(str(model.id))
    ]
    threshold = query.get("score")
    return decay_scores(
        models,
        attribute,
        memory.sightings_of(attribute),
        memory.now(),
        threshold=None if threshold in (None, "") else float(str(threshold)),
    )


def _has_decayed(memory: Memory, attribute: FakeAttribute, query: Query) -> bool:
    """Only if all models say so."""
    found = scores(memory, attribute, query)
    return bool(found) and all(score["decayed"] for score in found)


def count_header(rows: int, limit: int, skipped: int = 0) -> int:
    """What ``X-Result-Count`` says: one too many on a full page, and 1 beyond the end."""
    if skipped or not limit:
        return rows
    return rows + 1 if rows in {0, limit} else rows


def select_events(memory: Memory, query: Query, user: FakeUser) -> list[FakeEvent]:
    """The events that a user sees and the event part of a query allows, in the order of ids."""
    groups = memory.sharing_groups
    tests = list(_event_tests(memory, query))
    return [
        event
        for event in memory.events.values()
        if sees_event(user, event, groups) and all(test(event) for test in tests)
    ]


def _event_tests(memory: Memory, query: Query) -> Iterator[Callable[[FakeEvent], bool]]:
    if (wanted := terms(query.get("eventid"))) is not None:
        ids, without = set(wanted.any_of), set(wanted.none_of)  # sets: thousands may be asked for
        yield lambda event: not ids or str(event.id) in ids or event.uuid in ids
        yield lambda event: not without & {str(event.id), event.uuid}
    if query.get("published") not in (None, "", [0, 1]):
        flag = truth(query["published"])
        yield lambda event: event.published == flag
    for name, field in (
        ("event_timestamp", "timestamp"),
        ("publish_timestamp", "publish_timestamp"),
        ("last", "publish_timestamp"),
    ):
        if query.get(name) not in (None, ""):
            test = time_test(query[name], memory.now())
            yield lambda event, test=test, field=field: test(getattr(event, field))  # type: ignore[misc]
    if (orgs := terms(query.get("org"))) is not None:
        yield lambda event: orgs.allow_any([event.orgc.name, event.orgc.uuid, str(event.orgc.id)])
    for name, field in (("eventinfo", "info"), ("threat_level_id", "threat_level_id")):
        if (asked := terms(query.get(name))) is not None:
            yield lambda event, asked=asked, field=field: asked.allow_value(getattr(event, field))  # type: ignore[misc]
    yield from _day_tests(memory, query)


def _day_tests(memory: Memory, query: Query) -> Iterator[Callable[[FakeEvent], bool]]:
    """``from``, ``to`` and ``date`` are about the day of the event."""
    now = memory.now()
    low, high = moment(query.get("from") or query.get("date"), now), moment(query.get("to"), now)
    if low is not None:
        yield lambda event: (moment(event.date, now) or 0) >= low
    if high is not None:
        yield lambda event: (moment(event.date, now) or 0) <= high


def matching(view: View, event: FakeEvent, query: Query) -> Iterator[Row]:
    """The attributes of an event that the user sees and the query wants."""
    tests = list(_attribute_tests(view.memory, event, query))
    for attribute in event.attributes.values():
        if view.sees(event, attribute) and all(test(attribute) for test in tests):
            yield event, attribute


def _attribute_tests(
    memory: Memory, event: FakeEvent, query: Query
) -> Iterator[Callable[[FakeAttribute], bool]]:
    wanted = deleted(query.get("deleted"))
    yield lambda item: item.deleted in wanted
    if (types := terms(query.get("type"))) is not None:
        yield lambda item: types.allow_value(item.type)
    if (categories := terms(query.get("category"))) is not None:
        yield lambda item: categories.allow_value(item.category)
    if (uuids := terms(query.get("uuid"))) is not None:
        yield lambda item: uuids.allow_any([item.uuid, event.uuid])
    for name in ("value", "value1", "value2"):
        if (values := terms(query.get(name))) is not None:
            yield lambda item, values=values, name=name: values.allow_any(_parts(item, name))  # type: ignore[misc]
    yield from _other_tests(memory, event, query)


def _other_tests(
    memory: Memory, event: FakeEvent, query: Query
) -> Iterator[Callable[[FakeAttribute], bool]]:
    if query.get("to_ids") not in (None, ""):
        flag = query["to_ids"] != "exclude" and truth(query["to_ids"])
        yield lambda item: item.to_ids == flag
    if (names := terms(query.get("tags"))) is not None:
        of_event = [tag.name for tag in event.tags]
        yield lambda item: names.allow_any([*of_event, *(tag.name for tag in item.tags)])
    if (objects := terms(query.get("object_name"))) is not None:
        yield (
            lambda item: (
                item.object_id in event.objects
                and objects.allow_value(event.objects[item.object_id].name)
            )
        )
    for name in ("timestamp", "attribute_timestamp"):
        if query.get(name) not in (None, ""):
            test = time_test(query[name], memory.now())
            yield lambda item, test=test: test(item.timestamp)  # type: ignore[misc]


def _parts(item: FakeAttribute, name: str) -> list[str]:
    """What ``value``, ``value1`` or ``value2`` is compared with."""
    first, bar, second = item.value.partition("|")
    return {"value1": [first], "value2": [second] if bar else []}.get(
        name, [item.value, first, second] if bar else [item.value]
    )


def deleted(value: object) -> set[bool]:
    """Which states of ``deleted`` a query wants."""
    if isinstance(value, list):
        return {truth(item) for item in value}
    return {True} if truth(value) or value == "only" else {False}


def _sort(rows: list[Row], query: Query) -> None:
    """By the field that is asked for, if MISP knows it; else by id."""
    wish = query.get("order")
    text = str(wish[0] if isinstance(wish, list) and wish else wish or "id")
    field, _, direction = text.removeprefix("Attribute.").partition(" ")
    key = _ORDERS.get(field, lambda row: row[1].id)
    rows.sort(key=lambda row: row[1].id)
    rows.sort(key=key, reverse=direction.lower() == "desc")
