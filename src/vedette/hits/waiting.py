"""Alerts that lack their value wait here for the protocol event of the same transaction.

The alert and that event may come in either order and some lines apart. Hard rule: bounded in
number, bytes and time; who is not served in time is given up and said so.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from vedette.eve.extract import Event, decode
from vedette.hits.candidates import Observed, observed
from vedette.hits.places import Place

HELD_MAX = 256
HELD_LINE_MAX = 1 << 16
PATIENCE = timedelta(seconds=120)
"""Of the events' own time."""
_BLOCKS = 4

_FLOW_ID = re.compile(rb'"flow_id":\s*(\d+)')
_TIMESTAMP = re.compile(rb'"timestamp":\s*"([^"]+)"')


class Ours(NamedTuple):
    """An alert of one of our rules."""

    line: bytes
    event: Event
    place: Place


class Settled(NamedTuple):
    """An alert and the values of its transaction; none where EVE never said."""

    ours: Ours
    items: list[Observed]


class Waiting:
    """The alerts that wait, and the last blocks of lines, where their events may stand."""

    def __init__(self, held: Iterable[Ours] = ()) -> None:
        """Go on with alerts that waited when the last reader stopped."""
        self._held: list[Ours] = list(held)
        self._blocks: deque[bytes] = deque(maxlen=_BLOCKS)

    @property
    def lines(self) -> tuple[str, ...]:
        """What still waits, to be stored with the bookmark."""
        return tuple(ours.line.decode(errors="replace") for ours in self._held)

    def settle(self, data: bytes, new: list[Ours]) -> Iterator[Settled]:
        """Yield the alerts that are served, or given up, after this block of lines.

        Args:
            data: The lines that were just read.
            new: Alerts among them that lack their value.
        """
        open_new = list(new)
        for block in reversed(self._blocks):
            open_new = yield from self._serve(block, open_new)
        still = yield from self._serve(data, [*self._held, *open_new])
        now = _last_time(data)
        self._held = []
        given_up: list[Ours] = []
        for ours in still:
            (self._held if _may_wait(ours, now) else given_up).append(ours)
        if (many := len(self._held) - HELD_MAX) > 0:
            given_up += self._held[:many]
            del self._held[:many]
        yield from (Settled(ours, []) for ours in given_up)
        self._blocks.append(data)

    def give_up(self) -> Iterator[Settled]:
        """Yield all that wait: nothing more will be read."""
        yield from (Settled(ours, []) for ours in self._held)
        self._held = []

    def _serve(self, data: bytes, wanting: list[Ours]) -> Generator[Settled, None, list[Ours]]:
        """Yield what this block settles; return the rest."""
        if not wanting:
            return wanting
        events = _Events(_events_of({ours.event.flow_id for ours in wanting}, data))
        rest: list[Ours] = []
        for ours in wanting:
            items = events.values_for(ours)
            if items is None:
                rest.append(ours)
            else:
                yield Settled(ours, items)
        return rest


class _Answer(NamedTuple):
    """What some events say of a place."""

    items: list[Observed]
    """Nothing if the request is there without any."""
    at: int
    """Number of the event that said so; an earlier one goes first."""


class _Events:
    """Events of a block by flow and transaction; each is looked into once for each place.

    A flow may have thousands of requests and as many alerts: nobody looks through all of the one
    for each of the other.
    """

    def __init__(self, events: Iterable[Event]) -> None:
        self._of_request: dict[_Request, list[tuple[int, Event]]] = {}
        self._of_flow: dict[_Request, list[tuple[int, Event]]] = {}
        """By protocol, those that name no transaction."""
        self._whole: dict[_Request, list[tuple[int, Event]]] = {}
        """By protocol, all."""
        self._known: dict[tuple[object, ...], _Answer | None] = {}
        for numbered in enumerate(events):
            event = numbered[1]
            by_protocol = (event.flow_id, event.event_type)
            self._whole.setdefault(by_protocol, []).append(numbered)
            if event.transaction is None:
                self._of_flow.setdefault(by_protocol, []).append(numbered)
            else:
                request = (event.flow_id, event.transaction)
                self._of_request.setdefault(request, []).append(numbered)

    def values_for(self, ours: Ours) -> list[Observed] | None:
        """Return the values of an alert's request; nothing if it is there without any.

        None: no event of it is here.
        """
        flow, request = ours.event.flow_id, ours.event.transaction
        by_protocol = (flow, ours.place.buffer.protocol)
        if request is None:
            found = [self._answer(self._whole, by_protocol, ours.place)]
        else:
            found = [
                self._answer(self._of_request, (flow, request), ours.place),
                self._answer(self._of_flow, by_protocol, ours.place),
            ]
        answers = [one for one in found if one is not None]
        saying = [one for one in answers if one.items]
        if not answers:
            return None
        return min(saying, key=lambda one: one.at).items if saying else []

    def _answer(
        self, events: Mapping[_Request, list[tuple[int, Event]]], key: _Request, place: Place
    ) -> _Answer | None:
        known = (id(events), *key, place.buffer.sid, place.row.type)
        if known not in self._known:
            self._known[known] = _first(events.get(key, ()), place)
        return self._known[known]


_Request = tuple[int | None, object]
"""A flow, and a protocol or a transaction in it."""


def _first(events: Iterable[tuple[int, Event]], place: Place) -> _Answer | None:
    """Return what the first of these events says that says anything."""
    protocol = place.buffer.protocol
    answer: _Answer | None = None
    for number, event in events:
        if items := observed(event, place):
            return _Answer(items, number)
        if event.event_type == protocol and protocol != "dns":  # dns has two events, or more
            answer = _Answer([], number)
    return answer


def same_transaction(event: Event, ours: Ours) -> bool:
    """Whether an event is about the request of the alert.

    Events without a number belong to the flow as a whole (tls, ssh), but not those of a file: they
    hold a request, of which nobody knows which of the flow it is.
    """
    one, two = event.transaction, ours.event.transaction
    if one is None or two is None:
        return event.event_type == ours.place.buffer.protocol
    return one == two


def _events_of(flows: set[int], data: bytes) -> list[Event]:
    """Decode the lines of these flows that are no alerts."""
    wanted = {str(flow).encode() for flow in flows}
    found: list[Event] = []
    for match in _FLOW_ID.finditer(data):
        if match[1] not in wanted:
            continue
        start = data.rfind(b"\n", 0, match.start()) + 1
        end = data.find(b"\n", match.end())
        event = decode(data[start : end if end >= 0 else len(data)], Counter())
        if event is not None and event.event_type != "alert":
            found.append(event)
    return found


def _last_time(data: bytes) -> datetime | None:
    start = data.rfind(b"\n", 0, len(data) - 1) + 1
    match = _TIMESTAMP.search(data, start)
    return Event("", timestamp=match[1].decode(errors="replace")).at if match else None


def _may_wait(ours: Ours, now: datetime | None) -> bool:
    at = ours.event.at
    in_time = now is None or at is None or now - at <= PATIENCE
    return in_time and len(ours.line) <= HELD_LINE_MAX
