"""Which file of a log on another machine is read next, whatever rotation does there; pure.

A file is known by its inode and its first bytes. Hard rule: nothing is read twice, and what cannot
be found any more is said to be a gap.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct

HEAD = 256
"""Bytes at the start by which a file is known; fewer if it had fewer when it was first seen."""
_ROTATED = re.compile(r"[-._](\d[\d.:T_-]*?|old|bak)(\.gz|\.zst)?")


_NOTHING = hashlib.sha256(b"").hexdigest()


class Place(Struct, frozen=True, kw_only=True):
    """Up to where a log has been fetched."""

    inode: int
    head: str
    """SHA-256 of its first ``head_size`` bytes."""
    head_size: int
    offset: int
    modified: int
    """When it was last written, in seconds, as it was known last."""


class Member(NamedTuple):
    """One file of the log."""

    name: str
    inode: int
    size: int
    """Of a packed one: as it is packed."""
    modified: int
    head: str
    """SHA-256 of as many of its first bytes as the place knows; unpacked."""

    @property
    def is_packed(self) -> bool:
        """Whether it is compressed."""
        return self.name.endswith((".gz", ".zst"))


class Next(NamedTuple):
    """Where to read."""

    name: str
    offset: int
    is_new: bool
    """It is another file than that of the place."""
    gap: bool = False
    """What followed the place is gone."""


def parse(lines: Sequence[str], live: str) -> list[Member]:
    """Read what the script printed; what is empty, not of the log or not unpacked is left out."""
    found = []
    for line in lines:
        words = line.split(" ", 4)
        if len(words) != 5 or not all(word.isdigit() for word in words[:3]):  # noqa: PLR2004
            continue
        name = words[4]
        if words[3] != _NOTHING and _is_of(name, live):
            found.append(Member(name, int(words[0]), int(words[1]), int(words[2]), words[3]))
    return found


def _is_of(name: str, live: str) -> bool:
    rest = name.removeprefix(live)
    return name == live or (name.startswith(live) and _ROTATED.fullmatch(rest) is not None)


def choose(place: Place | None, members: Sequence[Member], live: str) -> Next | None:
    """Say where to read next; None if there is nothing yet.

    Args:
        place: Up to where was read; None: never. Then rotated files are left alone.
        members: What is there.
        live: The name that the engine writes.
    """
    writes = next((one for one in members if one.name == live), None)
    if place is None:
        return Next(live, 0, is_new=True) if writes and writes.size else None
    ours = _find(place, members)
    if ours is None:
        return _after(place.modified, (), members, live, gap=True)
    if ours.name == live or ours.is_packed or ours.size > place.offset:
        return Next(ours.name, place.offset, is_new=False)
    return _after(ours.modified, (ours.head,), members, live)


def choose_after(place: Place, name: str, members: Sequence[Member], live: str) -> Next | None:
    """Say where to read when the file of the place has been read to its end, under this name."""
    ours = next(one for one in members if one.name == name)
    return _after(ours.modified, (place.head,), members, live)


def _find(place: Place, members: Sequence[Member]) -> Member | None:
    """The file of the place: itself, or a copy that has at least as much."""
    alike = [
        one
        for one in members
        if one.head == place.head and (one.is_packed or one.size >= place.offset)
    ]
    alike.sort(key=lambda one: (one.inode != place.inode, one.is_packed, -one.size))
    return alike[0] if alike else None


def _after(
    modified: int, known: Sequence[str], members: Sequence[Member], live: str, *, gap: bool = False
) -> Next | None:
    """The oldest file that was written later; the live one comes last."""
    later = [one for one in members if one.head not in known and one.size]
    rotated = [one for one in later if one.name != live and one.modified > modified]
    rotated.sort(key=lambda one: (one.modified, one.is_packed))
    following = [*rotated, *(one for one in later if one.name == live)]
    return Next(following[0].name, 0, is_new=True, gap=gap) if following else None
