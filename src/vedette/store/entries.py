"""Reading indicators: sorted streams for the compiler, lookups by value for hits and people."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

import msgspec

from vedette.model import Change, Context, Entry, IndicatorType, Key
from vedette.normalize import unreverse_key
from vedette.store.keys import from_skey, to_skey

_LOOKUP_CHUNK = 400
_NAMES = (IndicatorType.DOMAIN, IndicatorType.HOSTNAME)
CLAIM = "context_id, ref, comment, tags, changed, expires, confidence, added_at"


class _Row(NamedTuple):
    """What a row of ``entry`` says of one claim: the columns of ``CLAIM``."""

    context_id: int
    ref: str
    comment: str
    tags: str
    changed: int
    expires: int
    confidence: int
    added_at: int


class Entries:
    """The indicators in force. Streams are sorted by (type, sort key), see ``store.keys``."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._contexts: dict[int, tuple[str, Context]] = {}

    def keys(self, kind: IndicatorType) -> Iterator[Key]:
        """All distinct indicators of a type; names sorted by their reversed spelling."""
        rows = self._db.execute(
            "SELECT DISTINCT skey FROM entry WHERE type=? ORDER BY skey", (kind.value,)
        )
        if kind in _NAMES:
            return (Key(kind, unreverse_key(skey)) for (skey,) in rows)
        return (Key(kind, skey) for (skey,) in rows)

    def with_context(self, kind: IndicatorType) -> Iterator[tuple[Key, list[Entry]]]:
        """All indicators of a type with what each source says, in the order of :meth:`keys`."""
        rows = self._db.execute(
            f"SELECT skey, {CLAIM} FROM entry WHERE type=?"  # noqa: S608
            " ORDER BY skey, source_id, ref",
            (kind.value,),
        )
        for skey, claims in groupby(rows, key=lambda row: row[0]):
            key = from_skey(kind, skey)
            yield key, [self._entry(key, _Row(*claim[1:])) for claim in claims]

    def counts(self) -> Mapping[IndicatorType, int]:
        """Number of distinct indicators by type."""
        found = self._counted_since() or self._count_all()
        return {kind: n for kind in IndicatorType if (n := found.get(kind.value, 0))}

    def remember_counts(self) -> None:
        """Keep the numbers, so that the next call only looks at what changed."""
        found, seq = self.counts(), self.last_change()
        with self._db:
            self._db.execute("DELETE FROM type_count")
            self._db.executemany(
                "INSERT INTO type_count VALUES(?,?,?)",
                ((kind.value, n, seq) for kind, n in found.items()),
            )

    def _count_all(self) -> dict[str, int]:
        rows = self._db.execute(
            "SELECT type, count(*) FROM (SELECT DISTINCT type, skey FROM entry) GROUP BY type"
        )
        return dict(rows)

    def _counted_since(self) -> dict[str, int] | None:
        """The remembered numbers, corrected by the changes since; None if that is not known."""
        rows = self._db.execute("SELECT type, n, seq FROM type_count").fetchall()
        if not rows:
            return None
        seq = min(row[2] for row in rows)
        if self.bulks(seq, self.last_change()):
            return None
        found = Counter({kind: n for kind, n, _ in rows})
        # Claims before = claims now, without those that came, with those that went.
        changed = self._db.execute(
            "SELECT c.type, c.now - c.came AS before, c.now FROM (SELECT type,"
            " sum(CASE added WHEN 1 THEN 1 ELSE -1 END) AS came, (SELECT count(*) FROM entry e"
            " WHERE e.type=change.type AND e.skey=change.skey) AS now"
            " FROM change WHERE seq>? AND claim=1 GROUP BY type, skey) c",
            (seq,),
        )
        for kind, before, now in changed:
            found[kind] += (now > 0) - (before > 0)
        return dict(found)

    def lookup(self, keys: Iterable[Key]) -> dict[Key, list[Entry]]:
        """What the sources say about these values; values that nobody lists are absent."""
        found: dict[Key, list[Entry]] = {}
        wanted = list(dict.fromkeys(keys))
        for start in range(0, len(wanted), _LOOKUP_CHUNK):
            chunk = wanted[start : start + _LOOKUP_CHUNK]
            for key, row in self._rows_of(chunk):
                found.setdefault(key, []).append(self._entry(key, row))
        return found

    def listed(self, keys: Iterable[Key]) -> set[Key]:
        """Which of these values any source lists."""
        wanted = list(dict.fromkeys(keys))
        found: set[Key] = set()
        for start in range(0, len(wanted), _LOOKUP_CHUNK):
            found.update(key for key, _ in self._rows_of(wanted[start : start + _LOOKUP_CHUNK]))
        return found

    def _rows_of(self, keys: Sequence[Key]) -> Iterator[tuple[Key, _Row]]:
        marks = ",".join(["(?,?)"] * len(keys))
        values = [text for kind, value in keys for text in (kind.value, to_skey(kind, value))]
        # CROSS JOIN makes SQLite seek each wanted key instead of scanning the entries.
        rows = self._db.execute(
            f"WITH wanted(type, skey) AS (VALUES {marks})"  # noqa: S608
            f" SELECT e.type, e.skey, {CLAIM} FROM wanted w"
            " CROSS JOIN entry e ON e.type=w.type AND e.skey=w.skey",
            values,
        )
        for kind, skey, *row in rows:
            yield from_skey(IndicatorType(kind), skey), _Row(*row)

    def descendants(self, name: str) -> Iterator[Key]:
        """All listed domains and hostnames strictly below a name, parents before children."""
        low = to_skey(IndicatorType.DOMAIN, name) + "!"
        high = low[:-1] + '"'  # the character after '!'
        for kind in _NAMES:
            rows = self._db.execute(
                "SELECT DISTINCT skey FROM entry WHERE type=? AND skey>=? AND skey<? ORDER BY skey",
                (kind.value, low, high),
            )
            for (skey,) in rows:
                yield Key(kind, unreverse_key(skey))

    def _entry(self, key: Key, row: _Row) -> Entry:
        source, context = self._context(row.context_id)
        return Entry(
            source=source,
            key=key,
            ref=row.ref,
            context=context,
            comment=row.comment,
            tags=tuple(row.tags.split("\t")) if row.tags else (),
            changed=row.changed,
            expires=row.expires,
            confidence=row.confidence,
            added_at=row.added_at,
        )

    def _context(self, context_id: int) -> tuple[str, Context]:
        found = self._contexts.get(context_id)
        if found is None:
            name, body = self._db.execute(
                "SELECT s.name, c.body FROM context c JOIN source s ON s.id=c.source_id"
                " WHERE c.id=?",
                (context_id,),
            ).fetchone()
            if len(self._contexts) > 50_000:  # noqa: PLR2004 - bounds the memory of a long run
                self._contexts.clear()
            found = (name, msgspec.json.decode(body, type=Context))
            self._contexts[context_id] = found
        return found

    def forget_contexts(self) -> None:
        """Drop cached contexts after a pull changed them."""
        self._contexts.clear()

    # -- what changed ---------------------------------------------------------------------

    def last_change(self) -> int:
        """The sequence number of the newest change, 0 for none."""
        (seq,) = self._db.execute("SELECT coalesce(max(seq), 0) FROM change").fetchone()
        return int(seq)

    def changed_since(self, seq: int) -> list[Key] | None:
        """The distinct keys that changed after ``seq``; None when too much changed to name."""
        (bulk,) = self._db.execute(
            "SELECT count(*) FROM change WHERE seq>? AND type=''", (seq,)
        ).fetchone()
        if bulk:
            return None
        rows = self._db.execute("SELECT DISTINCT type, skey FROM change WHERE seq>?", (seq,))
        return [from_skey(IndicatorType(kind), skey) for kind, skey in rows]

    def reasons(self, keys: Iterable[Key], since: int, until: int) -> dict[Key, Change]:
        """The last change of each key in ``since < seq <= until``, with its source and reason."""
        wanted = set(keys)
        found: dict[Key, Change] = {}
        rows = self._db.execute(
            "SELECT c.added, c.type, c.skey, c.source, c.reason, c.group_key FROM change c"
            " WHERE c.seq>? AND c.seq<=? AND c.type<>'' ORDER BY c.seq",
            (since, until),
        )
        for added, kind, skey, source, reason, group_key in rows:
            key = from_skey(IndicatorType(kind), skey)
            if key in wanted:
                text = f"{reason} ({group_key})" if group_key else reason
                found[key] = Change(added=bool(added), key=key, source=source, reason=text)
        return found

    def bulks(self, since: int, until: int) -> dict[str, str]:
        """Reason by source of the changes in ``since < seq <= until`` that were not named."""
        return dict(
            self._db.execute(
                "SELECT source, reason FROM change WHERE seq>? AND seq<=? AND type='' ORDER BY seq",
                (since, until),
            )
        )
