"""What each engine can match, as rows: the same for the command, the docs and the pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from vedette.buffers import ROWS, UNMATCHABLE, Buffer, Encoding, Profile, Row
from vedette.model import IndicatorType

YES = "yes"
EVE = "in EVE"
"""No rule on this engine; the hit reader finds it in the engine's own protocol events."""
NO = "no"


class Cover(NamedTuple):
    """Whether one indicator type is matched in one buffer, by engine profile."""

    type: IndicatorType
    misp: tuple[str, ...]
    buffer: str
    protocol: str
    support: dict[Profile, str]
    match: str
    """``exact``, ``name and subdomains``, ``file hash list``."""
    note: str


def cover() -> Iterator[Cover]:
    """One item for each type and buffer, in the order of the table."""
    for row in ROWS.values():
        misp = tuple(name.partition("#")[0] for name in row.misp)
        for dataset in row.datasets:
            match = "exact"
            if dataset.encoding is Encoding.SUBDOMAIN:
                match = "name and subdomains"
            elif dataset.type.is_file_list:
                match = "file hash list"
            for buffer in dataset.buffers:
                yield Cover(
                    type=row.type,
                    misp=misp,
                    buffer=buffer.name,
                    protocol=buffer.protocol,
                    support={profile: _support(buffer, profile) for profile in Profile},
                    match=match,
                    note="; ".join(text for text in (buffer.note, _needs(buffer)) if text),
                )


def _support(buffer: Buffer, profile: Profile) -> str:
    if profile.version >= buffer.since:
        return YES
    return EVE if in_eve(buffer) else NO


def in_eve(buffer: Buffer) -> bool:
    """Whether the hit reader looks for it in protocol events where the engine has no keyword."""
    return buffer.protocol == "smtp" and bool(buffer.eve)


def _needs(buffer: Buffer) -> str:
    return f"needs {buffer.needs}" if buffer.needs else ""


def blind(profile: Profile) -> dict[IndicatorType, str]:
    """Types that no rule matches on a profile, with what happens instead."""
    found = {}
    for row in ROWS.values():
        if not any(profile.version >= buffer.since for buffer in _buffers(row)):
            elsewhere = any(in_eve(buffer) for buffer in _buffers(row))
            found[row.type] = (
                f"Suricata {profile.value} has no keyword; matched in EVE"
                if elsewhere
                else f"Suricata {profile.value} has no keyword"
            )
    return found


def _buffers(row: Row) -> Iterator[Buffer]:
    for dataset in row.datasets:
        yield from dataset.buffers


def markdown() -> str:
    """The coverage page of the docs, below its heading."""
    head = ["indicator type", "MISP attribute types", "buffer", "rule for", "match"]
    head += [f"Suricata {profile.value}" for profile in Profile]
    lines = [_line([*head, "note"]), _line(["---"] * (len(head) + 1))]
    for item in cover():
        cells = [
            f"`{item.type.value}`",
            ", ".join(f"`{name}`".replace("|", "\\|") for name in item.misp) or "-",
            f"`{item.buffer}`",
            item.protocol,
            item.match,
            *(item.support[profile] for profile in Profile),
            item.note.replace("|", "\\|"),
        ]
        lines.append(_line(cells))
    lines += ["", "MISP attribute types that no engine can match:", "", _line(["type", "why"])]
    lines.append(_line(["---", "---"]))
    for name, why in sorted(UNMATCHABLE.items()):
        lines.append(_line([f"`{name}`".replace("|", "\\|"), why]))
    return "\n".join(lines) + "\n"


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
