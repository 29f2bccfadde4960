"""Which function spells the values of a field."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from vedette.fields import Spelling
from vedette.normalize import observed as spell

SPELL: Mapping[Spelling, Callable[[str], str]] = MappingProxyType(
    {
        Spelling.NAME: spell.name,
        Spelling.ADDRESS: spell.address,
        Spelling.ADDRESS_PORT: spell.plain,
        Spelling.URL: spell.url,
        Spelling.HASH: spell.hexadecimal,
        Spelling.MAIL: spell.mail,
        Spelling.FILENAME: spell.filename,
        Spelling.TEXT: spell.plain,
    }
)


def observed(spelling: Spelling, text: str) -> str | None:
    """Return the value that is kept of an observed text; None if nothing is left.

    The same value as ``normalize`` makes of an indicator with that meaning, and something also of
    texts that no indicator can have.
    """
    return SPELL[spelling](text) or None
