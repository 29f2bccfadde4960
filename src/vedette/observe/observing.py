"""One EVE line as observations: the slow and exact path, on which both folds agree.

A line is what a dict of it would say: of repeated members the last counts, members of an
unexpected type are as good as absent, and nothing that a line holds raises.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple


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
        """Take the names of fields that are not wanted, and our own networks (CIDR)."""
        raise NotImplementedError

    def __call__(self, line: bytes) -> Observed:
        """Return what a line says. Never raises for what it holds."""
        raise NotImplementedError
