"""What the guard knows of one indicator; whoever asks for a verdict passes it in."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct

from vedette.model import Key, Ruling, RulingKind

__all__ = ["Claim", "Facts", "ListHit", "Prevalence", "Ruling", "RulingKind", "Suffix"]


class Claim(NamedTuple):
    """What one source says of an indicator's worth; all times epoch seconds, 0: unknown."""

    source: str
    changed: int = 0
    expires: int = 0
    confidence: int = -1
    """0 to 100, -1: neither the source nor its rules say."""
    age_s: int = 0
    """How long after ``changed`` it stays, by the source's rules; 0: the type decides."""
    review: bool = False
    """Whether the source's rules hold all that is new."""


class ListHit(NamedTuple):
    """A warning list that an indicator is on."""

    list: str
    """The name of the list's directory (``public-dns-v4``)."""
    itself: bool
    """Whether the value itself is a member; else it is a name above it, or a network around it."""
    member: str
    """The member that matched."""
    curated: bool
    """Whether the list's own members are dropped; all other lists only label."""


class Suffix(StrEnum):
    """What the public suffix list says of a name."""

    NONE = ""
    ICANN = "icann"
    """``com``, ``co.uk``: everybody's."""
    PRIVATE = "private"
    """``duckdns.org``, ``weebly.com``: each name below belongs to somebody else."""


class Prevalence(NamedTuple):
    """How many of our hosts met the indicator within the last ``days``."""

    hosts: int
    times: int
    """Observations."""
    days: int


class Facts(Struct, frozen=True, kw_only=True):
    """Everything a verdict rests on."""

    key: Key
    claims: tuple[Claim, ...]
    lists: tuple[ListHit, ...] = ()
    suffix: Suffix = Suffix.NONE
    own: str = ""
    """The entry of ``[guard] own`` that it is at, below or within; ``""``: none."""
    rulings: tuple[Ruling, ...] = ()
    """In force now, the most specific first."""
    is_new: bool = True
    """Whether it has not been published before: only then do prevalence and review hold it."""
    prevalence: Prevalence | None = None
    """None: nobody asked, or the memory could not answer."""
    now: int
