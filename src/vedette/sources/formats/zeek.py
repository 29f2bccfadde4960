"""Zeek's intelligence framework: tab separated, each row says its own type."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from vedette.model import IndicatorType as T
from vedette.model import Skipped
from vedette.sources.formats.contract import Options, Refused, Row

_TYPES: Mapping[str, tuple[T, ...]] = MappingProxyType(
    {
        "ADDR": (T.IP_DST, T.IP_SRC),
        "SUBNET": (T.IP_DST, T.IP_SRC),
        "URL": (T.URL,),
        "SOFTWARE": (T.USER_AGENT, T.HTTP_SERVER, T.SSH_SOFTWARE),
        "EMAIL": (T.EMAIL_SRC, T.EMAIL_DST),
        "DOMAIN": (T.DOMAIN, T.HOSTNAME),
        "FILE_HASH": (T.SHA256,),
        "FILE_NAME": (T.FILENAME,),
        "CERT_HASH": (T.CERT_SHA1,),
        "JA3": (T.JA3,),
        "JA3S": (T.JA3S,),
        "JA4": (T.JA4,),
        "HASSH": (T.HASSH,),
        "HASSHSERVER": (T.HASSH_SERVER,),
    }
)
"""The first is meant, unless the list's own type is another one of them."""

_DEFAULT_FIELDS = ("indicator", "indicator_type", "meta.source", "meta.desc")
_UNSET = frozenset({"-", "(empty)", ""})


class Zeek:
    """An ``.intel`` file."""

    def __init__(self, options: Options, _sample: Iterable[str] = ()) -> None:
        """Read a list with these settings."""
        self._type = options.type
        self._index(_DEFAULT_FIELDS)

    def feed(self, line: str) -> Iterable[Row]:
        """Return the indicator of a row."""
        if line.startswith("#"):
            if line.startswith("#fields"):
                self._index(line.rstrip("\r\n").split("\t")[1:])
            return ()
        cells = line.rstrip("\r\n").split("\t")
        if not line.strip():
            return ()
        if self._value < 0 or max(self._value, self._kind) >= len(cells):
            return (Refused(line, "row without its fields"),)
        name = cells[self._kind].strip().removeprefix("Intel::")
        kinds = _TYPES.get(name)
        if kinds is None:
            return (Skipped(f"Zeek type {name[:40]}"),)
        kind = self._type if self._type in kinds else kinds[0]
        return ((kind, cells[self._value], self._text(cells)),)

    def _index(self, fields: Sequence[str]) -> None:
        places = {name.strip(): place for place, name in enumerate(fields)}
        self._value = places.get("indicator", -1)
        self._kind = places.get("indicator_type", len(fields))
        self._comment = places.get("meta.desc", -1)

    def _text(self, cells: Sequence[str]) -> str:
        text = cells[self._comment] if 0 <= self._comment < len(cells) else ""
        return "" if text in _UNSET else text


def looks_like_zeek(sample: Sequence[str]) -> bool:
    """Whether it has the header, or rows with Zeek's types."""
    return any(line.startswith("#fields") or "\tIntel::" in line for line in sample)
