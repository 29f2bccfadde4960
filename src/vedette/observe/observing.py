"""One EVE line as observations: the slow and exact path, on which both folds agree.

A line is what a dict of it would say: of repeated members the last counts, members of an
unexpected type are as good as absent, and nothing that a line holds raises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from vedette.fields import FIELDS, VALUE_MAX
from vedette.normalize.observed import address
from vedette.observe.collected import MARK, collected
from vedette.observe.decoding import decode, salvage
from vedette.observe.ends import TURNED, Home
from vedette.observe.events import TYPES, Event
from vedette.observe.timestamps import micros
from vedette.observe.values import VALUES, Values

_NOT_LONG = VALUE_MAX // 3
"""Bytes of a line that no value can outgrow: a byte of it is at most three of a value."""


class Observed(NamedTuple):
    """What one line said."""

    outcome: str
    """Exactly one of these for every line; the fold counts it under this name.

    ``events``: at least one value. ``malformed``: not JSON (also: nested too deeply).
    ``unexpected``: JSON, but no object with a text ``event_type``; or an event whose values cannot
    be used for their shape. ``untimed``: no usable ``timestamp`` (see ``timestamps``), whatever its
    type. ``ignored``: of a type in which nothing is remembered. ``empty``: of a type that is
    remembered, without a value (or with values of skipped fields only).
    """
    time_us: int | None = None
    """Microseconds since 1970, UTC, 0 to 2**32 seconds; None if malformed, unexpected for want of
    a type, or untimed. Whenever it is given, the event counts in its hour, ``ignored`` too."""
    flow_id: int = 0
    """0 if it is no integer from 0 to 2**64-1."""
    client: str = ""
    """Address of the end that opened the flow (see ``ends``), RFC 5952; ``""`` if absent."""
    server: str = ""
    values: Sequence[tuple[int, str]] = ()
    """(``Field.number``, value as kept), each pair once, in no order; empty unless ``events``.
    At most ``fields.VALUE_MAX`` bytes of UTF-8 each, never an empty text."""
    also: tuple[str, ...] = ()
    """Counted besides the outcome: ``encoding`` (the line as a whole is not valid UTF-8, or a text
    in it is half a surrogate pair; it is used with U+FFFD in these places) once for the line,
    ``value.long`` once for each distinct value that is too long."""


class Observer:
    """Reads lines. Immutable; the native fold calls it for every line that it leaves alone.

    A line comes without its newline. Those who split a block into lines drop what is empty after
    stripping NUL bytes, blanks, tabs and carriage returns from both ends; everything else is a line
    and counts in ``lines``.
    """

    def __init__(self, skip: Iterable[str] = (), home: Iterable[str] = ()) -> None:
        """Take the names of fields that are not wanted, and our own networks (CIDR).

        Raises:
            ValueError: A network is none.
        """
        self._home = Home(home)
        unwanted = frozenset(skip)
        self._unwanted = frozenset(f.number for f in FIELDS if f.name in unwanted)
        self._kinds = {kind: _kind(kind, unwanted) for kind in TYPES}

    def __call__(self, line: bytes) -> Observed:
        """Return what a line says. Never raises for what it holds."""
        if line.isascii():
            return self._read(line, ())
        try:
            line.decode()
        except UnicodeDecodeError:
            return self._read(line.decode(errors="replace").encode(), ("encoding",))
        return self._read(line, ())

    def _read(self, line: bytes, also: tuple[str, ...]) -> Observed:
        event, whole = decode(line), True
        if event is None:
            event, whole, surrogates = salvage(line)
            if event is None:
                return Observed("malformed", also=also)
            also = ("encoding",) if surrogates else also
        if not event.event_type:
            return Observed("unexpected", also=also)
        time_us = micros(event.timestamp)
        if time_us is None:
            return Observed("untimed", also=also)
        kind = self._kinds.get(event.event_type)
        if kind is None:
            return self._of_another_type(line, event, time_us, also)
        values = [pair for pair in kind.values(event) if pair[1]]
        if kind.skip or len(line) > _NOT_LONG:
            values, too_long = _kept(values, kind.skip)
            also += ("value.long",) * too_long
        if not values:
            outcome = "empty" if whole or "value.long" in also else "unexpected"
            return Observed(outcome, time_us, also=also)
        client, server = address(event.src_ip), address(event.dest_ip)
        if kind.turned is not None and kind.turned(event, self._home):
            client, server = server, client
        flow_id = event.flow_id if 0 <= event.flow_id < 1 << 64 else 0
        return _observed(Observed, ("events", time_us, flow_id, client, server, values, also))

    def _of_another_type(
        self, line: bytes, event: Event, time_us: int, also: tuple[str, ...]
    ) -> Observed:
        """Ignore it, unless it is an alert that says that the engine met a value first."""
        if event.event_type != "alert" or MARK not in line:
            return Observed("ignored", time_us, also=also)
        found, turned = collected(line)
        values, too_long = _kept(found, self._unwanted)
        also += ("value.long",) * too_long
        if not values:
            return Observed("empty" if found else "ignored", time_us, also=also)
        client, server = address(event.src_ip), address(event.dest_ip)
        if turned:
            client, server = server, client
        flow_id = event.flow_id if 0 <= event.flow_id < 1 << 64 else 0
        return Observed("events", time_us, flow_id, client, server, values, also)


_observed = tuple.__new__
"""Makes an ``Observed`` of all its fields, three times as fast as calling it."""


class _Kind(NamedTuple):
    """What is done with the events of one type."""

    values: Callable[[Any], Values]
    turned: Callable[[Any, Home], bool] | None
    skip: frozenset[int]


def _kind(name: str, unwanted: frozenset[str]) -> _Kind:
    fields = [field for field in FIELDS if name in field.event.split("|")]
    skip = frozenset(field.number for field in fields if field.name in unwanted)
    return _Kind(VALUES[name], TURNED.get(name), skip)


def _kept(values: Values, skip: frozenset[int]) -> tuple[Values, int]:
    """Return the values that are wanted and short enough, and how many are too long."""
    wanted = [pair for pair in values if pair[0] not in skip]
    kept = [pair for pair in wanted if len(pair[1].encode()) <= VALUE_MAX]
    return kept, len(wanted) - len(kept)
