"""Lines as events.

Nearly all lines fit the struct of their type. One that does not goes through a dict, and every
member of a usable type is kept.
"""

from __future__ import annotations

import json
from typing import NamedTuple, NoReturn

import msgspec

from vedette.observe.events import TYPES, Event
from vedette.observe.salvage import Salvage


class Decoded(NamedTuple):
    """An event that did not fit at first."""

    event: Event | None
    """None: not JSON."""
    whole: bool
    """Whether every member that is looked at was of a type that an engine writes."""
    surrogates: bool
    """Whether a text held half a surrogate pair; U+FFFD stands there now."""


_KEY = b'"event_type":"'
_OTHER = msgspec.json.Decoder(Event).decode
_DECODE = {name: msgspec.json.Decoder(struct).decode for name, struct in TYPES.items()}
_GUESS = {name.encode(): (name, decode_as) for name, decode_as in _DECODE.items()}
_NO_GUESS = ("", _OTHER)
_LONGEST_INTEGER = 20
"""Digits of 2**64: longer numbers are of no use, and slow."""


def decode(line: bytes) -> Event | None:
    """Return the event of a line that is valid UTF-8; None if it has to be salvaged.

    The text behind ``"event_type":"`` is only a guess; what the parser says counts.
    """
    start = line.find(_KEY) + len(_KEY)
    guess, decode_as = _GUESS.get(line[start : line.find(b'"', start)], _NO_GUESS)
    try:
        event = decode_as(line)
        if event.event_type == guess:
            return event
        actual = _DECODE.get(event.event_type, _OTHER)
        return event if actual is decode_as else actual(line)
    except (msgspec.DecodeError, RecursionError):
        return None


def salvage(line: bytes) -> Decoded:
    """Return what can be used of a line, valid UTF-8, that ``decode`` did not take.

    An ``event_type`` that is no text is ``""``.
    """
    try:
        found = json.loads(line.decode(), parse_int=_integer, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return Decoded(None, whole=False, surrogates=False)
    if not isinstance(found, dict):
        return Decoded(Event(), whole=False, surrogates=False)
    kind = found.get("event_type")
    rescue = Salvage()
    event = rescue.convert(found, TYPES.get(kind, Event) if isinstance(kind, str) else Event)
    return Decoded(event, whole=rescue.whole, surrogates=rescue.surrogates)


def _integer(digits: str) -> int:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else -1


def _refuse(constant: str) -> NoReturn:
    """Refuse NaN and Infinity, which are not JSON."""
    raise ValueError(constant)
