"""What the guard did with what is listed: counts and lists for people; nothing here judges.

Hard rule: published, exact, held, dropped and waiting are together exactly what is listed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from vedette.model import IndicatorType, Key, Outcome
from vedette.store.keys import from_skey, to_skey

_WAITING = "waiting"
IS_LISTED = (
    "EXISTS (SELECT 1 FROM entry e WHERE e.type=v.type AND e.skey=v.skey"
    " AND (:source='' OR e.source_id=(SELECT id FROM source WHERE name=:source)))"
)
IS_MINE = "(:source='' OR source_id=(SELECT id FROM source WHERE name=:source))"
IS_OF_TYPE = "(:type='' OR {0}.type=:type)"
_JUDGED = (
    "SELECT v.type, v.skey, v.outcome, v.test, v.reason, v.labels, v.due, v.at,"
    " coalesce(p.hosts, 0) AS hosts, coalesce(p.count, 0), coalesce(p.days, 0), v.is_new"
    " FROM verdict v LEFT JOIN prevalence p ON p.type=v.type AND p.skey=v.skey"
)


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the distinct indicators of a source, or of all."""

    listed: int = 0
    published: int = 0
    """Without those that are published as exact names."""
    exact: int = 0
    held: int = 0
    dropped: int = 0
    waiting: int = 0
    """Came since the guard was here last: the next build judges them first."""


class TestCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many listed indicators one test of the guard decided."""

    __test__ = False
    outcome: Outcome
    test: str
    indicators: int
    hosts: int = 0
    """The most hosts that met one of them, where they were asked."""


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """A listed indicator and what the guard says about it."""

    type: IndicatorType
    value: str
    outcome: Outcome
    test: str
    reason: str
    labels: tuple[str, ...] = ()
    since: int = 0
    """Epoch seconds; 0: unknown."""
    due: int = 0
    """When time alone may change it; 0: never."""
    hosts: int = 0
    """Of ours that met it when it was judged first."""
    times: int = 0
    days: int = 0
    """Within so many days before that; 0: nobody asked."""
    is_new: bool = False
    """Whether it was never published."""
    sources: tuple[str, ...] = ()

    @property
    def key(self) -> Key:
        """The indicator."""
        return Key(self.type, self.value)


class Withdrawn(msgspec.Struct, frozen=True, kw_only=True):
    """When an indicator went from a source."""

    type: IndicatorType
    source: str
    at: datetime
    reason: str


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which indicators a list is of; empty: any."""

    source: str = ""
    type: str = ""
    reason: str = ""
    """The name of a test, or a part of the reason."""
    limit: int = 100

    def parameters(self) -> dict[str, str | int]:
        """As the queries name them."""
        pattern = self.reason.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        return {
            "source": self.source,
            "type": self.type,
            "test": self.reason,
            "pattern": f"%{pattern}%",
            "limit": self.limit,
        }


class Inbox:
    """Questions over ``entry``, ``verdict`` and ``prevalence``."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    # -- counts -------------------------------------------------------------------------------

    def by_source(self, name: str = "") -> dict[str, Counts]:
        """What became of what each source lists; only of one source, if it is named."""
        parameters = {"source": name}
        listed = dict(
            self._db.execute(
                "SELECT source_id, count(*) FROM (SELECT DISTINCT type, skey, source_id FROM entry"  # noqa: S608
                f" WHERE {IS_MINE}) GROUP BY source_id",
                parameters,
            )
        )
        withheld: dict[int, dict[str, int]] = {}
        # CROSS JOIN: seek the claims of what is withheld instead of reading all claims.
        for source_id, outcome, n in self._db.execute(
            "SELECT source_id, outcome, count(*) FROM (SELECT DISTINCT v.type, v.skey, v.outcome,"  # noqa: S608
            " e.source_id FROM verdict v CROSS JOIN entry e ON e.type=v.type AND e.skey=v.skey"
            f" WHERE v.outcome<>'publish' AND {IS_MINE}) GROUP BY source_id, outcome",
            parameters,
        ):
            withheld.setdefault(source_id, {})[outcome] = n
        for source_id, n in self._waiting(parameters).items():
            withheld.setdefault(source_id, {})[_WAITING] = n
        sources = self._db.execute(
            "SELECT id, name FROM source WHERE :source='' OR name=:source ORDER BY name",
            parameters,
        )
        return {
            source: _counts(listed.get(number, 0), withheld.get(number, {}))
            for number, source in sources
        }

    def counts(self, listed: int) -> Counts:
        """What became of all distinct indicators.

        Args:
            listed: How many there are, as :class:`vedette.store.Entries` counts them.
        """
        found: dict[str, int] = {}
        for one in self.tests():
            found[one.outcome] = found.get(one.outcome, 0) + one.indicators
        found[_WAITING] = sum(self._waiting({"source": ""}, by_source=False).values())
        return _counts(listed, found)

    def _waiting(
        self, parameters: Mapping[str, str | int], *, by_source: bool = True
    ) -> dict[int, int]:
        """How many are not judged yet, by source or (0) in all."""
        judged, last = self._db.execute(
            "SELECT coalesce((SELECT change_seq FROM guarded), -1), coalesce((SELECT seq"
            " FROM change WHERE source_id<>0 ORDER BY seq DESC LIMIT 1), 0)"
        ).fetchone()
        if judged >= last:
            return {}
        who = "e.source_id" if by_source else "0"
        return dict(
            self._db.execute(
                f"WITH new AS (SELECT e.type, e.skey FROM entry e GROUP BY e.type, e.skey"  # noqa: S608
                " HAVING min(e.seq)>:judged AND NOT EXISTS (SELECT 1 FROM verdict v"
                " WHERE v.type=e.type AND v.skey=e.skey AND v.outcome<>'publish'))"
                f" SELECT who, count(*) FROM (SELECT DISTINCT n.type, n.skey, {who} AS who"
                " FROM new n CROSS JOIN entry e ON e.type=n.type AND e.skey=n.skey"
                f" WHERE {IS_MINE}) GROUP BY who",
                {**parameters, "judged": judged},
            )
        )

    def tests(self, wanted: Wanted | None = None) -> list[TestCount]:
        """How many each test withholds or makes exact, the most first.

        Published ones are not counted: most have no verdict of their own.
        """
        rows = self._db.execute(
            "SELECT v.outcome, v.test, count(*) AS n, max(coalesce(p.hosts, 0)) FROM verdict v"  # noqa: S608
            " LEFT JOIN prevalence p ON p.type=v.type AND p.skey=v.skey"
            f" WHERE v.outcome<>'publish' AND {IS_LISTED} AND {IS_OF_TYPE.format('v')}"
            " GROUP BY v.outcome, v.test ORDER BY n DESC, v.outcome, v.test",
            (wanted or Wanted()).parameters(),
        )
        return [
            TestCount(outcome=Outcome(outcome), test=test, indicators=n, hosts=hosts)
            for outcome, test, n, hosts in rows
        ]

    def labelled(self, wanted: Wanted | None = None) -> int:
        """How many published indicators are on some warning list."""
        (n,) = self._db.execute(
            "SELECT count(*) FROM verdict v WHERE v.outcome='publish' AND v.labels<>''"  # noqa: S608
            f" AND {IS_LISTED}",
            (wanted or Wanted()).parameters(),
        ).fetchone()
        return int(n)

    # -- lists --------------------------------------------------------------------------------

    def judged(self, outcome: Outcome, wanted: Wanted) -> list[Judged]:
        """Listed indicators of an outcome by test, what most of our hosts met first.

        Of ``publish``: those that are on some warning list.
        """
        labelled = "AND v.labels<>''" if outcome is Outcome.PUBLISH else ""
        rows = self._db.execute(
            f"{_JUDGED} WHERE v.outcome=:outcome {labelled} AND {IS_LISTED}"
            f" AND {IS_OF_TYPE.format('v')}"
            " AND (:test='' OR v.test=:test OR v.reason LIKE :pattern ESCAPE '\\')"
            " ORDER BY v.test, hosts DESC, v.type, v.skey LIMIT :limit",
            {**wanted.parameters(), "outcome": outcome.value},
        )
        return self._with_sources([_judged(row) for row in rows])

    def verdicts(self, keys: Iterable[Key]) -> dict[Key, Judged]:
        """What the guard says about these; plainly published ones are absent."""
        found: dict[Key, Judged] = {}
        for key in dict.fromkeys(keys):
            row = self._db.execute(
                f"{_JUDGED} WHERE v.type=? AND v.skey=?", (key.type.value, to_skey(*key))
            ).fetchone()
            if row:
                found[key] = _judged(row)
        return found

    def withdrawn(self, keys: Iterable[Key]) -> Iterator[Withdrawn]:
        """Yield the last time each of these few went from a source, where the log names it."""
        for key in keys:
            row = self._db.execute(
                "SELECT source, at, reason, group_key FROM change WHERE type=? AND skey=?"
                " AND added=0 AND claim=1 ORDER BY seq DESC LIMIT 1",
                (key.type.value, to_skey(*key)),
            ).fetchone()
            if row:
                source, at, reason, group = row
                yield Withdrawn(
                    type=key.type,
                    source=source,
                    at=datetime.fromisoformat(at),
                    reason=f"{reason} ({group})" if group else reason,
                )

    def _with_sources(self, some: Sequence[Judged]) -> list[Judged]:
        sources = sources_of(self._db, (one.key for one in some))
        return [msgspec.structs.replace(one, sources=sources.get(one.key, ())) for one in some]

    def came(self, keys: Iterable[Key]) -> dict[Key, int]:
        """The change with which the oldest claim about each of these few came."""
        found: dict[Key, int] = {}
        for key in keys:
            (seq,) = self._db.execute(
                "SELECT min(seq) FROM entry WHERE type=? AND skey=?",
                (key.type.value, to_skey(*key)),
            ).fetchone()
            if seq is not None:
                found[key] = seq
        return found

    def rejected(self, texts: Iterable[str]) -> Iterator[tuple[str, str, str]]:
        """Yield what sources gave exactly so and what was refused: (source, ref, reason)."""
        for text in dict.fromkeys(texts):
            yield from self._db.execute(
                "SELECT s.name, r.ref, r.reason FROM rejected r JOIN source s ON s.id=r.source_id"
                " WHERE r.value=? LIMIT 20",
                (text,),
            )


def sources_of(db: sqlite3.Connection, keys: Iterable[Key]) -> dict[Key, tuple[str, ...]]:
    """Who lists each of these few."""
    found: dict[Key, tuple[str, ...]] = {}
    for key in keys:
        rows = db.execute(
            "SELECT DISTINCT s.name FROM entry e JOIN source s ON s.id=e.source_id"
            " WHERE e.type=? AND e.skey=? ORDER BY s.name",
            (key.type.value, to_skey(*key)),
        )
        if names := tuple(name for (name,) in rows):
            found[key] = names
    return found


def _counts(listed: int, withheld: Mapping[str, int]) -> Counts:
    return Counts(
        listed=listed,
        published=listed - sum(withheld.values()),
        exact=withheld.get(Outcome.EXACT, 0),
        held=withheld.get(Outcome.HOLD, 0),
        dropped=withheld.get(Outcome.DROP, 0),
        waiting=withheld.get(_WAITING, 0),
    )


def _judged(row: Sequence[Any]) -> Judged:
    kind, skey, outcome, test, reason, labels, due, at, hosts, times, days, is_new = row
    return Judged(
        type=IndicatorType(kind),
        value=from_skey(IndicatorType(kind), skey).value,
        outcome=Outcome(outcome),
        test=test,
        reason=reason,
        labels=tuple(labels.split("\t")) if labels else (),
        since=at,
        due=due,
        hosts=hosts,
        times=times,
        days=days,
        is_new=bool(is_new),
    )
