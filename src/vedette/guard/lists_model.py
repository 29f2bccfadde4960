"""One MISP warning list, as it is published: ``NAME/list.json``. Read with care, as MISP does.

A list that cannot be read is an error of that list alone.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum

import msgspec
from msgspec import Struct, field

from vedette.buffers import misp_types
from vedette.model import IndicatorType

_NOT_IN_NAMES = re.compile(r"[^a-z0-9]+")
_PARTS = misp_types()
_BIT = {kind: 1 << number for number, kind in enumerate(IndicatorType)}
EVERY_TYPE = (1 << len(IndicatorType)) - 1
_ALL = "ALL"
_TITLE_MAX = 200


class BrokenListError(ValueError):
    """The text is no warning list; says why, in a few words."""


class ListKind(StrEnum):
    """How members are compared; MISP's ``type``."""

    STRING = "string"
    """The value is the member."""
    HOSTNAME = "hostname"
    """The value is the member, or a name below it."""
    SUBSTRING = "substring"
    """The member stands somewhere in the value."""
    REGEX = "regex"
    CIDR = "cidr"
    """The value is the address, or within the network."""


class WarningList(Struct, frozen=True, kw_only=True):
    """A list as its file has it."""

    name: str
    """Of its directory: ``public-dns-v4``. Stable, unlike the title."""
    title: str
    kind: ListKind
    version: str
    members: Sequence[str]
    attributes: tuple[str, ...]
    """MISP attribute types that it is for; empty: all."""
    description: str = ""
    digest: str = ""
    """SHA-256 of the file."""


class ListInfo(Struct, frozen=True, kw_only=True):
    """What the index keeps of a list, its members apart."""

    name: str
    title: str
    kind: ListKind
    version: str
    entries: int
    unusable: int
    """Members that mean nothing: no network, no regular expression of ours."""
    types: int
    """The indicator types that it is for, as bits."""


class _File(Struct):
    name: str
    values: list[str] | dict[str, object] = field(name="list")
    kind: str | list[str] = field(name="type", default="string")
    version: int | str = 1
    description: str = ""
    matching_attributes: list[str] | None = None


def read_list(name: str, data: bytes) -> WarningList:
    """Read the content of a ``list.json``.

    Args:
        name: Of its directory.
        data: The file.

    Raises:
        BrokenListError: It is no JSON, or not that of a warning list.
    """
    try:
        file = msgspec.json.decode(data, type=_File)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BrokenListError(str(error)) from error
    kinds = [file.kind] if isinstance(file.kind, str) else file.kind
    try:
        kind = ListKind(kinds[0] if kinds else "string")
    except ValueError as error:
        raise BrokenListError(f"unknown type {kinds[0][:40]!r}") from error
    return WarningList(
        name=name,
        title=" ".join(file.name.split())[:_TITLE_MAX],
        kind=kind,
        version=str(file.version),
        members=file.values if isinstance(file.values, list) else list(file.values),
        attributes=tuple(file.matching_attributes or ()),
        description=file.description,
        digest=hashlib.sha256(data).hexdigest(),
    )


def write_list(warning_list: WarningList) -> bytes:
    """Return the ``list.json`` of a list."""
    document: Mapping[str, object] = {
        "name": warning_list.title,
        "description": warning_list.description,
        "version": int(warning_list.version) if warning_list.version.isdecimal() else 1,
        "type": warning_list.kind.value,
        "matching_attributes": list(warning_list.attributes),
        "list": list(warning_list.members),
    }
    return msgspec.json.encode(document)


def bit_of(kind: IndicatorType) -> int:
    """The bit of an indicator type in :attr:`ListInfo.types`."""
    return _BIT[kind]


def types_of(attributes: Sequence[str]) -> int:
    """Which indicator types MISP's attribute types stand for, as bits.

    A half of a composite does not count: MISP asks a list for ``domain|ip`` about no other domain.
    """
    if not attributes or _ALL in attributes:
        return EVERY_TYPE
    bits = 0
    for attribute in attributes:
        for part, kind in _PARTS.get(attribute, ()):
            bits |= 0 if part else _BIT[kind]
    return bits


def name_of(title: str) -> str:
    """A directory name for a list that has only a title."""
    return _NOT_IN_NAMES.sub("-", title.lower()).strip("-")[:80] or "list"
