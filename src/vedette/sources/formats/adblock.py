"""Filter lists of ad blockers: only rules that block a whole name are indicators."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from vedette.model import Skipped
from vedette.sources.formats.contract import Options, Refused, Row, share

_RULE = re.compile(r"\|\|([^$^|]+)(\^?\|?)(?:\$(.*))?\Z").match
_PLAIN = re.compile(r"[\w.*-]+\.[\w-]+\Z").match
_COSMETIC = re.compile(r"#[@?$%]*#|\$@?\$")
_SHAPE = re.compile(r"\|\|\S|@@\|\||\[Ad[Bb]lock|\[uBlock|\[AdGuard").match
_MAJORITY = 0.5
_PAGES = ("domain=", "denyallow=", "from=", "to=", "app=", "client=", "ctag=", "dnstype=")


class Adblock:
    """``||name^`` and plain names; what is narrower than a name is refused or skipped."""

    def __init__(self, options: Options, _sample: Iterable[str] = ()) -> None:
        """Read a list with these settings."""
        self._type = options.type

    def feed(self, line: str) -> Iterable[Row]:
        """Return the name that a rule blocks."""
        text = line.strip()
        if not text or text.startswith(("!", "[Ad", "[uB")):
            return ()
        if text.startswith("@@"):
            return (Skipped("exception rule"),)
        if _COSMETIC.search(text):
            return (Skipped("cosmetic rule"),)
        if text.startswith("#"):
            return ()
        return (self._rule(text),)

    def _rule(self, text: str) -> Row:
        if match := _RULE(text):
            name, _end, modifiers = match.groups()
            if skipped := _narrowed(modifiers or ""):
                return skipped
            if "*" in name.removeprefix("*."):
                return Refused(text, "filter pattern, not a value")
            return self._type, name, ""
        if _PLAIN(text):
            return self._type, text, ""
        return Refused(text, "filter pattern, not a value")


def _narrowed(modifiers: str) -> Skipped | None:
    words = modifiers.split(",")
    if "badfilter" in words:
        return Skipped("exception rule")
    if any(word.removeprefix("~").startswith(_PAGES) for word in words):
        return Skipped("rule for some pages or clients only")
    return None


def looks_like_adblock(sample: Sequence[str]) -> bool:
    """Whether it opens as a filter list, or most lines are filter rules."""
    return (
        any(line.startswith("[Adblock") for line in sample[:3]) or share(sample, _SHAPE) > _MAJORITY
    )
