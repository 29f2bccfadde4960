"""Well-known public feeds that can be added by name; none is on by default.

They are data, in ``presets.toml`` beside this module. Nothing here looks at the network.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import Struct

from vedette.errors import UsageError
from vedette.model import SourceRules


class Preset(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A public feed: where it is, how to read it, and what to think of it."""

    name: str
    title: str
    """One line for people: whose it is and what it lists."""
    kind: str
    settings: dict[str, Any]
    """Of its kind, without a name."""
    homepage: str
    licence: str
    """Or terms, in a few words; the publisher's own text counts."""
    warning: str
    """What it gets wrong, with the figure where it was measured."""
    interval: str
    """How often it makes sense to ask: ``6h``."""
    rules: SourceRules = SourceRules()


class _File(Struct, forbid_unknown_fields=True):
    preset: list[Preset]


@cache
def presets() -> Mapping[str, Preset]:
    """Return all presets by name, in the order of the file."""
    text = files("vedette.sources").joinpath("presets.toml").read_text(encoding="utf-8")
    found = msgspec.convert(tomllib.loads(text), _File).preset
    return MappingProxyType({preset.name: preset for preset in found})


def find_preset(name: str) -> Preset:
    """Return a preset.

    Raises:
        UsageError: There is none of that name.
    """
    if (preset := presets().get(name)) is not None:
        return preset
    close = difflib.get_close_matches(name, presets(), n=1)
    raise UsageError(
        f"there is no preset {name!r}",
        hint=f"Did you mean {close[0]!r}?" if close else "See: vedette source presets",
    )
