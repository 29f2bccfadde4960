"""Hosts files: a sink address and the names that are sent into it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from vedette.model import Skipped
from vedette.sources.formats.contract import Options, Row, share

_SINKS = re.compile(r"0\.0\.0\.0|127(?:\.\d{1,3}){3}|::1?|0|::ffff:0\.0\.0\.0").fullmatch
_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F:]*:[0-9a-fA-F:.%\w]*").fullmatch
_SHAPE = re.compile(r"(?:0\.0\.0\.0|127(?:\.\d{1,3}){3}|::1?|0)\s+\S").match
_MAJORITY = 0.5
_OWN = frozenset(
    {
        "localhost",
        "localhost.localdomain",
        "localhost4",
        "localhost6",
        "local",
        "broadcasthost",
        "ip6-localhost",
        "ip6-loopback",
        "ip6-localnet",
        "ip6-mcastprefix",
        "ip6-allnodes",
        "ip6-allrouters",
        "ip6-allhosts",
        "0.0.0.0",  # noqa: S104 - a line that many blocklists carry
    }
)
_COMMENT = ("#", ";", "//", "!")


class Hosts:
    """The names of a hosts file; a line without an address is a name."""

    def __init__(self, options: Options, _sample: Iterable[str] = ()) -> None:
        """Read a list with these settings."""
        self._type = options.type

    def feed(self, line: str) -> Iterable[Row]:
        """Return the names of a line."""
        text, _, comment = line.partition("#")
        words = text.split()
        if not words or words[0].startswith(_COMMENT):
            return
        if len(words) > 1 and _ADDRESS(words[0]):
            if not _SINKS(words[0]):
                yield Skipped("hosts entry for a real address", len(words) - 1)
                return
            del words[0]
        for word in words:
            if word.lower() in _OWN:
                yield Skipped("name of the machine itself")
            else:
                yield self._type, word, comment.strip("# \t\r")


def looks_like_hosts(sample: Sequence[str]) -> bool:
    """Whether most lines send a name into a sink."""
    return share(sample, _SHAPE) > _MAJORITY
