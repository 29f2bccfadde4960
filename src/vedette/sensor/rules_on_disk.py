"""Our rules in the files that an engine reads, wherever another tool has put them.

The engine's own settings say which files these are. Hard rule: only read, and only what is there;
whether the engine has loaded it is asked elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from glob import glob
from pathlib import Path
from typing import NamedTuple

from vedette.sensor.configuration import Configuration, items

_SID = re.compile(rb"\bsid\s*:\s*(\d{1,10})\s*;")
_REV = re.compile(rb"\brev\s*:\s*(\d{1,10})\s*;")
_LOAD = re.compile(rb"\bdataset\s*:[^;]*\bload\s+([^,;]+)|\bfile(?:md5|sha1|sha256)\s*:\s*([^;]+);")
_QUOTED = re.compile(rb'"(?:\\.|[^"\\])*"')
_DEFAULT = "/etc/suricata/rules"


class RuleOnDisk(NamedTuple):
    """One of our rules in a file."""

    sid: int
    rev: int
    path: Path
    line: int
    is_enabled: bool
    """Not commented out."""
    loads: Path | None
    """The file of its dataset or hash list."""


class RulesOnDisk(NamedTuple):
    """What was found."""

    paths: list[Path]
    """The files that the engine reads."""
    unreadable: list[str]
    """Those that we cannot read, with the reason."""
    rules: dict[int, RuleOnDisk]
    """Ours by sid; an enabled one rather than one that is commented out."""


def find_rules(configuration: Configuration, sids: Collection[int]) -> RulesOnDisk:
    """Look for rules by their sids.

    Args:
        configuration: Of the engine, as of its last reload.
        sids: Ours.
    """
    found = RulesOnDisk(list(rule_files(configuration)), [], {})
    for path in found.paths:
        try:
            data = path.read_bytes()
        except OSError as error:
            found.unreadable.append(f"{path} ({error.strerror})")
            continue
        for rule in _rules_in(path, data, sids):
            before = found.rules.get(rule.sid)
            if before is None or (rule.is_enabled and not before.is_enabled):
                found.rules[rule.sid] = rule
    return found


def rule_files(configuration: Configuration) -> Iterator[Path]:
    """Yield the files of ``rule-files``; patterns stand for what is there now."""
    base = Path(configuration.get("default-rule-path") or _DEFAULT)
    for item in items(configuration, "rule-files"):
        pattern = str(base / item)
        yield from map(Path, sorted(glob(pattern)) or [pattern])  # noqa: PTH207 - absolute too


def _rules_in(path: Path, data: bytes, sids: Collection[int]) -> Iterator[RuleOnDisk]:
    for match in _SID.finditer(data):
        if int(match[1]) in sids:
            start = data.rfind(b"\n", 0, match.start()) + 1
            end = data.find(b"\n", match.end())
            text = data[start : end if end >= 0 else len(data)].strip()
            options = _QUOTED.sub(b'""', text)  # a message may say anything
            own = _SID.search(options)
            if own and own[1] == match[1]:
                number = data.count(b"\n", 0, start) + 1
                yield _rule(path, number, options, int(match[1]))


def _rule(path: Path, number: int, text: bytes, sid: int) -> RuleOnDisk:
    rev, load = _REV.search(text), _LOAD.search(text)
    loads = (load[1] or load[2]).decode(errors="replace").strip() if load else ""
    return RuleOnDisk(
        sid,
        int(rev[1]) if rev else 0,
        path,
        number,
        is_enabled=not text.startswith(b"#"),
        loads=path.parent / loads if loads else None,
    )
