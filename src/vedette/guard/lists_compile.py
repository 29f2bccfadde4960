"""All lists -> one table, and its form on disk, which is searched where it lies.

A header (JSON) names the sections; each section is an array. A file of another machine or another
revision is not read but made again.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Iterator, Mapping

import msgspec
from msgspec import Struct

from vedette.guard.lists_model import ListInfo, ListKind, WarningList, types_of
from vedette.guard.lists_networks import NetworkRows
from vedette.guard.lists_patterns import Pattern, patterns_of
from vedette.guard.lists_texts import Sections, Sets, TextRows

REVISION = 1
"""Raise it when the same lists give another table."""

_MAGIC = b"vedette warning lists\n"
_LENGTH = 8
_ALIGNED = 8


class Header(Struct, frozen=True, kw_only=True):
    """What is known of a table besides its arrays."""

    lists: list[ListInfo]
    sets: list[tuple[int, ...]]
    """Combinations of lists, as members have them."""
    patterns: list[Pattern]
    contents: str
    """Digest of all lists."""
    signature: str = ""
    """What the files looked like from outside (sizes and times) when they were read."""
    broken: dict[str, str] = {}
    """Lists that could not be read, and why."""
    revision: int = REVISION
    byteorder: str = sys.byteorder


class Compiled(Struct, frozen=True):
    """A table."""

    header: Header
    sections: Sections


class _Stored(Struct, frozen=True):
    header: Header
    sections: dict[str, int]
    """Sizes, in order."""


class StaleTableError(ValueError):
    """The bytes are no table that this Vedette can use."""


def compile_lists(
    lists: Iterable[WarningList], signature: str = "", broken: Mapping[str, str] | None = None
) -> Compiled:
    """Make one table of all lists: 2.7 million members take 5 s and 240 MB.

    Args:
        lists: Read one by one, and not kept.
        signature: To be kept in the header.
        broken: Lists that could not be read; complete when ``lists`` is at its end.
    """
    infos: list[ListInfo] = []
    patterns: list[Pattern] = []
    texts, networks, sets = TextRows(), NetworkRows(), Sets()
    digest = hashlib.sha256(str(REVISION).encode())
    for number, one in enumerate(lists):
        if one.kind is ListKind.CIDR:
            unusable = networks.add(number, one.members)
        elif one.kind is ListKind.SUBSTRING or one.kind is ListKind.REGEX:
            found, unusable = patterns_of(number, one.kind, one.members)
            patterns += found
        else:
            unusable = texts.add(number, one.kind, one.members)
        digest.update(f"{one.name}\0{one.digest}\0".encode())
        infos.append(
            ListInfo(
                name=one.name,
                title=one.title,
                kind=one.kind,
                version=one.version,
                entries=len(one.members),
                unusable=unusable,
                types=types_of(one.attributes),
            )
        )
        del one
    sections = texts.freeze(sets) | networks.freeze(sets)
    header = Header(
        lists=infos,
        sets=sets.all(),
        patterns=patterns,
        contents=digest.hexdigest(),
        signature=signature,
        broken=dict(broken or {}),
    )
    return Compiled(header, {name: memoryview(data) for name, data in sections.items()})


def pack(compiled: Compiled) -> Iterator[bytes]:
    """Yield the bytes of a table's file."""
    sizes = {name: len(data) for name, data in compiled.sections.items()}
    head = msgspec.json.encode(_Stored(compiled.header, sizes))
    head += b" " * (-(len(_MAGIC) + _LENGTH + len(head)) % _ALIGNED)
    yield _MAGIC + len(head).to_bytes(_LENGTH, "little") + head
    for data in compiled.sections.values():
        yield data  # type: ignore[misc] # a view of bytes, to be written
        yield bytes(-len(data) % _ALIGNED)


def unpack(data: memoryview) -> Compiled:
    """Read a table in place; it refers to ``data``.

    Raises:
        StaleTableError: It is no table, is cut off, or was made by another Vedette or machine.
    """
    start = len(_MAGIC) + _LENGTH
    if data[: len(_MAGIC)] != _MAGIC:
        raise StaleTableError("no table of warning lists")
    end = start + int.from_bytes(data[len(_MAGIC) : start], "little")
    try:
        stored = msgspec.json.decode(data[start:end], type=_Stored)
    except msgspec.DecodeError as error:
        raise StaleTableError(str(error)) from error
    header = stored.header
    if header.revision != REVISION or header.byteorder != sys.byteorder:
        raise StaleTableError("made by another revision")
    sections = {}
    for name, size in stored.sections.items():
        sections[name] = data[end : end + size]
        if len(sections[name]) != size:
            raise StaleTableError("cut off")
        end += size + -size % _ALIGNED
    return Compiled(header, sections)
