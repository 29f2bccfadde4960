"""The structs of a page of attributes with the fields that anybody needs: msgspec's own limit."""

from __future__ import annotations

import msgspec


class _Tag(msgspec.Struct, gc=False):
    name: str
    inherited: int = 0


class _Attribute(msgspec.Struct, gc=False):
    uuid: str
    type: str
    value: str
    event_id: str
    timestamp: str
    to_ids: bool
    deleted: bool
    comment: str
    first_seen: str | None
    last_seen: str | None
    tags: list[_Tag] = msgspec.field(name="Tag")


class _Attributes(msgspec.Struct):
    attributes: list[_Attribute] = msgspec.field(name="Attribute")


class _Page(msgspec.Struct):
    response: _Attributes


decode = msgspec.json.Decoder(_Page).decode
