"""The datasets of the fake engine: what it loads from rules, holds, and forgets.

Each oddity was measured on the real engines, and tests/engine replays the same scripts on them.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_DATASET = re.compile(r"dataset:isset,([^,;]+),([^;]*);")
_FILE_LIST = re.compile(r"file(?:md5|sha1|sha256):([^;]+);")
_ENTRY_BYTES: Mapping[bool, Mapping[str, int]] = {
    False: {"string": 88, "md5": 90, "sha256": 106, "ip": 90},
    True: {"string": 104, "md5": 104, "sha256": 120, "ip": 104},
}
_HEX_LENGTH = {"md5": 32, "sha256": 64}


class LoadError(Exception):
    """A rule could not be loaded."""


@dataclass
class FakeSet:
    """One dataset in memory."""

    kind: str
    memcap: int
    hashsize: int
    eight: bool
    is_json: bool = False
    values: dict[bytes, str] = field(default_factory=dict)
    used: int = 0

    def __post_init__(self) -> None:
        self.used = 64 * self.hashsize

    def add(self, value: bytes, extra: str = "") -> bool:
        """Add; past memcap an older entry is forgotten, and nobody is told."""
        if value in self.values:
            return False
        self.values[value] = extra
        self.used += self._cost(value, extra)
        while self.used > self.memcap and len(self.values) > 1:
            self.remove(next(iter(self.values)))
        return True

    def remove(self, value: bytes) -> bool:
        """Remove; False if it was not there."""
        if value not in self.values:
            return False
        self.used -= self._cost(value, self.values.pop(value))
        return True

    def clear(self) -> None:
        """Forget all entries."""
        self.values.clear()
        self.used = 64 * self.hashsize

    def parse(self, datavalue: str) -> bytes | None:
        """Read a value of a socket command; None if it is malformed."""
        if self.kind == "string":
            return self._decode(datavalue)
        if self.kind == "ip":
            try:
                return _packed(datavalue)
            except ValueError:
                return None
        try:
            raw = bytes.fromhex(datavalue)
        except ValueError:
            return None
        return raw if 2 * len(raw) == _HEX_LENGTH[self.kind] else None

    def _decode(self, text: str) -> bytes | None:
        lenient = not self.eight
        if lenient:
            text += "=" * (-len(text) % 4)
        try:
            value = base64.b64decode(text, validate=True)
        except binascii.Error:
            return None
        return value if value or lenient else None

    def _cost(self, value: bytes, extra: str) -> int:
        fixed = _ENTRY_BYTES[self.eight][self.kind]
        strings = len(value) if self.kind == "string" and self.eight else 0
        return fixed + strings + len(extra)


@dataclass
class FakeRuleset:
    """What the engine holds after one load of its rules."""

    sets: dict[str, FakeSet] = field(default_factory=dict)
    loaded: int = 0
    failed: list[dict[str, object]] = field(default_factory=list)


def load(rules: Path, eight: bool) -> FakeRuleset:
    """Load a rules file as an engine does: a rule that fails is left out, the others go on."""
    ruleset = FakeRuleset()
    if not rules.exists():
        return ruleset
    for number, rule in enumerate(rules.read_text().splitlines(), start=1):
        try:
            _load_rule(ruleset, rule, rules.parent, eight)
        except (LoadError, OSError):
            failed = {"tenant_id": 0, "rule": rule, "filename": str(rules), "line": number}
            ruleset.failed.append(failed)
        else:
            ruleset.loaded += 1
    return ruleset


def _load_rule(ruleset: FakeRuleset, rule: str, directory: Path, eight: bool) -> None:
    if found := _FILE_LIST.search(rule):
        if not (directory / found[1]).read_bytes():
            raise LoadError("no items")
        return
    found = _DATASET.search(rule)
    if found is None or found[1] in ruleset.sets:
        return
    options = dict(part.strip().partition(" ")[::2] for part in found[2].split(","))
    loaded = FakeSet(
        kind=options["type"],
        memcap=int(options["memcap"].removesuffix("mb")) << 20,
        hashsize=int(options["hashsize"]),
        eight=eight,
        is_json="format" in options,
    )
    if loaded.hashsize > (65536 if eight else 262144):
        raise LoadError("hashsize over the cap")
    _load_file(loaded, directory / options["load"], options.get("value_key", ""))
    ruleset.sets[found[1]] = loaded


def _load_file(loaded: FakeSet, path: Path, value_key: str) -> None:
    text = path.read_text()
    if text and not text.endswith("\n") and not loaded.eight:
        text = text[:-1]  # the last character of an unfinished line is lost
    count = 0
    for line in text.splitlines():
        if loaded.is_json:
            value, extra = str(json.loads(line)[value_key]), line
            raw = value.encode() if loaded.kind == "string" else _packed(value)
        else:
            parsed, extra = loaded.parse(line), ""
            if parsed is None:
                continue  # a warning in the log, the line is skipped
            raw = parsed
        count += loaded.add(raw, extra)
    if count != len(loaded.values):
        raise LoadError("dataset too large for set memcap")


def _packed(text: str) -> bytes:
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv4Address):
        return b"\0" * 10 + b"\xff\xff" + address.packed
    return address.packed
