"""How the identity of an indicator is written in the database's clustered key."""

from __future__ import annotations

from vedette.model import IndicatorType, Key
from vedette.normalize import reverse_key, unreverse_key

_NAMES = frozenset({IndicatorType.DOMAIN, IndicatorType.HOSTNAME})


def to_skey(kind: IndicatorType, value: str) -> str:
    """The sort key: names reversed, so that all children of a name follow it."""
    return reverse_key(value) if kind in _NAMES else value


def from_skey(kind: IndicatorType, skey: str) -> Key:
    """The indicator that a row of ``entry`` is about."""
    return Key(kind, unreverse_key(skey) if kind in _NAMES else skey)
