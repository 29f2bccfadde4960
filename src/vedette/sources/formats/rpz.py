"""Response policy zones: names and addresses that a resolver refuses to answer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from vedette.model import IndicatorType as T
from vedette.model import Skipped
from vedette.sources.formats.contract import Options, Refused, Row

_RECORD = re.compile(
    r"(\S+)\s+(?:\d+[smhdw]?\s+)?(?:IN\s+)?(?:\d+\s+)?"
    r"(?:(?:CNAME|DNAME|TXT|MX|SRV)\s+|A\s+(?=\d)|AAAA\s+(?=[0-9a-f]*:))(\S+)",
    re.IGNORECASE,
).match
_INFRASTRUCTURE = re.compile(r"(?:^|\s)(?:SOA|NS|DNSKEY|RRSIG)\s", re.IGNORECASE).search
_SHAPE = re.compile(r"\$TTL\s|\S+\s.*\bIN\s+SOA\s|\S+\s+(?:\d+\s+)?(?:IN\s+)?CNAME\s+\S+").match
_TRIGGERS = ("rpz-client-ip", "rpz-nsdname", "rpz-nsip")
_MAJORITY = 0.5
_IPV6_GROUPS = 8


class Rpz:
    """``name CNAME .`` and its policies; ``*.name`` covers what is below the name."""

    def __init__(self, options: Options, _sample: Iterable[str] = ()) -> None:
        """Read a list with these settings."""
        self._type = options.type
        self._origin = ""
        self._open = 0

    def feed(self, line: str) -> Iterable[Row]:
        """Return the trigger of a record."""
        text = line.partition(";")[0].rstrip()
        if self._open or not text:
            self._open += text.count("(") - text.count(")")
            return ()
        if text.startswith("$"):
            self._directive(text)
            return ()
        if text.startswith("@") or _INFRASTRUCTURE(text):
            self._open += text.count("(") - text.count(")")
            return ()
        if text[0].isspace():  # one more record of the owner above
            return ()
        record = _RECORD(text)
        return (self._trigger(*record.groups()),) if record else (Refused(text, "not a record"),)

    def _directive(self, text: str) -> None:
        words = text.split()
        if words[0].upper() == "$ORIGIN" and len(words) > 1:
            self._origin = "." + words[1].strip(".").lower()

    def _trigger(self, owner: str, target: str) -> Row:
        if target.lower().rstrip(".") == "rpz-passthru":
            return Skipped("exception rule")
        if owner.endswith("."):
            owner = owner[:-1]
            if self._origin and owner.lower().endswith(self._origin):
                owner = owner[: -len(self._origin)]
        stem, dot, last = owner.rpartition(".")
        if dot and last.lower() == "rpz-ip":
            return T.IP_SRC if self._type is T.IP_SRC else T.IP_DST, _network(stem), ""
        if last.lower() in _TRIGGERS:
            return Skipped("trigger on name servers or clients")
        return self._type, owner, ""


def _network(text: str) -> str:
    """Return ``32.4.3.2.1`` as ``1.2.3.4/32``; IPv6 has ``zz`` for its run of zeros."""
    prefix, *groups = text.split(".")
    groups.reverse()
    if "zz" in groups or len(groups) == _IPV6_GROUPS:
        address = ":".join("" if group == "zz" else group for group in groups)
        address = f":{address}" if address.startswith(":") else address
        return f"{address}:/{prefix}" if address.endswith(":") else f"{address}/{prefix}"
    return f"{'.'.join(groups)}/{prefix}"


def looks_like_rpz(sample: Sequence[str]) -> bool:
    """Whether it opens as a zone, or most lines are CNAME records."""
    content = [line for line in sample if line.strip() and not line.startswith((";", "#"))]
    return bool(content) and sum(bool(_SHAPE(line)) for line in content) > len(content) * _MAJORITY
