"""What a backup is: one compressed tar, whose last member says what all the others must be."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import PurePosixPath

from msgspec import Struct

FORMAT = 1
INDEX = "backup.json"
DATABASE = "vedette.db"
CONFIG = "vedette.toml"
BUNDLES = "bundles"

MADE_AGAIN = frozenset({"artifacts", "mirrors", "warninglists.table"})
"""Of the state directory: what can be made again, and is."""
APART = frozenset({"pool"})
"""Of the state directory: what is too large, and has its own way (``vedette pool export``)."""

_GENERATION = re.compile(rf"{BUNDLES}/(gen-\d{{6,}})/")


class Member(Struct, frozen=True, kw_only=True):
    """One file."""

    path: str
    """In the backup and, but for the configuration, in the state directory."""
    size: int
    sha256: str


class Index(Struct, frozen=True, kw_only=True):
    """The last member of a backup."""

    format: int = FORMAT
    vedette: str
    """The version that made it."""
    created_at: datetime
    host: str
    instance: str
    """Of the hub's store; agents know it by that."""
    schema: int
    """Of the database."""
    serial: int
    """Of the last announcement in it; 0: none. Sensors may know greater ones by now."""
    generations: tuple[int, ...]
    members: tuple[Member, ...]
    outside: tuple[str, ...] = ()
    """Files that the hub uses and that are not in here: keys of MISPs, certificates."""


def generation_of(path: str) -> str:
    """Return the directory of the generation that a member belongs to; ``""``: none."""
    match = _GENERATION.match(path)
    return match[1] if match else ""


def is_safe(path: str) -> bool:
    """Whether a name stays below the directory that it is put into."""
    pure = PurePosixPath(path)
    return (
        not pure.is_absolute() and bool(pure.parts) and ".." not in pure.parts and "\0" not in path
    )
