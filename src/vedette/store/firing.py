"""Which listed indicators ever had a hit, how often, since when; and which never."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from vedette.model import IndicatorType, Key
from vedette.store.inbox import IS_LISTED, IS_MINE, IS_OF_TYPE, Wanted, sources_of
from vedette.store.keys import from_skey, to_skey


class Fired(msgspec.Struct, frozen=True, kw_only=True):
    """A listed indicator and its hits."""

    type: IndicatorType
    value: str
    count: int
    """Alerts, matches in EVE, and what hunts counted."""
    retro: int
    """How many of these hunts counted."""
    clients: int
    first_seen: datetime
    last_seen: datetime
    sources: tuple[str, ...] = ()


class Firing:
    """Questions over ``entry`` and ``hit``."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._db.create_function("skey_of", 2, _skey_of, deterministic=True)

    def of(self, key: Key) -> Fired | None:
        """The hits of one indicator, listed or not; None: it has none."""
        row = self._db.execute(
            "SELECT sum(count), sum(CASE origin WHEN 'retro' THEN count ELSE 0 END),"
            " count(DISTINCT client), min(first_seen), max(last_seen) FROM hit"
            " WHERE type=? AND value=? GROUP BY type, value",
            key,
        ).fetchone()
        return _fired(key, row) if row else None

    def ever(self, wanted: Wanted) -> list[Fired]:
        """Listed indicators that have hits, the last seen first."""
        self._gather()
        rows = self._db.execute(
            "SELECT v.type, v.skey, v.n, v.retro, v.clients, v.first, v.last FROM temp.fired v"  # noqa: S608
            f" WHERE {IS_LISTED} AND {IS_OF_TYPE.format('v')}"
            " ORDER BY v.last DESC, v.type, v.skey LIMIT :limit",
            wanted.parameters(),
        )
        found = [_fired(from_skey(IndicatorType(kind), skey), rest) for kind, skey, *rest in rows]
        sources = sources_of(self._db, (Key(one.type, one.value) for one in found))
        return [
            msgspec.structs.replace(one, sources=sources.get(Key(one.type, one.value), ()))
            for one in found
        ]

    def never(self, wanted: Wanted) -> list[Key]:
        """Listed indicators that have no hit, in the order of the entries."""
        self._gather()
        rows = self._db.execute(
            "SELECT DISTINCT v.type, v.skey FROM entry v WHERE"  # noqa: S608
            f" {IS_MINE} AND {IS_OF_TYPE.format('v')} AND NOT EXISTS"
            " (SELECT 1 FROM temp.fired f WHERE f.type=v.type AND f.skey=v.skey) LIMIT :limit",
            wanted.parameters(),
        )
        return [from_skey(IndicatorType(kind), skey) for kind, skey in rows]

    def counts(self, wanted: Wanted) -> tuple[int, int]:
        """How many are listed, and how many of these have hits."""
        self._gather()
        (listed,) = self._db.execute(
            "SELECT count(*) FROM (SELECT DISTINCT v.type, v.skey FROM entry v WHERE"  # noqa: S608
            f" {IS_MINE} AND {IS_OF_TYPE.format('v')})",
            wanted.parameters(),
        ).fetchone()
        (fired,) = self._db.execute(
            f"SELECT count(*) FROM temp.fired v WHERE {IS_LISTED} AND {IS_OF_TYPE.format('v')}",  # noqa: S608
            wanted.parameters(),
        ).fetchone()
        return int(listed), int(fired)

    def _gather(self) -> None:
        """Make ``temp.fired``: hits by indicator, in the order of the entries."""
        self._db.execute("DROP TABLE IF EXISTS temp.fired")
        self._db.execute(
            "CREATE TEMP TABLE fired(type TEXT, skey TEXT, n INTEGER, retro INTEGER,"
            " clients INTEGER, first TEXT, last TEXT, PRIMARY KEY(type, skey)) WITHOUT ROWID"
        )
        self._db.execute(
            "INSERT INTO temp.fired SELECT type, skey_of(type, value), sum(count),"
            " sum(CASE origin WHEN 'retro' THEN count ELSE 0 END), count(DISTINCT client),"
            " min(first_seen), max(last_seen) FROM hit WHERE value<>'' GROUP BY type, value"
        )
        self._db.commit()


def _fired(key: Key, row: Sequence[Any]) -> Fired:
    n, retro, clients, first, last = row
    return Fired(
        type=key.type,
        value=key.value,
        count=n,
        retro=retro,
        clients=clients,
        first_seen=datetime.fromisoformat(first),
        last_seen=datetime.fromisoformat(last),
    )


def _skey_of(kind: str, value: str) -> str:
    return to_skey(IndicatorType(kind), value)
