"""Small bundles made by hand, for tests that need one without compiling it.

The kind of a set follows from its name: ``ip...`` holds addresses, ``file...`` is a list of MD5,
``...ctx`` is JSON with context, all others hold names as strings.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from vedette.ruleset.manifest import Manifest, RuleInfo, RulesInfo, SetInfo

_SID = 7_000_000


class HandMade(NamedTuple):
    """A manifest and where its files are."""

    manifest: Manifest
    sources: dict[str, Path]
    """By the name under which a sensor has them."""


def hand_made(
    directory: Path,
    generation: int,
    sets: Mapping[str, Sequence[str]],
    *,
    target: str = "7.0",
    memcap_mb: int = 10,
    hashsize: int = 1024,
) -> HandMade:
    """Write the files of a bundle with one rule per set into a new directory."""
    directory.mkdir(parents=True)
    infos, rules, texts = [], [], []
    for number, (name, values) in enumerate(sets.items()):
        data, info = _write_set(name, values, (memcap_mb << 20, hashsize))
        text = _rule(info, _SID + number)
        infos.append(info)
        rules.append(
            RuleInfo(
                sid=_SID + number,
                rev=generation,
                set=name,
                buffer="dns.query",
                text=_sha256(text.encode()),
            )
        )
        texts.append(text.replace("rev:0", f"rev:{generation}"))
        (directory / info.file).write_bytes(data)
    rules_text = "".join(f"{text}\n" for text in texts).encode()
    (directory / "vedette.rules").write_bytes(rules_text)
    manifest = Manifest(
        generation=generation,
        content_id=_sha256("".join(info.content for info in infos).encode()),
        parent=None,
        created_at=datetime.now(UTC),
        vedette="0",
        prefix="vedette",
        sid_base=_SID,
        sources=(),
        counts={},
        pruned={},
        sets=tuple(infos),
        rules=(
            RulesInfo(
                profile=target,
                file="vedette.rules",
                sha256=_sha256(rules_text),
                sets=tuple(sets),
                rules=tuple(rules),
            ),
        ),
    )
    names = ["vedette.rules", *(info.file for info in infos)]
    return HandMade(manifest, {name: directory / name for name in names})


def _write_set(name: str, values: Sequence[str], size: tuple[int, int]) -> tuple[bytes, SetInfo]:
    content = _sha256("\n".join([name, *values]).encode())
    kind, canary = _kind(name), ""
    if kind == "string":
        canary = f"vedette-canary-{content[:12]}.invalid"
    elif kind == "ip":
        canary = f"100::{content[:4]}".lstrip("0")
    members = sorted({*values, canary} - {""})
    lines = [_line(name, kind, value) for value in members]
    data = "".join(f"{line}\n" for line in lines).encode()
    string_bytes = sum(len(value) for value in values) if kind == "string" else 0
    is_json = name.endswith("ctx")
    return data, SetInfo(
        name=name,
        file=f"{name}.{'ndjson' if is_json else 'lst'}",
        type=kind,
        format="ndjson" if is_json else "base64" if kind == "string" else "raw",
        indicator_type="",
        entries=len(values),
        value_bytes=string_bytes + (sum(map(len, lines)) if is_json else 0),
        sha256=_sha256(data),
        content=content,
        canary=canary,
        memcap_bytes=0 if kind == "filemd5" else size[0],
        hashsize=0 if kind == "filemd5" else size[1],
    )


def _kind(name: str) -> str:
    return "ip" if name.startswith("ip") else "filemd5" if name.startswith("file") else "string"


def _line(name: str, kind: str, value: str) -> str:
    if name.endswith("ctx"):
        return json.dumps({"v": value, "id": len(value)})
    if kind == "string":
        return base64.b64encode(value.encode()).decode()
    return f"::ffff:{value}" if kind == "ip" and ":" not in value else value


def _rule(info: SetInfo, sid: int) -> str:
    end = f"sid:{sid}; rev:0;)"
    if info.type == "filemd5":
        return f'alert ip any any -> any any (msg:"{info.name}"; filemd5:{info.file}; {end}'
    form = "format ndjson,value_key v,context_key vedette," if info.format == "ndjson" else ""
    dataset = (
        f"dataset:isset,{info.name},type {info.type},load {info.file},{form}"
        f"memcap {info.memcap_bytes >> 20}mb,hashsize {info.hashsize};"
    )
    head = f'alert dns any any -> any any (msg:"{info.name}"; dns.query; to_lowercase; '
    if info.type == "ip":
        head = f'alert ip any any -> any any (msg:"{info.name}"; ip.dst; '
    return f"{head}{dataset} {end}"


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
