"""The indicators that the guard lets through: what is compiled, matched and hunted.

Hard rule: nothing on the way to a sensor reads :class:`~vedette.store.entries.Entries` itself.
What came since the guard was here last is not let through yet; where it never was, everything is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import merge
from itertools import groupby

from vedette.model import Entry, IndicatorType, Key
from vedette.normalize import unreverse_key
from vedette.store.entries import Entries
from vedette.store.keys import from_skey, to_skey

_CHUNK = 400
_PASSES = (
    "NOT EXISTS (SELECT 1 FROM verdict v WHERE v.type=e.type AND v.skey=e.skey"
    " AND v.outcome<>'publish') AND e.seq<=?"
)
"""Of a claim; how far the guard has come is its parameter."""
_NEVER = 2**62
_GRADE = "coalesce(min(nullif(e.level, 0)), 0)"
"""The highest threat level of some claims."""
_EXACT = "SELECT v.skey FROM verdict v WHERE v.outcome='exact' AND v.type='domain'"
"""Domains that are published as hostnames."""
_IS_LISTED = "EXISTS (SELECT 1 FROM entry e WHERE e.type='domain' AND e.skey=v.skey)"


class Published:
    """A :class:`vedette.ruleset.tally.Indicators`: :class:`Entries` through the guard's verdicts.

    A domain whose verdict is ``exact`` is not here; the hostname of the same name is, with the
    domain's entries.
    """

    def __init__(self, connection: sqlite3.Connection, entries: Entries) -> None:
        self._db = connection
        self._entries = entries

    def _judged(self) -> int:
        """The last change up to which everything was judged."""
        row = self._db.execute("SELECT change_seq FROM guarded").fetchone()
        return int(row[0]) if row else _NEVER

    def keys(self, kind: IndicatorType) -> Iterator[Key]:
        """All indicators of a type; names sorted by their reversed spelling."""
        rows = self._db.execute(
            f"SELECT DISTINCT e.skey FROM entry e WHERE e.type=? AND {_PASSES} ORDER BY e.skey",  # noqa: S608
            (kind.value, self._judged()),
        )
        if kind is IndicatorType.HOSTNAME:
            exact = self._db.execute(f"{_EXACT} AND {_IS_LISTED} ORDER BY v.skey")
            names = (skey for skey, _ in groupby(skey for (skey,) in merge(rows, exact)))
            return (Key(kind, unreverse_key(skey)) for skey in names)
        return (from_skey(kind, skey) for (skey,) in rows)

    def graded(self, kind: IndicatorType) -> Iterator[tuple[Key, int]]:
        """What :meth:`keys` yields, each with its threat level: 1 high, 2 medium, 3 low, 0 unknown.

        Of claims of several levels the highest counts; one that says none says nothing.
        """
        rows = self._db.execute(
            f"SELECT e.skey, {_GRADE} FROM entry e WHERE e.type=? AND {_PASSES}"  # noqa: S608
            " GROUP BY e.skey ORDER BY e.skey",
            (kind.value, self._judged()),
        )
        if kind is not IndicatorType.HOSTNAME:
            return ((from_skey(kind, skey), grade) for skey, grade in rows)
        exact = self._db.execute(
            f"SELECT e.skey, {_GRADE} FROM ({_EXACT}) x"  # noqa: S608
            " CROSS JOIN entry e ON e.type='domain' AND e.skey=x.skey"
            " GROUP BY e.skey ORDER BY e.skey"
        )
        by_name = groupby(merge(rows, exact), key=lambda row: row[0])
        return (
            (from_skey(kind, skey), _highest(grade for _, grade in some)) for skey, some in by_name
        )

    def grades(self, keys: Iterable[Key]) -> dict[Key, int]:
        """The threat level of each of these that is there, as :meth:`graded` has it."""
        wanted = list(dict.fromkeys(keys))
        passing = self.listed(wanted)
        outcomes = self.outcomes(wanted)
        twins = {Key(IndicatorType.DOMAIN, key.value): key for key in passing if _is_host(key)}
        exact = {twin for twin, way in self.outcomes(list(twins)).items() if way == "exact"}
        own = [key for key in passing if key not in outcomes]
        said: dict[Key, list[int]] = {key: [] for key in wanted if key in passing}
        for key, grade in self._grades(own, self._judged()):
            said[key].append(grade)
        for key, grade in self._grades(list(exact), _NEVER):
            said[twins[key]].append(grade)
        return {key: _highest(grades) for key, grades in said.items()}

    def _grades(self, keys: Sequence[Key], judged: int) -> Iterator[tuple[Key, int]]:
        for start in range(0, len(keys), _CHUNK):
            some = keys[start : start + _CHUNK]
            marks = ",".join(["(?,?)"] * len(some))
            rows = self._db.execute(
                f"WITH wanted(type, skey) AS (VALUES {marks})"  # noqa: S608
                f" SELECT e.type, e.skey, {_GRADE} FROM wanted w"
                " CROSS JOIN entry e ON e.type=w.type AND e.skey=w.skey WHERE e.seq<=?"
                " GROUP BY e.type, e.skey",
                [
                    *(text for kind, value in some for text in (kind.value, to_skey(kind, value))),
                    judged,
                ],
            )
            for kind, skey, grade in rows:
                yield from_skey(IndicatorType(kind), skey), grade

    def with_context(self, kind: IndicatorType) -> Iterator[tuple[Key, list[Entry]]]:
        """All indicators of a type with what each source says, in the order of :meth:`keys`."""
        withheld = self._withheld(kind)
        own = (
            (to_skey(kind, key.value), entries)
            for key, entries in self._entries.with_context(kind)
            if key.value not in withheld
        )
        if kind is not IndicatorType.HOSTNAME:
            for skey, entries in own:
                yield from_skey(kind, skey), entries
            return
        exact = ((skey, entries) for skey, entries in self._exact_with_context())
        by_name = groupby(merge(own, exact, key=lambda item: item[0]), key=lambda item: item[0])
        for skey, items in by_name:
            yield from_skey(kind, skey), [entry for _, some in items for entry in some]

    def _withheld(self, kind: IndicatorType) -> set[str]:
        rows = self._db.execute(
            "SELECT skey FROM verdict WHERE type=? AND outcome<>'publish'", (kind.value,)
        )
        withheld = [skey for (skey,) in rows]
        if self._is_anything_unjudged():
            rows = self._db.execute(
                "SELECT skey FROM entry WHERE type=? GROUP BY skey HAVING min(seq)>?",
                (kind.value, self._judged()),
            )
            withheld += [skey for (skey,) in rows]
        return {from_skey(kind, skey).value for skey in withheld}

    def _is_anything_unjudged(self) -> bool:
        row = self._db.execute(
            "SELECT seq FROM change WHERE source_id<>0 ORDER BY seq DESC LIMIT 1"
        ).fetchone()
        return row is not None and row[0] > self._judged()

    def _exact_with_context(self) -> Iterator[tuple[str, list[Entry]]]:
        names = [skey for (skey,) in self._db.execute(f"{_EXACT} ORDER BY v.skey")]
        for start in range(0, len(names), _CHUNK):
            keys = [Key(IndicatorType.DOMAIN, unreverse_key(s)) for s in names[start:][:_CHUNK]]
            found = self._entries.lookup(keys)
            for key in keys:
                if key in found:
                    yield to_skey(*key), found[key]

    def listed(self, keys: Iterable[Key]) -> set[Key]:
        """Which of these are there."""
        wanted = list(dict.fromkeys(keys))
        passing: set[Key] = set()
        for start in range(0, len(wanted), _CHUNK):
            passing |= self._listed(wanted[start : start + _CHUNK])
        return passing

    def _listed(self, wanted: Sequence[Key]) -> set[Key]:
        twins = {Key(IndicatorType.DOMAIN, key.value): key for key in wanted if _is_host(key)}
        outcomes = self.outcomes([*wanted, *twins])
        listed = self._entries.listed([*wanted, *twins])
        passing = {key for key in wanted if key in listed and outcomes.get(key) is None}
        passing |= {
            host for twin, host in twins.items() if twin in listed and outcomes.get(twin) == "exact"
        }
        return passing

    def outcomes(self, keys: Sequence[Key]) -> dict[Key, str]:
        """``exact``, ``hold``, ``drop`` or ``unjudged`` of those that are not simply published."""
        found: dict[Key, str] = self._unjudged(keys) if self._is_anything_unjudged() else {}
        for start in range(0, len(keys), _CHUNK):
            some = keys[start : start + _CHUNK]
            marks = ",".join(["(?,?)"] * len(some))
            # CROSS JOIN: seek each key instead of reading all that is withheld.
            rows = self._db.execute(
                f"WITH wanted(type, skey) AS (VALUES {marks})"  # noqa: S608
                " SELECT v.type, v.skey, v.outcome FROM wanted w CROSS JOIN verdict v"
                " ON v.type=w.type AND v.skey=w.skey WHERE v.outcome<>'publish'",
                [text for kind, value in some for text in (kind.value, to_skey(kind, value))],
            )
            for kind, skey, outcome in rows:
                found[from_skey(IndicatorType(kind), skey)] = outcome
        return found

    def _unjudged(self, keys: Sequence[Key]) -> dict[Key, str]:
        found: dict[Key, str] = {}
        for start in range(0, len(keys), _CHUNK):
            some = keys[start : start + _CHUNK]
            marks = ",".join(["(?,?)"] * len(some))
            rows = self._db.execute(
                f"WITH wanted(type, skey) AS (VALUES {marks}) SELECT e.type, e.skey FROM wanted w"  # noqa: S608
                " CROSS JOIN entry e ON e.type=w.type AND e.skey=w.skey"
                " GROUP BY e.type, e.skey HAVING min(e.seq)>?",
                [
                    *(text for kind, value in some for text in (kind.value, to_skey(kind, value))),
                    self._judged(),
                ],
            )
            found.update((from_skey(IndicatorType(kind), skey), "unjudged") for kind, skey in rows)
        return found

    def lookup(self, keys: Iterable[Key]) -> dict[Key, list[Entry]]:
        """What the sources say about those that are there.

        The entries of an exact domain are found under the hostname, and name the domain.
        """
        passing = self.listed(keys)
        twins = {Key(IndicatorType.DOMAIN, key.value): key for key in passing if _is_host(key)}
        found = self._entries.lookup([*passing, *twins])
        outcomes = self.outcomes(list(twins))
        result = {key: found[key] for key in passing if key in found}
        for twin, host in twins.items():
            if outcomes.get(twin) == "exact" and twin in found:
                result[host] = [*result.get(host, []), *found[twin]]
        return result

    def descendants(self, name: str) -> Iterator[Key]:
        """All domains, then all hostnames strictly below a name, parents before children."""
        below = list(self._entries.descendants(name))
        passing = self.listed([*below, *(Key(IndicatorType.HOSTNAME, key.value) for key in below)])
        for kind in (IndicatorType.DOMAIN, IndicatorType.HOSTNAME):
            names = dict.fromkeys(to_skey(kind, key.value) for key in passing if key.type is kind)
            for skey in sorted(names):
                yield from_skey(kind, skey)

    def counts(self) -> Mapping[IndicatorType, int]:
        """How many there are of each type."""
        counts = dict(self._entries.counts())
        withheld = self._db.execute(
            "SELECT v.type, count(*) FROM verdict v WHERE v.outcome<>'publish' AND EXISTS"
            " (SELECT 1 FROM entry e WHERE e.type=v.type AND e.skey=v.skey) GROUP BY v.type"
        )
        for kind, n in withheld:
            counts[IndicatorType(kind)] = counts.get(IndicatorType(kind), 0) - n
        (exact,) = self._db.execute(
            f"SELECT count(*) FROM ({_EXACT} AND {_IS_LISTED} AND NOT EXISTS"  # noqa: S608
            " (SELECT 1 FROM entry e WHERE e.type='hostname' AND e.skey=v.skey AND NOT EXISTS"
            " (SELECT 1 FROM verdict w WHERE w.type='hostname' AND w.skey=v.skey"
            " AND w.outcome<>'publish')))"
        ).fetchone()
        counts[IndicatorType.HOSTNAME] = counts.get(IndicatorType.HOSTNAME, 0) + exact
        if self._is_anything_unjudged():
            unjudged = self._db.execute(
                "SELECT type, count(*) FROM (SELECT type FROM entry e GROUP BY type, skey"
                " HAVING min(seq)>? AND NOT EXISTS (SELECT 1 FROM verdict v WHERE v.type=e.type"
                " AND v.skey=e.skey AND v.outcome<>'publish')) GROUP BY type",
                (self._judged(),),
            )
            for kind, n in unjudged:
                counts[IndicatorType(kind)] -= n
        return {kind: n for kind in IndicatorType if (n := counts.get(kind, 0))}


def _highest(grades: Iterable[int]) -> int:
    return min((grade for grade in grades if grade), default=0)


def _is_host(key: Key) -> bool:
    return key.type is IndicatorType.HOSTNAME
