"""Hits of hunts, and how far hunting by itself has come: both move in one transaction.

Hard rule: what a hunt says replaces what an earlier one said; nothing is ever counted twice.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from vedette.model import Entry, Hit, IndicatorType, Key
from vedette.store.fleet import context_document, utc_text
from vedette.store.keys import from_skey, to_skey
from vedette.store.noting import Noting
from vedette.store.records import HuntMark

_IS_THERE = (
    "SELECT id, last_seen FROM hit WHERE type=? AND value=? AND observed=? AND buffer=?"
    " AND sensor=? AND client=? AND origin='retro'"
)
_REMOVE = _IS_THERE.replace("SELECT id, last_seen", "DELETE")
_COUNT_MAX = 2**63 - 1
"""SQLite's greatest number; the pool's go further."""


class Met(NamedTuple):
    """Who met an indicator, as an alert or the EVE reader saw it."""

    key: Key
    observed: str
    sensor: str
    client: str


class Retro:
    """Hits of origin ``retro``."""

    def __init__(self, connection: sqlite3.Connection, noting: Noting) -> None:
        self._db = connection
        self._noting = noting

    def mark(self) -> HuntMark:
        """How far hunting by itself has come."""
        row = self._db.execute("SELECT change_seq, cursor, at FROM hunted").fetchone()
        if row is None:
            return HuntMark()
        return HuntMark(change_seq=row[0], cursor=row[1], at=datetime.fromisoformat(row[2]))

    def record(
        self,
        hits: Iterable[tuple[Hit, Sequence[Entry]]],
        *,
        alerted: Iterable[Hit] = (),
        mark: HuntMark | None = None,
    ) -> int:
        """Keep hits and, with them, how far the hunt has come; in one transaction.

        First seen only goes back, last seen and count only rise: the retention may have taken what
        an earlier hunt still saw.

        Args:
            hits: What a hunt found.
            alerted: What it found too, but an alert tells already. If a hunt came before the
                alert, its hit goes.
            mark: How far the hunt has come.

        Returns:
            How many groups are new.
        """
        new = 0
        with self._db:
            self._db.executemany(_REMOVE, (_group(hit) for hit in alerted))
            for hit, entries in hits:
                new += self._record(hit, entries)
            if mark is not None:
                self._db.execute(
                    "INSERT OR REPLACE INTO hunted(one, change_seq, at, cursor) VALUES(1,?,?,?)",
                    (mark.change_seq, utc_text(mark.at or datetime.now(UTC)), mark.cursor),
                )
        return new

    def _record(self, hit: Hit, entries: Sequence[Entry]) -> bool:
        contexts = msgspec.json.encode([context_document(entry) for entry in entries]).decode()
        group = _group(hit)
        before = self._db.execute(_IS_THERE, group).fetchone()
        written = self._db.execute(
            "INSERT INTO hit(type, value, observed, buffer, sensor, client, origin, server,"
            " first_seen, last_seen, count, contexts, live, hosts)"
            " VALUES(?,?,?,?,?,?,'retro',?,?,?,?,?,?,?)"
            " ON CONFLICT(type, value, observed, buffer, sensor, client, origin) DO UPDATE SET"
            " first_seen=min(first_seen, excluded.first_seen),"
            " last_seen=max(last_seen, excluded.last_seen), count=max(count, excluded.count),"
            " server=excluded.server, live=excluded.live, hosts=max(hosts, excluded.hosts),"
            " contexts=CASE excluded.contexts WHEN '[]' THEN contexts ELSE excluded.contexts END",
            (
                *group,
                hit.server,
                utc_text(hit.first_seen),
                utc_text(hit.last_seen),
                min(hit.count, _COUNT_MAX),
                contexts,
                hit.live,
                hit.hosts,
            ),
        )
        if before is None:
            self._noting.hit(written.lastrowid or 0, hit, entries, None)
        else:
            self._noting.hit(before[0], hit, entries, datetime.fromisoformat(before[1]))
        return before is None

    def keys(self, *, limit: int) -> list[Key]:
        """The distinct indicators that have hits of any origin, those with the newest first."""
        rows = self._db.execute(
            "SELECT type, value FROM hit GROUP BY type, value ORDER BY max(last_seen) DESC LIMIT ?",
            (limit,),
        )
        return [Key(IndicatorType(kind), value) for kind, value in rows]

    def met(self, keys: Iterable[Key]) -> dict[Met, datetime]:
        """Who has met these indicators otherwise than by a hunt, and since when."""
        rows = self._db.execute(
            "SELECT type, value, observed, sensor, client, min(first_seen) FROM hit"
            " WHERE origin<>'retro' AND (type, value) IN (SELECT json_extract(value, '$[0]'),"
            " json_extract(value, '$[1]') FROM json_each(?)) GROUP BY 1, 2, 3, 4, 5",
            (msgspec.json.encode([(key.type.value, key.value) for key in keys]).decode(),),
        )
        return {
            Met(Key(IndicatorType(kind), value), observed, sensor, client): (
                datetime.fromisoformat(first)
            )
            for kind, value, observed, sensor, client, first in rows
        }

    # -- since when an indicator has been published ---------------------------------------

    def published(self, keys: Iterable[Key]) -> dict[Key, datetime]:
        """When the first generation was built that holds these listed indicators, and held on.

        Those that no generation holds yet are absent.
        """
        wanted = set(keys)
        built = self._db.execute(
            "SELECT change_seq, min(created_at) FROM generation GROUP BY change_seq ORDER BY 1"
        ).fetchall()
        bulks = self._bulks()
        sources = self._sources(wanted) if bulks else {}
        found: dict[Key, datetime] = {}
        named = self._listed_since(wanted)
        for key in wanted:
            since, gone = named.get(key, (0, 0))
            came = (seq for seq, source in bulks if seq > gone and source in sources.get(key, ()))
            since = since or next(came, 0)
            at = next((created for seq, created in built if since and seq >= since), None)
            if at is not None:
                found[key] = datetime.fromisoformat(at)
        return found

    def _bulks(self) -> list[tuple[int, int]]:
        """Return when a source brought too many to name, and which source."""
        return self._db.execute(
            "SELECT seq, source_id FROM change WHERE type='' AND added ORDER BY seq"
        ).fetchall()

    def _sources(self, keys: Iterable[Key]) -> dict[Key, set[int]]:
        """Return which sources list each key."""
        rows = self._db.execute(
            "SELECT type, skey, source_id FROM entry WHERE (type, skey) IN"
            " (SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?))",
            (_skeys(keys),),
        )
        found: dict[Key, set[int]] = {}
        for kind, skey, source in rows:
            found.setdefault(from_skey(IndicatorType(kind), skey), set()).add(source)
        return found

    def _listed_since(self, keys: Iterable[Key]) -> dict[Key, tuple[int, int]]:
        """Return since which named change each is published without a break, and when it went.

        Claims come and go; what the guard says (of no source) decides whether that counts.

        0 where no change names it: it came with many others.
        """
        rows = self._db.execute(
            "SELECT added, type, skey, seq, claim FROM change WHERE type<>''"
            " AND (claim=1 OR source_id=0) AND (type, skey) IN"
            " (SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?))"
            " ORDER BY seq",
            (_skeys(keys),),
        )
        found: dict[Key, tuple[int, int]] = {}
        claims: dict[Key, int] = {}
        for added, kind, skey, seq, claim in rows:
            key = from_skey(IndicatorType(kind), skey)
            since, gone = found.get(key, (0, 0))
            if not claim:
                found[key] = (seq, gone) if added else (0, seq)
            elif added:
                found[key] = (seq if claims.get(key, 0) <= 0 and not since else since, gone)
                claims[key] = max(claims.get(key, 0), 0) + 1
            else:
                claims[key] = claims.get(key, 0) - 1
                found[key] = (since, gone) if claims[key] > 0 else (0, seq)
        return found


def _skeys(keys: Iterable[Key]) -> str:
    return msgspec.json.encode([(key.type.value, to_skey(*key)) for key in keys]).decode()


def _group(hit: Hit) -> tuple[str, ...]:
    return (*hit.key, hit.observed, hit.buffer, hit.sensor, hit.client)
