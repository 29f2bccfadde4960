"""SQL that finds indicators in a table of the pool: one branch for each way of comparing.

The indicators are in a scratch table ``(type, value, base, prefix)``; of a network, ``base`` and
``prefix`` are its parts. ``GLOBAL`` sends the indicators to every shard; on one server it does
nothing.
"""

# ruff: noqa: S608 - all names are ours: fields, types, and the scratch table's

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

import pyarrow as pa

from vedette.fields import FIELDS, Asset, Match, places
from vedette.model import IndicatorType, Key

_SERVER_FIELDS = tuple(field.name for field in FIELDS if field.asset is Asset.SERVER)

ASSET = f"if(field IN ({', '.join(map(repr, _SERVER_FIELDS))}), server, client)"
"""Our end, from columns ``field``, ``client`` and ``server``."""

_NETWORKS = frozenset(
    kind for field in FIELDS for kind, match in field.hunted if match is Match.NETWORK
)
_NEEDLES_MAX = 255
"""Names that the engine's search for several substrings takes; more are not worth it."""

_PARENTS = (
    "arrayMap(i -> arrayStringConcat(arraySlice(splitByChar('.', value), i), '.'),"
    " range(1, length(splitByChar('.', value))))"
)
"""A name and all names above it that have at least two labels."""

_PIECE = 50_000


class Asked(NamedTuple):
    """What the branches must know about the indicators."""

    types: Mapping[IndicatorType, int]
    """How many there are of each type."""
    prefixes_v4: tuple[int, ...]
    prefixes_v6: tuple[int, ...]


def scratch_rows(keys: Sequence[Key]) -> tuple[pa.Table, Asked]:
    """Return indicators as the rows of a scratch table."""
    bases, prefixes = [""] * len(keys), [0] * len(keys)
    lengths: Mapping[bool, set[int]] = {False: set(), True: set()}
    for number, (kind, value) in enumerate(keys):
        if kind in _NETWORKS and "/" in value:
            base, _, prefix = value.partition("/")
            if prefix.isdecimal() and int(prefix) <= 128:  # noqa: PLR2004 - bits
                bases[number], prefixes[number] = base, int(prefix)
                lengths[":" in base].add(int(prefix))
    table = pa.table(
        {
            "type": pa.array([kind.value for kind, _ in keys], pa.string()),
            "value": pa.array([value for _, value in keys], pa.string()),
            "base": pa.array(bases, pa.string()),
            "prefix": pa.array(prefixes, pa.uint8()),
        }
    )
    kinds = Counter(kind for kind, _ in keys)
    v4 = tuple(sorted(n for n in lengths[False] if n <= 32))  # noqa: PLR2004 - bits
    return table, Asked(kinds, v4, tuple(sorted(lengths[True])))


def gathered(keys: Iterator[Key], most: int) -> tuple[pa.Table, Asked]:
    """Return the next indicators as the rows of a scratch table, at most so many.

    Piece by piece: a million of them as Python objects take four times as much as their rows.
    """
    tables: list[pa.Table] = []
    parts: list[Asked] = []
    left = most
    while left and (piece := list(islice(keys, min(left, _PIECE)))):
        table, asked = scratch_rows(piece)
        tables.append(table)
        parts.append(asked)
        left -= len(piece)
    if not tables:
        return scratch_rows([])
    return pa.concat_tables(tables), Asked(
        sum((Counter(part.types) for part in parts), Counter()),
        tuple(sorted({n for part in parts for n in part.prefixes_v4})),
        tuple(sorted({n for part in parts for n in part.prefixes_v6})),
    )


def branches(source: str, columns: str, scratch: str, asked: Asked) -> Iterator[str]:
    """Yield SELECTs of ``type, indicator, match`` and the columns, one row for each row that meets.

    Args:
        source: The table, with a condition behind WHERE already, as a subquery would have it:
            ``(table, condition)`` joined by ``WHERE``.
        columns: Of the source.
        scratch: The table of the indicators.
        asked: What is in it.
    """
    for (kind, match), fields in _ways(asked.types).items():
        where = f"field IN ({', '.join(map(repr, fields))})"
        made = _Branch(source, columns, scratch, kind.value, match.value, where)
        match match:
            case Match.EXACT:
                yield made.exact()
            case Match.SUBDOMAIN:
                yield made.subdomain(is_few=asked.types[kind] <= _NEEDLES_MAX)
            case Match.PATH:
                yield made.path()
            case Match.NETWORK:
                yield made.exact()
                if asked.prefixes_v4:
                    yield made.network(asked.prefixes_v4, "IPv4")
                if asked.prefixes_v6:
                    yield made.network(asked.prefixes_v6, "IPv6")


def _ways(types: Iterable[IndicatorType]) -> dict[tuple[IndicatorType, Match], list[str]]:
    ways: dict[tuple[IndicatorType, Match], list[str]] = {}
    for kind in sorted(types):
        for place in places(kind):
            ways.setdefault((kind, place.match), []).append(place.field.name)
    return ways


class _Branch(NamedTuple):
    source: str
    columns: str
    scratch: str
    kind: str
    match: str
    where: str

    @property
    def _listed(self) -> str:
        return f"SELECT value FROM {self.scratch} WHERE type = '{self.kind}'"

    def _select(self, indicator: str) -> str:
        return f"SELECT '{self.kind}' AS type, {indicator} AS indicator, '{self.match}' AS match"

    def exact(self) -> str:
        return (
            f"{self._select('value')}, {self.columns} FROM {self.source} AND {self.where}"
            f" AND value GLOBAL IN ({self._listed})"
        )

    def subdomain(self, *, is_few: bool) -> str:
        """Look up each name and all above it; of few, first choose the names that have one in."""
        chosen = self.where
        if is_few:
            needles = f"(SELECT groupArray(value) FROM ({self._listed}))"
            chosen += f" AND multiSearchAny(value, {needles})"
        return (
            f"{self._select('parent')}, {self.columns} FROM (SELECT *, arrayJoin({_PARENTS})"
            f" AS parent FROM {self.source} AND {chosen})"
            f" WHERE parent GLOBAL IN ({self._listed})"
        )

    def path(self) -> str:
        path = "substring(value, position(value, '/'))"
        return (
            f"{self._select(path)}, {self.columns} FROM {self.source} AND {self.where}"
            f" AND position(value, '/') > 0 AND {path} GLOBAL IN ({self._listed})"
        )

    def network(self, prefixes: Sequence[int], family: str) -> str:
        """Cut each address to every prefix length that is asked for, and look that up."""
        cut = f"tupleElement({family}CIDRToRange(to{family}OrDefault(value), p), 1)"
        lengths = f"[{', '.join(f'toUInt8({n})' for n in prefixes)}]"
        networks = (
            f"SELECT DISTINCT to{family}OrDefault(base) AS net, prefix, value AS network"
            f" FROM {self.scratch} WHERE type = '{self.kind}' AND is{family}String(base)"
        )
        return (
            f"{self._select('n.network')}, {_qualified(self.columns)} FROM"
            f" (SELECT *, arrayJoin(arrayMap(p -> ({cut}, p), {lengths})) AS cut"
            f" FROM {self.source} AND {self.where} AND is{family}String(value)) AS s"
            f" GLOBAL INNER JOIN ({networks}) AS n"
            " ON s.cut.1 = n.net AND s.cut.2 = n.prefix"
        )


def _qualified(columns: str) -> str:
    return ", ".join(f"s.{name.strip()} AS {name.strip()}" for name in columns.split(","))
