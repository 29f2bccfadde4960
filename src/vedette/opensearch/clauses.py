"""A list as clauses of queries: which documents can hold any of it.

A clause may find too much (what comes back is compared exactly), but never too little. Where that
cannot be promised there is no clause, and the values of the field are walked instead.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from vedette.fields import Field, Match, Spelling
from vedette.model import IndicatorType as T
from vedette.normalize import split_url
from vedette.opensearch.layouts import Source
from vedette.opensearch.queries import Query, either, one_of
from vedette.opensearch.shapes import Column, Group
from vedette.opensearch.sought import Sought

TERMS_MAX = 10_000
"""Values in one clause: far under the 65,536 that an index allows."""
PATTERN_MAX = 950
"""Characters of one pattern: an index allows 1,000."""
_STATES_MAX = 100_000
_SPECIAL = re.compile(r"([^0-9A-Za-z])")
_CERTIFICATE = frozenset({T.CERT_SHA1, T.CERT_SHA256, T.CERT_MD5})


class Clause(NamedTuple):
    """One clause, and what it costs to ask."""

    query: Query
    terms: int
    """Values that are looked up one by one."""
    patterns: int
    """Patterns, each of which is held against every distinct value of the column."""


class _Pattern(NamedTuple):
    before: str
    after: str


_BELOW = _Pattern(r"(.*\.)?", r"\.?")
_EXACTLY = _Pattern("", r"\.?")
_MAILBOX = _Pattern(r"(.*[<: ])?", r"([> ].*)?")
_LAST_PART = _Pattern(r"(.*[/\\])?", " *")
_URL_HOST = _Pattern(r"([a-z]+:/+)?([^/]*@)?", r"([:/?].*)?")
_PATH = _Pattern(r"([a-z]+:/+)?[^/]*", r"\?*(\#.*)?")
_AROUND: Mapping[Spelling, _Pattern] = MappingProxyType(
    {Spelling.NAME: _EXACTLY, Spelling.MAIL: _MAILBOX, Spelling.FILENAME: _LAST_PART}
)


def clauses(field: Field, source: Source, group: Group, sought: Sought) -> list[Clause] | None:
    """Return clauses that no document with a sought value escapes; None if there are none such."""
    columns = [column for name in source if (column := group.column(name))]
    found: list[Clause] = []
    for kind, match in sought.wanted(field):
        made = _of_type(field, columns, kind, match, sought)
        if made is None:
            return None
        found += made
    return found


def _of_type(
    field: Field, columns: Sequence[Column], kind: T, match: Match, sought: Sought
) -> list[Clause] | None:
    values = sorted(sought.values[kind])
    match match:
        case Match.NETWORK:
            return _addresses(columns[0], values, sought.networks(kind))
        case Match.SUBDOMAIN:
            return _patterns(columns[-1], _BELOW, values)
        case Match.PATH:
            return _patterns(columns[-1], _PATH, values)
        case Match.EXACT:
            return _exact(field.spelling, columns, kind, values)


def _exact(
    spelling: Spelling, columns: Sequence[Column], kind: T, values: Sequence[str]
) -> list[Clause] | None:
    match spelling:
        case Spelling.NAME | Spelling.MAIL | Spelling.FILENAME:
            return _patterns(columns[-1], _AROUND[spelling], values)
        case Spelling.URL:
            return _urls(columns, values)
        case Spelling.ADDRESS_PORT:
            return _addresses(columns[0], [value.rpartition(",")[0] for value in values], [])
        case Spelling.HASH:
            return list(_terms(columns[-1], values, _digests(kind)))
        case Spelling.ADDRESS | Spelling.TEXT:
            return list(_terms(columns[-1], values, lambda value: (value,)))


def _terms(
    column: Column, values: Iterable[str], spell: Callable[[str], Iterable[str]]
) -> Iterator[Clause]:
    spelt = list(dict.fromkeys(text for value in values for text in spell(value)))
    for start in range(0, len(spelt), TERMS_MAX):
        piece = spelt[start : start + TERMS_MAX]
        yield Clause(one_of(column.path, piece), terms=len(piece), patterns=0)


def _digests(kind: T) -> Callable[[str], Iterable[str]]:
    """Return the spellings of a digest: engines write small letters, shippers large ones too."""

    def spell(value: str) -> Iterator[str]:
        spelt = [value]
        if kind in _CERTIFICATE:
            spelt.append(":".join(value[at : at + 2] for at in range(0, len(value), 2)))
        for text in spelt:
            yield text
            yield text.upper()

    return spell


def _addresses(
    column: Column, values: Sequence[str], networks: Sequence[str]
) -> list[Clause] | None:
    if column.kind == "ip":
        return list(_terms(column, values, lambda value: (value,)))
    if networks:
        return None
    return list(_terms(column, values, _spelt_address))


def _spelt_address(value: str) -> Iterator[str]:
    """Yield how engines write an address: IPv6 with and without its zeros, and in brackets."""
    address = ipaddress.ip_address(value)
    yield value
    if isinstance(address, ipaddress.IPv4Address):
        yield f"{value}."
        yield f"::ffff:{value}"
        yield ipaddress.IPv6Address(f"::ffff:{value}").exploded
        return
    for text in (value, address.exploded):
        yield text
        yield text.upper()
        yield f"[{text}]"


def _urls(columns: Sequence[Column], values: Sequence[str]) -> list[Clause] | None:
    """Return clauses for the hosts of URLs: whole URLs are too long to look for as patterns."""
    hosts = sorted({split_url(value).host for value in values})
    named = _patterns(columns[0], _EXACTLY, hosts) if len(columns) > 1 else []
    absolute = _patterns(columns[-1], _URL_HOST, hosts)
    return None if named is None or absolute is None else [*named, *absolute]


def _patterns(column: Column, around: _Pattern, values: Iterable[str]) -> list[Clause] | None:
    """Return clauses for values in any case, with something around them; None if one is too long.

    Many values share a pattern: each pattern costs a walk over all distinct values.
    """
    room = PATTERN_MAX - len(around.before) - len(around.after) - 2
    pieces: list[list[str]] = [[]]
    used = 0
    for value in values:
        escaped = _SPECIAL.sub(r"\\\1", value)
        if len(escaped) > room or not value.isascii():
            return None
        if used + len(escaped) > room:
            pieces.append([])
            used = 0
        pieces[-1].append(escaped)
        used += len(escaped) + 1
    return [
        Clause(_pattern(column, f"{around.before}({'|'.join(piece)}){around.after}"), 0, 1)
        for piece in pieces
        if piece
    ]


def _pattern(column: Column, text: str) -> Query:
    options = {
        "value": text,
        "flags": "NONE",
        "case_insensitive": True,
        "max_determinized_states": _STATES_MAX,
    }
    return {"regexp": {column.path: options}}


def joined(pieces: Sequence[Clause]) -> Query:
    """Return the query for documents that one of the clauses finds."""
    return either(*(piece.query for piece in pieces))
