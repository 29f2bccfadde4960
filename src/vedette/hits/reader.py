"""From lines of EVE to hits: which indicator, seen where, by whom, with what its sources say.

A batch of lines becomes hits that are already grouped and counted. Reading the same batch twice
counts twice, so the pipeline stores hits, ``held`` and bookmark in one transaction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from vedette.buffers import Profile
from vedette.eve.extract import Event, decode, lines_with, values_at
from vedette.hits.candidates import Observed, from_entry, observed
from vedette.hits.fold import Findings, Fold, Meant, moment
from vedette.hits.places import Place, is_canary, is_ours, place_of, unseen_by
from vedette.hits.waiting import Ours, Settled, Waiting
from vedette.model import Context, Entry, Key
from vedette.ruleset.collect import COLLECT_SIDS
from vedette.ruleset.context import CONTEXT_KEY

Lookup = Callable[[Iterable[Key]], Mapping[Key, list[Entry]]]
"""What the sources say about keys; those that nobody lists are absent."""

Withheld = Callable[[Sequence[Key]], Mapping[Key, str]]
"""``hold``, ``drop`` or ``exact`` of keys that the guard does not simply let through."""

_EXACT = "exact"
_CANARIES = ("vedette-canary-", "vedette-generation-")
_QUERIES = ("dns.queries[].rrname", "dns.query[].rrname")
_FIRST_KEYS = 8
"""So many keys of a value are looked up at once; the networks around an address only if needed."""


class HitReader:
    """Finds the hits in the EVE lines of one sensor."""

    def __init__(
        self,
        sensor: str,
        sid_base: int,
        lookup: Lookup,
        *,
        withheld: Withheld = lambda _: {},
        profile: Profile | None = None,
        held: Iterable[str] = (),
    ) -> None:
        """Go on where the last reader stopped.

        Args:
            sensor: The name that hits carry.
            sid_base: Of the bundle that the sensor holds.
            lookup: Called a few times for each batch, with many keys. It knows also what is
                withheld: a sensor alerts on that until it holds the next generation.
            withheld: Called once for each batch. What it names is no hit where no rule alerted,
                and only the last choice where one did.
            profile: Of the engine; what it cannot compare in mail is then compared here.
            held: From the bookmark.
        """
        self.sensor = sensor
        self._sid_base = sid_base
        self._lookup = lookup
        self._withheld = withheld
        self._unseen = unseen_by(profile) if profile else ()
        alerts = (self._alert(line.encode(), Counter()) for line in held)
        self._waiting = Waiting(alert for alert in alerts if alert)

    def read(self, data: bytes) -> Findings:
        """Return what a block of whole lines says."""
        fold = Fold(self.sensor)
        settled: list[Settled] = []
        lacking: list[Ours] = []
        for line in lines_with(data, b'"alert"'):
            if (ours := self._alert(line, fold.counts, fold.canaries)) is None:
                continue
            items = observed(ours.event, ours.place) or _from_context(ours)
            if items or not ours.place.buffer.eve:
                settled.append(Settled(ours, items))
            else:
                lacking.append(ours)
        settled += self._waiting.settle(data, lacking)
        self._join(settled, list(self._mails(data)), fold)
        return fold.findings(self._waiting.lines)

    def finish(self) -> Findings:
        """Return what still waited, when nothing more will be read."""
        fold = Fold(self.sensor)
        self._join(list(self._waiting.give_up()), [], fold)
        return fold.findings(())

    def _alert(
        self, line: bytes, counts: Counter[str], canaries: dict[str, datetime] | None = None
    ) -> Ours | None:
        """Return an alert of one of our rules."""
        event = decode(line, counts)
        if event is None or event.event_type != "alert" or event.alert is None:
            return None
        offset = event.alert.signature_id - self._sid_base
        if event.alert.gid != 1 or not is_ours(offset):
            counts["foreign"] += 1
            return None
        if is_canary(offset):
            counts["canary"] += 1
            if canaries is not None:
                _see_canaries(event, canaries)
            return None
        if offset in COLLECT_SIDS:
            counts["collected"] += 1  # a new value, not an indicator: the pool's
            return None
        if (place := place_of(offset)) is None:
            counts["unknown_sid"] += 1
            return None
        return Ours(line, event, place)

    def _mails(self, data: bytes) -> Iterator[Settled]:
        """Yield the values in mail that the engine could not compare."""
        for line in lines_with(data, b'"smtp"') if self._unseen else ():
            event = decode(line, Counter())
            if event is not None and event.event_type == "smtp":
                for place in self._unseen:
                    yield Settled(Ours(line, event, place), observed(event, place))

    def _join(self, alerts: list[Settled], mails: list[Settled], fold: Fold) -> None:
        listed = self._listed([item for one in (*alerts, *mails) for item in one.items])
        withheld = self._withheld(list(listed))
        for (_, event, place), items in mails:
            if meant := _meant(items, listed, withheld, alerted=False):
                fold.counts["mail"] += 1
                fold.add(event, place, meant, "eve")
        for ours, items in alerts:
            fold.count_alert(ours.event)
            if meant := _meant(items, listed, withheld, alerted=True):
                fold.counts["hit"] += 1
            else:
                meant = _unidentified(ours, items, fold)
            fold.add(ours.event, ours.place, meant, "live")

    def _listed(self, items: list[Observed]) -> Mapping[Key, list[Entry]]:
        """Look all values up, the likely keys first."""
        found = dict(self._lookup({key for item in items for key in item.keys[:_FIRST_KEYS]}))
        rest = {
            key
            for item in items
            if len(item.keys) > _FIRST_KEYS and not any(key in found for key in item.keys)
            for key in item.keys[_FIRST_KEYS:]
        }
        return {**found, **self._lookup(rest)} if rest else found


def _meant(
    items: list[Observed],
    listed: Mapping[Key, list[Entry]],
    withheld: Mapping[Key, str],
    *,
    alerted: bool,
) -> list[Meant]:
    """Return the listed values, each with what is said about it under any type.

    An exact domain keeps its own key, though the engine holds it as a hostname.
    """
    found: list[Meant] = []
    for item in items:
        keys = [key for key in item.keys if key in listed]
        passing = (key for key in keys if _passes(key, item.text, withheld))
        if key := next(passing, keys[0] if keys and alerted else None):
            same = [k for k in keys if k.value == key.value]
            found.append(Meant(key, item.text, [e for k in same for e in listed[k]]))
    return found


def _passes(key: Key, text: str, withheld: Mapping[Key, str]) -> bool:
    outcome = withheld.get(key)
    return outcome is None or (outcome == _EXACT and key.value == text)


def _unidentified(ours: Ours, items: list[Observed], fold: Fold) -> list[Meant]:
    """Say what an alert is whose value nobody lists (any more), or that EVE does not tell."""
    event, place = ours.event, ours.place
    if place.confirm and items:
        fold.counts["unconfirmed"] += 1
        return []
    if any(item.text.lstrip(".").startswith(_CANARIES) for item in items):
        fold.counts["canary"] += 1
        _see_canaries(event, fold.canaries, items)
        return []
    if context := _contexts(ours):
        fold.counts["hit"] += 1
        return [_from_engine(place, item) for item in context]
    reason = "unlisted" if items else "unresolved"
    fold.counts[reason] += 1
    text = items[0].text if items else _evidence(event)
    return [Meant(Key(place.row.type, ""), text, [])]


def _contexts(ours: Ours) -> list[dict[str, object]]:
    """Return what a JSON dataset had beside the entry; several, if several entries matched."""
    found = ours.event.alert.context.get(CONTEXT_KEY) if ours.event.alert else None
    items = found if isinstance(found, list) else [found]
    return [item for item in items if isinstance(item, dict) and isinstance(item.get("v"), str)]


def _from_context(ours: Ours) -> list[Observed]:
    return [from_entry(ours.place, str(item["v"])) for item in _contexts(ours)]


def _from_engine(place: Place, context: dict[str, object]) -> Meant:
    """Make an indicator of what the alert itself says about it."""
    item = from_entry(place, str(context["v"]))
    tags = context.get("tags")
    about = Context(
        key=str(context.get("event", "")),
        info=str(context.get("info", "")),
        tags=tuple(map(str, tags)) if isinstance(tags, list) else (),
        tlp=str(context.get("tlp", "")),
    )
    entry = Entry(
        source=str(context.get("source", "")),
        key=item.keys[0],
        ref="",
        context=about,
        comment="",
        tags=(),
    )
    return Meant(item.keys[0], item.text, [entry])


def _see_canaries(
    event: Event, canaries: dict[str, datetime], items: Iterable[Observed] = ()
) -> None:
    names = [item.text for item in items] or [
        name for path in _QUERIES for name in values_at(event, path)
    ]
    for name in names:
        canaries[name] = max(moment(event), canaries.get(name, moment(event)))


def _evidence(event: Event) -> str:
    """Return what helps a person where the value is not told: of TLS, name and certificate."""
    texts = (next(values_at(event, path), "") for path in ("tls.sni", "tls.subject"))
    return " ".join(filter(None, texts))
