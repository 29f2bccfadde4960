"""``address:port`` a line; also with a comma, a semicolon or white space between."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from vedette.model import IndicatorType as T
from vedette.sources.formats.contract import Options, Row, share
from vedette.sources.formats.lines import Lines

_PAIR = re.compile(r"(\S+?)(?:\s*[,;|]\s*|\s+)(\d+)\b").match
_SHAPE = re.compile(
    r"(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-fA-F:.]+\])[:,|]\d{1,5}\s*(?:#.*)?\Z"
).match
_MAJORITY = 0.5


class IpPort:
    """Addresses whose port is part of the match."""

    def __init__(self, options: Options, _sample: Iterable[str] = ()) -> None:
        """Read a list with these settings."""
        source = options.type in {T.IP_SRC, T.IP_SRC_PORT}
        kind = T.IP_SRC_PORT if source else T.IP_DST_PORT
        self._lines = Lines(Options(type=kind))

    def feed(self, line: str) -> Iterable[Row]:
        """Return the address and port of a line."""
        for row in self._lines.feed(line):
            kind, text, comment = row
            pair = _PAIR(text)
            yield kind, f"{pair[1]},{pair[2]}" if pair else text, comment


def looks_like_ip_port(sample: Sequence[str]) -> bool:
    """Whether most lines are an address with a port."""
    return share(sample, _SHAPE) > _MAJORITY
