"""One EVE line as observations: the slow and exact path, on which both folds agree.

A line is what a dict of it would say: of repeated members the last counts, members of an
unexpected type are as good as absent, and nothing that a line holds raises.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from vedette.fields import FIELDS, VALUE_MAX
from vedette.normalize.observed import address
from vedette.observe.decoding import decode, salvage
from vedette.observe.ends import Home, is_turned
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
        self._skip = frozenset(field.number for field in FIELDS if field.name in unwanted)
        self._filtered = frozenset(
            kind for field in FIELDS if field.name in unwanted for kind in field.event.split("|")
        )

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
        if event.event_type not in TYPES:
            return Observed("ignored", time_us, also=also)
        values, too_long = self._values(event, len(line))
        also += ("value.long",) * too_long
        if not values:
            return Observed("empty" if whole or too_long else "unexpected", time_us, also=also)
        client, server = address(event.src_ip), address(event.dest_ip)
        if is_turned(event, self._home):
            client, server = server, client
        flow_id = event.flow_id if 0 <= event.flow_id < 1 << 64 else 0
        return Observed("events", time_us, flow_id, client, server, values, also)

    def _values(self, event: Event, length: int) -> tuple[Values, int]:
        """Return the values that are kept, and how many are too long for it."""
        values = [pair for pair in VALUES[event.event_type](event) if pair[1]]
        if event.event_type in self._filtered:
            values = [pair for pair in values if pair[0] not in self._skip]
        if length <= _NOT_LONG:
            return values, 0
        kept = [pair for pair in values if len(pair[1].encode()) <= VALUE_MAX]
        return kept, len(values) - len(kept)
