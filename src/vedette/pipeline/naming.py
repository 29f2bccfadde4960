"""What a person pastes as the values that it may be: defanged, in any spelling, of any kind."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import NamedTuple

from vedette.errors import UnusableValueError, UsageError
from vedette.fields import FIELDS, Field, Match, Spelling, places
from vedette.model import IndicatorType, Key
from vedette.normalize import ancestors, normalize, refang, split_url
from vedette.observe.spelling import observed
from vedette.pool.records import Place

_NAMES = (IndicatorType.DOMAIN, IndicatorType.HOSTNAME)

_PLAUSIBLE = {
    Spelling.NAME: re.compile(r"[^\s/@,]+").fullmatch,
    Spelling.ADDRESS: re.compile(r"(?=.*[.:])[0-9a-fA-F:.]+").fullmatch,
    Spelling.ADDRESS_PORT: re.compile(r"[0-9a-fA-F:.]+,\d{1,5}").fullmatch,
    Spelling.URL: re.compile(r"[^/]*/.*").fullmatch,
    Spelling.HASH: re.compile(r"[0-9a-fA-F:]{32,}").fullmatch,
    Spelling.MAIL: re.compile(r".*@.*").fullmatch,
}
"""What a text has to look like to be worth looking for; the others may be anything."""


class Named(NamedTuple):
    """A text in every meaning that it may have."""

    text: str
    keys: tuple[Key, ...]
    """As an indicator, and as one below a listed domain."""
    places: tuple[Place, ...]
    """As something that was seen."""

    @property
    def spellings(self) -> tuple[str, ...]:
        """The distinct values, the most telling first."""
        return tuple(dict.fromkeys(place.value for place in self.places))

    @property
    def is_name(self) -> bool:
        """Whether it is a name that others may be below."""
        return any(key.type is IndicatorType.DOMAIN for key in self.keys)

    @property
    def host(self) -> str:
        """The host of a URL; ``""`` if it is none."""
        for key in self.keys:
            if key.type is IndicatorType.URL:
                return split_url(key.value).host
        return ""


def name(text: str, *, below: bool = False, skip: Collection[str] = ()) -> Named:
    """Return what a pasted text may be.

    Args:
        text: A value in any spelling, defanged or not.
        below: Whether names below it are meant too.
        skip: Fields that are not remembered.

    Raises:
        UsageError: Nothing is left of it.
    """
    found: dict[tuple[str, str], Place] = {}
    keys = list(dict.fromkeys(_keys(text)))
    for key in keys:
        for field, match in places(key.type):
            if match is not Match.PATH and not (match is Match.NETWORK and "/" in key.value):
                deep = below and field.spelling is Spelling.NAME
                found[field.name, key.value] = Place(field.name, key.value, deep)
    for field in FIELDS:
        for value in _as_observed(field, text):
            found.setdefault((field.name, value), Place(field.name, value))
    if not found:
        raise UsageError("there is nothing to look for", hint="Quote the value.")
    wanted = tuple(place for place in found.values() if place.field not in skip)
    above = [
        Key(IndicatorType.DOMAIN, name)
        for key in keys
        if key.type in _NAMES
        for name in ancestors(key.value)
    ]
    return Named(text, tuple(dict.fromkeys([*keys, *above])), wanted)


def _keys(text: str) -> Iterator[Key]:
    for kind in IndicatorType:
        try:
            yield normalize(kind, text)
        except UnusableValueError:
            continue


def _as_observed(field: Field, text: str) -> Iterator[str]:
    """Yield how the text would be kept: as it is, and as it was before somebody defanged it."""
    plausible = _PLAUSIBLE.get(field.spelling)
    for meant in dict.fromkeys((text.strip(), refang(text))):
        if (plausible is None or plausible(meant)) and (value := observed(field.spelling, meant)):
            yield value
