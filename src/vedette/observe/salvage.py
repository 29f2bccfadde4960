"""A dict of any shape as a struct: what has the right type is taken, the rest is as if absent."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, TypeVar, cast

from msgspec import Struct
from msgspec.inspect import (
    IntType,
    ListType,
    StrType,
    StructType,
    Type,
    UnionType,
    type_info,
)

S = TypeVar("S", bound=Struct)

_SURROGATE = re.compile("[\ud800-\udfff]")
_ABSENT = object()


class Salvage:
    """One conversion, and what it met."""

    def __init__(self) -> None:
        self.whole = True
        """Whether nothing had to be left out."""
        self.surrogates = False
        """Whether half a surrogate pair was replaced."""

    def convert(self, found: dict[str, Any], struct: type[S]) -> S:
        """Return a struct with the members of a dict that can be used.

        A single text where a list of texts is expected is a list of one.
        """
        return cast("S", self._struct(found, _shape(struct)))

    def _struct(self, found: dict[str, Any], shape: StructType) -> Struct:
        members = {}
        for field in shape.fields:
            if field.encode_name in found:
                value = self._value(found[field.encode_name], field.type)
                if value is not _ABSENT:
                    members[field.name] = value
        return shape.cls(**members)

    def _value(self, value: object, wanted: Type) -> object:
        match wanted, value:
            case (IntType(), int()) | (UnionType(), None) if not isinstance(value, bool):
                return value
            case StrType(), str():
                return self._text(value)
            case StructType(), dict():
                return self._struct(value, wanted)
            case UnionType(), _:
                return self._value(value, wanted.types[0])
            case ListType(), list() | str():
                items = value if isinstance(value, list) else [value]
                usable = [self._value(item, wanted.item_type) for item in items]
                return [item for item in usable if item is not _ABSENT]
            case _:
                self.whole = False
                return _ABSENT

    def _text(self, text: str) -> str:
        mended = _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)
        self.surrogates |= mended != text
        return mended


@cache
def _shape(struct: type[Struct]) -> StructType:
    return cast("StructType", type_info(struct))
