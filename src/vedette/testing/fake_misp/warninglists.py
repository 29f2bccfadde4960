"""The fake MISP's warning lists, with MISP's way to match each kind of list."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

ALL = "ALL"
"""As a matching attribute: every type."""


@dataclass
class FakeWarninglist:
    """A list of values that are probably no threat; only an enabled one counts."""

    id: int
    name: str
    entries: list[str]
    type: str = "string"
    """``string``, ``hostname``, ``substring``, ``cidr`` or ``regex``."""
    matching_attributes: list[str] = field(default_factory=lambda: [ALL])
    description: str = ""
    category: str = "false_positive"
    version: int = 1
    enabled: bool = True

    def hits(self, kind: str, value: str) -> Iterator[tuple[str, str]]:
        """Yield each part of an attribute's value that is on the list, with the matching entry."""
        if not {ALL, kind} & set(self.matching_attributes):
            return
        for part in value.split("|"):
            if (entry := self.match(part)) is not None:
                yield part, entry

    def match(self, value: str) -> str | None:
        """The entry that one value matches, or ``None``."""
        matches = _MATCHES[self.type]
        return next((entry for entry in self.entries if matches(entry, value)), None)


def _is_hostname(entry: str, value: str) -> bool:
    host = re.sub(r"^[a-z]+://", "", value).split("/")[0].split(":")[0]
    name = entry.lower().strip(".")  # the list's, not the value's, is put into lower case
    return host == name or host.endswith(f".{name}")


def _is_in_network(entry: str, value: str) -> bool:
    try:
        return ip_address(value) in ip_network(entry, strict=False)
    except ValueError:
        return False


_MATCHES: Mapping[str, Callable[[str, str], bool]] = {
    "string": lambda entry, value: entry == value,
    "substring": lambda entry, value: entry in value,
    "hostname": _is_hostname,
    "cidr": _is_in_network,
    "regex": lambda entry, value: re.search(entry.strip("/"), value) is not None,
}
