"""dnsmasq: ``address=/d/…``, ``local=/d/``, and ``server=/d/`` without a server."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from vedette.model import IndicatorType as T
from vedette.model import Skipped
from vedette.sources.formats.contract import Options, Refused, Row, share

_SETTING = re.compile(r"(address|local|server)\s*=\s*/(.*)/([^/]*)\Z").match
_SHAPE = re.compile(r"(?:address|local|server)\s*=\s*/").match
_OTHER = re.compile(r"[a-z][a-z0-9-]*(?:\s*=|\Z)").match
_MAJORITY = 0.5


class Dnsmasq:
    """The names that a dnsmasq configuration does not let resolve; each covers those below it."""

    def __init__(self, options: Options, _sample: Iterable[str] = ()) -> None:
        """Read a list with these settings."""
        self._type = options.type if options.type is T.HOSTNAME else T.DOMAIN

    def feed(self, line: str) -> Iterable[Row]:
        """Return the names of a setting."""
        text, _, comment = line.partition(" #")
        text = text.strip()
        if not text or text.startswith(("#", ";")):
            return
        match = _SETTING(text)
        if match is None:
            yield (
                Skipped("other dnsmasq setting")
                if _OTHER(text)
                else Refused(text, "not a dnsmasq setting")
            )
            return
        setting, names, target = match.groups()
        forwards = setting != "address" and target
        for name in names.split("/"):
            if forwards:
                yield Skipped("name that is forwarded, not blocked")
            elif name == "#":
                yield Refused(text, "setting for every name")
            else:
                yield self._type, name, comment.strip()


def looks_like_dnsmasq(sample: Sequence[str]) -> bool:
    """Whether most lines are settings with names in slashes."""
    return share(sample, _SHAPE) > _MAJORITY
