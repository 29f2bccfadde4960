"""What people decided about indicators: who, why, until when, and who ended it.

Hard rule: a ruling is never deleted or rewritten, so that who decided what stays known.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from vedette.errors import UsageError
from vedette.model import IndicatorType, Key, Ruling, RulingKind
from vedette.normalize import unreverse_key
from vedette.store.keys import from_skey, to_skey
from vedette.store.ruled import Ruled, host_of, is_name, network_of

_COLUMNS = "id, kind, type, value, below, who, why, at, until"
_FORCE = "ended_at=0 AND (until=0 OR until>?)"
_NAMES = (IndicatorType.DOMAIN, IndicatorType.HOSTNAME)
_AT_HOSTS = (IndicatorType.URL, IndicatorType.EMAIL_SRC, IndicatorType.EMAIL_DST)
_OPPOSITE = {
    RulingKind.ALLOW: RulingKind.DENY,
    RulingKind.DENY: RulingKind.ALLOW,
    RulingKind.RELEASE: RulingKind.HOLD,
    RulingKind.HOLD: RulingKind.RELEASE,
}
_REPLACED = "replaced by a newer ruling"


class PastRuling(msgspec.Struct, frozen=True, kw_only=True):
    """A ruling with what became of it."""

    ruling: Ruling
    ended_at: int = 0
    """When a person ended it, epoch seconds; 0: nobody did."""
    ended_by: str = ""
    ended_why: str = ""

    def is_in_force(self, now: int) -> bool:
        """Whether it counts at a time."""
        return not self.ended_at and (not self.ruling.until or self.ruling.until > now)


class Rulings:
    """The table ``ruling``. All times are epoch seconds; ``now`` 0 is the present."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    # -- make and end -----------------------------------------------------------------------

    def add(
        self,
        kind: RulingKind,
        value: str,
        *,
        type: str = "",  # noqa: A002 - the column
        below: bool = False,
        who: str,
        why: str,
        until: int = 0,
        now: int = 0,
    ) -> Ruling:
        """Make a ruling; one of the same meaning, and a release of a hold, replaces the other.

        Args:
            kind: What is decided.
            value: A canonical value.
            type: Of which indicator type; ``""``: a name, address or network of any.
            below: Whether names below it, addresses within it, URLs at it are meant too.
            who: A person.
            why: In the person's words.
            until: When it ends by itself; 0: never.
            now: When it begins.

        Raises:
            UsageError: It says no reason, ends before it begins, or contradicts another one.
        """
        keys = [Key(IndicatorType(type), value)] if type else []
        words = [] if type else [value]
        made = self.add_all(
            kind, keys, words=words, who=who, why=why, until=until, now=now, below=below
        )
        return made[0]

    def add_all(
        self,
        kind: RulingKind,
        keys: Iterable[Key],
        *,
        who: str,
        why: str,
        until: int = 0,
        now: int = 0,
        below: bool = False,
        words: Iterable[str] = (),
    ) -> list[Ruling]:
        """Make one ruling for each indicator, and each of ``words``, in one transaction.

        Args:
            kind: As of :meth:`add`, like what follows.
            keys: Indicators, each of its type.
            who: A person.
            why: In the person's words.
            until: When they end by themselves; 0: never.
            now: When they begin.
            below: Whether what is below or within is meant too.
            words: Values of any type.

        Raises:
            UsageError: As of :meth:`add`; nothing is ruled then.
        """
        now = now or int(time.time())
        _check(who, why, until, now)
        meant = [(key.type.value, key.value) for key in keys]
        meant += [("", value) for value in words]
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            return [
                self._add(
                    Ruling(
                        id=0,
                        kind=kind,
                        type=type_,
                        value=value,
                        below=below and has_below(type_, value),
                        who=who.strip(),
                        why=why.strip(),
                        at=now,
                        until=until,
                    )
                )
                for type_, value in dict.fromkeys(meant)
            ]

    def _add(self, new: Ruling) -> Ruling:
        opposite = _OPPOSITE[new.kind]
        for past in self._on(new.value, new.at):
            if past.type != new.type:
                continue
            if past.kind is opposite and new.kind in (RulingKind.ALLOW, RulingKind.DENY):
                raise UsageError(
                    f"{new.value} is on the {opposite.value} list: {past.why} ({past.who})",
                    hint=f"End it first: vedette {opposite.value} remove {new.value} --why TEXT",
                )
            if past.kind in (new.kind, opposite):
                self._end(past.id, new.who, _REPLACED, new.at)
        cursor = self._db.execute(
            "INSERT INTO ruling(kind, type, value, below, who, why, at, until, seq)"
            " VALUES(?,?,?,?,?,?,?,?,?)",
            (
                new.kind.value,
                new.type,
                new.value,
                new.below,
                new.who,
                new.why,
                new.at,
                new.until,
                self.mark() + 1,
            ),
        )
        return msgspec.structs.replace(new, id=cursor.lastrowid)

    def end(self, ids: Iterable[int], *, who: str, why: str, now: int = 0) -> list[Ruling]:
        """End rulings; those that are not in force are left as they are.

        Returns:
            Those that ended.

        Raises:
            UsageError: No reason is given.
        """
        now = now or int(time.time())
        _check(who, why, 0, now)
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            in_force = {ruling.id: ruling for ruling in self.in_force(now)}
            ended = [in_force[one] for one in dict.fromkeys(ids) if one in in_force]
            for ruling in ended:
                self._end(ruling.id, who.strip(), why.strip(), now)
        return ended

    def _end(self, ruling: int, who: str, why: str, now: int) -> None:
        self._db.execute(
            "UPDATE ruling SET ended_at=?, ended_by=?, ended_why=?, seq=? WHERE id=?",
            (now, who, why, self.mark() + 1, ruling),
        )

    # -- ask ----------------------------------------------------------------------------------

    def in_force(self, now: int = 0, *, kinds: Iterable[RulingKind] = RulingKind) -> list[Ruling]:
        """What counts at a time, the oldest first."""
        wanted = {kind.value for kind in kinds}
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM ruling WHERE {_FORCE} ORDER BY id",  # noqa: S608
            (now or int(time.time()),),
        )
        return [_ruling(row) for row in rows if row[1] in wanted]

    def _on(self, value: str, now: int) -> list[Ruling]:
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM ruling WHERE value=? AND {_FORCE}",  # noqa: S608
            (value, now),
        )
        return [_ruling(row) for row in rows]

    def history(self, *, kinds: Iterable[RulingKind] = RulingKind) -> list[PastRuling]:
        """All that was ever ruled, the newest first."""
        wanted = {kind.value for kind in kinds}
        rows = self._db.execute(
            f"SELECT {_COLUMNS}, ended_at, ended_by, ended_why FROM ruling ORDER BY id DESC"  # noqa: S608
        )
        return [_past(row) for row in rows if row[1] in wanted]

    def of_value(self, value: str) -> list[PastRuling]:
        """All that was ever ruled on exactly this value, the newest first."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS}, ended_at, ended_by, ended_why FROM ruling"  # noqa: S608
            " WHERE value=? ORDER BY id DESC",
            (value,),
        )
        return [_past(row) for row in rows]

    def matcher(self, now: int = 0) -> Ruled:
        """What counts at a time, ready to be asked about a million indicators."""
        return Ruled(self.in_force(now))

    def applying_to(self, keys: Iterable[Key], now: int = 0) -> Mapping[Key, tuple[Ruling, ...]]:
        """What counts for these indicators, the most specific first; others are absent."""
        matcher = self.matcher(now)
        return {key: found for key in keys if (found := matcher.of(key))}

    # -- what changed ---------------------------------------------------------------------------

    def mark(self) -> int:
        """A number that rises whenever a ruling is made or ended; 0: there was never any.

        A ruling that runs out does not move it: that is a date (:meth:`next_end`).
        """
        (seq,) = self._db.execute("SELECT coalesce(max(seq), 0) FROM ruling").fetchone()
        return int(seq)

    def changed_since(self, mark: int) -> list[Ruling]:
        """What was made or ended after a mark, whether or not it counts now."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM ruling WHERE seq>? ORDER BY id",  # noqa: S608
            (mark,),
        )
        return [_ruling(row) for row in rows]

    def ran_out(self, since: int, until: int) -> list[Ruling]:
        """What ended by its date in ``since < date <= until``."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM ruling WHERE ended_at=0 AND until>? AND until<=? ORDER BY id",  # noqa: S608
            (since, until),
        )
        return [_ruling(row) for row in rows]

    def next_end(self, now: int = 0) -> int:
        """When the next ruling runs out; 0: none does."""
        (until,) = self._db.execute(
            "SELECT coalesce(min(until), 0) FROM ruling WHERE ended_at=0 AND until>?",
            (now or int(time.time()),),
        ).fetchone()
        return int(until)

    def touched(self, rulings: Iterable[Ruling]) -> Iterator[Key]:
        """Yield the listed indicators that these rulings are about, each once.

        Values and names below are found by their place in the order of the entries; only what lies
        in a network, and URLs and mailboxes at a name, are looked for among all of their type.
        """
        some = list(rulings)
        ruled = Ruled(some)
        seen: set[Key] = set()
        for key in (*self._named(some), *self._scanned(some)):
            if key not in seen and ruled.of(key):
                seen.add(key)
                yield key

    def _named(self, rulings: list[Ruling]) -> Iterator[Key]:
        for ruling in rulings:
            for kind in [IndicatorType(ruling.type)] if ruling.type else IndicatorType:
                key = Key(kind, ruling.value)
                if self._is_listed(key):
                    yield key
            if ruling.below and network_of(ruling.value) is None:
                yield from self._below(ruling.value)

    def _is_listed(self, key: Key) -> bool:
        row = self._db.execute(
            "SELECT 1 FROM entry WHERE type=? AND skey=? LIMIT 1", (key.type.value, to_skey(*key))
        ).fetchone()
        return row is not None

    def _below(self, name: str) -> Iterator[Key]:
        low = to_skey(IndicatorType.DOMAIN, name) + "!"
        for kind in _NAMES:
            rows = self._db.execute(
                "SELECT DISTINCT skey FROM entry WHERE type=? AND skey>=? AND skey<?",
                (kind.value, low, low[:-1] + '"'),  # the character after '!'
            )
            for (skey,) in rows:
                yield Key(kind, unreverse_key(skey))

    def _scanned(self, rulings: list[Ruling]) -> Iterator[Key]:
        """Yield what may be in a network or at a name and stands anywhere in its type."""
        wide = [ruling for ruling in rulings if ruling.below]
        nets = [one for one in wide if network_of(one.value) is not None]
        for kind in IndicatorType:
            if kind.value.startswith("ip-"):
                meant = nets
            elif kind in _AT_HOSTS:
                meant = wide
            else:
                continue
            if any(one.type in ("", kind.value) for one in meant):
                rows = self._db.execute(
                    "SELECT DISTINCT skey FROM entry WHERE type=?", (kind.value,)
                )
                yield from (from_skey(kind, skey) for (skey,) in rows)


def has_below(type_: str, value: str) -> bool:
    """Whether something can be below, within or at a value: a name, an address or a network."""
    if type_:
        kind = IndicatorType(type_)
        return kind in _NAMES or (kind not in _AT_HOSTS and bool(host_of(Key(kind, value))))
    return network_of(value) is not None or is_name(value)


def _check(who: str, why: str, until: int, now: int) -> None:
    if not why.strip():
        raise UsageError(
            "a ruling needs a reason", hint="Say it with --why: others will ask, and so will you."
        )
    if not who.strip():
        raise UsageError("a ruling needs a person", hint="Say who with --by NAME.")
    if until and until <= now:
        raise UsageError("a ruling cannot end in the past", hint="Give --until a later date.")


def _ruling(row: tuple[object, ...]) -> Ruling:
    names = (name.strip() for name in _COLUMNS.split(","))
    return msgspec.convert(dict(zip(names, row, strict=False)), type=Ruling, strict=False)


def _past(row: tuple[object, ...]) -> PastRuling:
    ended_at, ended_by, ended_why = row[-3:]
    return PastRuling(
        ruling=_ruling(row[:-3]),
        ended_at=int(str(ended_at)),
        ended_by=str(ended_by),
        ended_why=str(ended_why),
    )
