"""Warning lists as a MISP server keeps them; a read-only role may see them."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from vedette.misp.client import MispClient

_ALL_OF_THEM = 9_999
"""The most rows that MISP puts on a page of this index; without a limit it is 60."""


class ListRow(Struct):
    """A list in the index."""

    id: int
    name: str
    version: int | str = ""
    enabled: bool = False
    entries: int = msgspec.field(name="warninglist_entry_count", default=0)


class _Value(Struct):
    value: str


class _Type(Struct):
    type: str


class ListDocument(Struct):
    """A list with its members."""

    name: str
    type: str = "string"
    description: str | None = None
    version: int | str = 1
    members: list[_Value] = msgspec.field(name="WarninglistEntry", default_factory=list)
    attributes: list[_Type] = msgspec.field(name="WarninglistType", default_factory=list)

    @property
    def values(self) -> list[str]:
        """The members alone."""
        return [member.value for member in self.members]


class _Row(Struct):
    row: ListRow = msgspec.field(name="Warninglist")


class _Index(Struct):
    rows: list[_Row] = msgspec.field(name="Warninglists")


class _View(Struct):
    document: ListDocument = msgspec.field(name="Warninglist")


def index(client: MispClient) -> list[ListRow]:
    """Ask which lists there are, in the order of their ids.

    Raises:
        SourceError: They cannot be had.
    """
    path = f"/warninglists/index/limit:{_ALL_OF_THEM}/page:1"
    rows = [item.row for item in client.ask("GET", path, _Index).rows]
    return sorted(rows, key=lambda row: row.id)


def view(client: MispClient, row: ListRow) -> ListDocument:
    """Ask for one list with its members.

    Raises:
        SourceError: It cannot be had.
    """
    return client.ask("GET", f"/warninglists/view/{row.id}", _View).document
