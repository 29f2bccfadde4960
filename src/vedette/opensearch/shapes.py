"""What the indices really have: which layout, and by which field each column can be searched.

Text is kept in several forms at once, and two indices of one pattern may keep it differently:
whatever cannot be asked is said, with the number of indices in which that is so.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from msgspec import Struct

from vedette.errors import PoolError
from vedette.opensearch.connection import Client
from vedette.opensearch.layouts import LAYOUTS, Layout, Source

_WHOLE = {"keyword": "text", "constant_keyword": "text", "wildcard": "text", "ip": "ip"}
_NUMBERS = frozenset({"long", "integer", "short", "byte", "unsigned_long", "double", "float"})
_DATES = frozenset({"date", "date_nanos"})
_SUFFIXES = (".keyword", ".raw")
_NAMES_MAX = 3_000
"""Characters of index names in one URL."""


class Column(NamedTuple):
    """A document field that can be searched and counted as a whole."""

    path: str
    """To search with: ``dns.rrname.keyword``."""
    kind: str
    """``text``, ``ip``, ``number`` or ``date``."""
    document: str
    """Where it stands in the document: ``dns.rrname``."""


class Group(Struct, frozen=True, kw_only=True):
    """Indices in which every column is searched in the same way."""

    indices: str
    """As in a URL."""
    columns: Mapping[str, Column]
    """By column of the layout; without those that these indices do not have."""
    time: Column
    event: Column

    def column(self, name: str) -> Column | None:
        """Return how a column of the layout is searched here."""
        return self.columns.get(name.removeprefix("?"))

    def sources(self, sources: Iterable[Source]) -> Iterator[Source]:
        """Yield the sources that can be searched here."""
        for source in sources:
            if all(name[0] == "?" or self.column(name) for name in source):
                yield source


class Shape(Struct, frozen=True, kw_only=True):
    """A place, once looked at."""

    layout: Layout
    groups: tuple[Group, ...]
    blind: Mapping[str, str]
    """Columns that cannot be searched in some indices although they have them, and why."""


class _Blind(NamedTuple):
    """Where a column cannot be searched."""

    indices: frozenset[str]
    reason: str


class _Caps:
    """The answer to a question about fields."""

    def __init__(self, indices: list[str], fields: Mapping[str, Any]) -> None:
        self.indices = tuple(indices)
        self.fields = fields

    def types(self, path: str) -> Iterator[tuple[str, bool, frozenset[str]]]:
        """Yield each type that a field has, whether it can be counted, and in which indices."""
        for kind, caps in self.fields.get(path, {}).items():
            if kind != "unmapped":
                where = frozenset(caps.get("indices") or self.indices)
                yield kind, bool(caps.get("aggregatable")), where

    def columns(self, path: str) -> Iterator[tuple[Column, frozenset[str]]]:
        """Yield the fields by which a column can be searched, the best first."""
        below = sorted(
            (name for name in self.fields if name.startswith(f"{path}.")),
            key=lambda name: (name.removeprefix(path) not in _SUFFIXES, name),
        )
        for name in (path, *below):
            for kind, counted, where in self.types(name):
                if (known := _kind(kind)) and counted and (name == path or known == "text"):
                    yield Column(name, known, path), where

    def nested(self, path: str) -> bool:
        """Whether a parent of a field is kept in documents of its own."""
        parts = path.split(".")
        parents = (".".join(parts[:end]) for end in range(1, len(parts)))
        return any(kind == "nested" for parent in parents for kind, _, _ in self.types(parent))


def look(client: Client, layout: str = "auto") -> Shape:
    """Ask a place what its fields are.

    Args:
        client: The place.
        layout: Which layout it has, or ``auto``.

    Raises:
        PoolError: It cannot be asked, or has no events of Suricata in a layout that is known.
    """
    wanted = list(LAYOUTS.values()) if layout == "auto" else [LAYOUTS[layout]]
    caps = _Caps(*client.field_caps(_patterns(wanted)))
    for candidate in wanted:
        if _fits(candidate, caps):
            return _shape(candidate, caps)
    raise PoolError(
        "these indices hold no events of Suricata in a layout that is known",
        hint="An event needs its type (`event_type`, or Filebeat's `suricata.eve.event_type`) as a"
        " keyword, and a time field of type date. Check `index`, and set `layout`.",
    )


def _patterns(layouts: Iterable[Layout]) -> list[str]:
    """Return what to ask the capabilities of: every column, all that is below it, its parents."""
    names: set[str] = set()
    for layout in layouts:
        for column in _columns(layout):
            for path in column.split("|"):
                names |= {path, f"{path}.*"}
                parts = path.split(".")
                names |= {".".join(parts[:end]) for end in range(1, len(parts))}
    return sorted(names)


def _columns(layout: Layout) -> list[str]:
    """Return every column of a layout once, without the marks of those that may be absent."""
    names = [
        name.removeprefix("?")
        for sources in layout.sources.values()
        for source in sources
        for name in source
    ]
    return list(dict.fromkeys([*layout.roles.columns, *names]))


def _kind(of: str) -> str:
    if of in _NUMBERS:
        return "number"
    return "date" if of in _DATES else _WHOLE.get(of, "")


def _fits(layout: Layout, caps: _Caps) -> bool:
    """Whether the indices have the event type and the time of a layout.

    The first path of the time tells the two layouts apart that spell all else alike.
    """
    time = layout.roles.time.split("|")[0]
    dated = any(column.kind == "date" for column, _ in caps.columns(time))
    return dated and any(True for _ in caps.columns(layout.roles.event))


def _shape(layout: Layout, caps: _Caps) -> Shape:
    indices = caps.indices or ("",)
    choices: dict[str, Mapping[str, Column]] = {}
    blind: dict[str, _Blind] = {}
    for name in _columns(layout):
        choices[name] = _choose(name, caps, indices)
        if unseen := _blindness(name, caps, choices[name], indices):
            blind[name] = unseen
    groups = tuple(_groups(layout, choices, blind, indices))
    if not groups:
        raise PoolError(
            "no index has both the type and the time of the events",
            hint="The type has to be a keyword, and the time a date.",
        )
    return Shape(
        layout=layout,
        groups=groups,
        blind={
            name: f"{unseen.reason} in {len(unseen.indices)} of {len(indices)} indices"
            for name, unseen in blind.items()
        },
    )


def _choose(name: str, caps: _Caps, indices: tuple[str, ...]) -> dict[str, Column]:
    """Return by index how a column is searched there: by its first path that can be."""
    chosen: dict[str, Column] = {}
    for path in name.split("|"):
        if caps.nested(path):
            continue
        for column, where in caps.columns(path):
            for index in where or indices:
                chosen.setdefault(index, column)
    return chosen


def _blindness(
    name: str, caps: _Caps, chosen: Mapping[str, Column], indices: tuple[str, ...]
) -> _Blind | None:
    """Return in which indices a column cannot be searched although they have it, and why."""
    kinds: dict[str, set[str]] = {}
    nested = False
    for path in name.split("|"):
        nested = nested or caps.nested(path)
        for kind, _, where in caps.types(path):
            for index in where or indices:
                if index not in chosen and kind != "object":
                    kinds.setdefault(index, set()).add(kind)
    if not kinds:
        return None
    spelt = " or ".join(sorted(set().union(*kinds.values())))
    reason = "it is mapped as nested" if nested else f"it is {spelt} without a keyword"
    return _Blind(frozenset(kinds), reason)


def _groups(
    layout: Layout,
    choices: Mapping[str, Mapping[str, Column]],
    blind: Mapping[str, _Blind],
    indices: tuple[str, ...],
) -> Iterator[Group]:
    """Put indices together that agree about all columns that they have."""
    usual = {
        name: Counter(chosen.values()).most_common(1)[0][0]
        for name, chosen in choices.items()
        if chosen
    }
    alike: defaultdict[tuple[tuple[str, Column], ...], list[str]] = defaultdict(list)
    for index in indices:
        columns = {
            name: choices[name].get(index, column)
            for name, column in usual.items()
            if name not in blind or index not in blind[name].indices
        }
        alike[tuple(columns.items())].append(index)
    for agreed, names in alike.items():
        columns = dict(agreed)
        time, event = columns.get(layout.roles.time), columns.get(layout.roles.event)
        if time is None or event is None or time.kind != "date":
            continue
        for piece in _pieces(names) if len(alike) > 1 else [""]:
            yield Group(indices=piece, columns=columns, time=time, event=event)


def _pieces(names: list[str]) -> list[str]:
    pieces = [""]
    for name in names:
        if len(pieces[-1]) + len(name) >= _NAMES_MAX:
            pieces.append("")
        pieces[-1] += f",{name}" if pieces[-1] else name
    return pieces
