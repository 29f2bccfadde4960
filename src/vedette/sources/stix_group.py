"""One STIX indicator becomes one group of items; how versions of it, and of all, are told apart.

A pull keeps its own notes as the version of a group without items. They hold as long as the
versions of all other groups are those that were noted with them.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping

import msgspec
from msgspec import Raw, Struct

from vedette.model import Broken, Fetched, Indicator, Item, Rejected, Skipped, Unchanged
from vedette.stix.convert import REVISION, Defaults, context_of, convert, starts
from vedette.stix.surroundings import Surroundings
from vedette.stix.wire import ID_MAX, Head, IndicatorObject, WireError, read

NOTES = ""
"""Key of the group that holds a pull's notes."""

_SHOWN = 200


class Notes(Struct, frozen=True, omit_defaults=True):
    """What a pull notes for the next one; opaque to everybody else."""

    stamp: str = ""
    """Of the settings; others make everything be read again."""
    held: str = ""
    """Of the versions of all groups; ``""``: some group could not be read, look again."""
    due: int = 0
    """When the first object becomes valid that is not yet, epoch seconds; 0: there is none."""
    file: str = ""
    etag: str = ""
    modified: str = ""
    sha256: str = ""
    added_after: str = ""
    """TAXII: what the server added up to then has been read, in its own words."""
    day: str = ""
    """TAXII: the day of the last pass over everything."""

    def hold(self, known: Mapping[str, str], stamp: str, now: float) -> bool:
        """Whether they still say what we hold."""
        return (
            self.stamp == stamp
            and bool(self.held)
            and not 0 < self.due <= now
            and self.held == summed(known)
        )


def read_notes(text: str) -> Notes:
    """Return what :func:`write_notes` wrote; empty ones for anything else."""
    try:
        return msgspec.json.decode(text, type=Notes)
    except msgspec.MsgspecError:
        return Notes()


def write_notes(notes: Notes) -> str:
    """Return the version that the group of notes gets."""
    return msgspec.json.encode(notes).decode()


def stamp_of(*settings: object) -> str:
    """Return what changes when the same objects would become other items."""
    return _digest(msgspec.json.encode((REVISION, settings)))


def summed(known: Mapping[str, str]) -> str:
    """Return what changes when any group or version does, in whatever order they come."""
    total = 0
    for key, version in known.items():
        if key != NOTES:
            total += int(_digest(f"{key}\0{version}".encode()), 16)
    return f"{len(known)}:{total & 0xFFFFFFFFFFFFFFFF:016x}"


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=8).hexdigest()


class Groups:
    """Objects becoming groups, compared with what we hold of them; what was seen is kept."""

    def __init__(
        self,
        known: Mapping[str, str],
        defaults: Defaults,
        surroundings: Surroundings,
        *,
        stamp: str,
        now: float,
    ) -> None:
        self._known = known
        self._defaults = defaults
        self._surroundings = surroundings
        self._stamp = stamp
        self._now = now
        self._stray: list[Rejected] = []
        self._are_whole = True
        self.versions: dict[str, str] = {}
        """Of what was seen, by key."""
        self.due = 0
        self.counts: Counter[str] = Counter()

    def prefix(self, head: Head, raw: bytes | Raw) -> str:
        """Return what all versions of exactly these bytes begin with."""
        return f"{head.version[:40]}/{self._stamp}/{_digest(bytes(raw))}/"

    def group(self, head: Head, raw: bytes | Raw) -> Iterator[Item]:
        """Yield the group of one indicator."""
        if not _is_key(head.id):
            shown = bytes(raw)[:_SHOWN].decode(errors="replace")
            self._stray.append(Rejected(shown, "an object", "indicator without a usable id"))
            return
        try:
            indicator = read(raw, IndicatorObject)
            context = context_of(indicator, self._surroundings, self._defaults)
            start = starts(indicator, self._now)
            told = _digest(msgspec.json.encode((context, bool(start))))
            version = f"{self.prefix(head, raw)}{told}"
            held = self._known.get(head.id) == version
            items = [] if held else list(convert(indicator, context, now=self._now))
        except WireError as error:
            yield from self.broken(head.id, str(error))
            return
        if start:
            self.due = min(self.due or start, start)
        self.counts["unchanged" if held else "changed"] += 1
        self.versions[head.id] = version
        if held:
            yield Unchanged(head.id)
            return
        yield from _merged(items)
        yield Fetched(head.id, version)

    def broken(self, key: str, reason: str) -> Iterator[Item]:
        """Yield that something could not be read; what we hold under that key stays."""
        self.counts["broken"] += 1
        self._are_whole = False
        if key in self._known:
            self.versions[key] = self._known[key]
        yield Broken(key, reason)

    def kept(self, key: str) -> Iterator[Item]:
        """Yield that a group stays as it is, whatever became of its object."""
        self.versions[key] = self._known[key]
        yield Unchanged(key)

    def end(self, notes: Notes, skipped: Mapping[str, int]) -> Iterator[Item]:
        """Yield the group of notes, with what belongs to no indicator."""
        known = {**self.versions, NOTES: ""}
        held = summed(known) if self._are_whole else ""
        notes = msgspec.structs.replace(notes, stamp=self._stamp, held=held, due=self.due)
        version = write_notes(notes)
        if version == self._known.get(NOTES):
            yield Unchanged(NOTES)
            return
        for reason, count in sorted(skipped.items()):
            yield Skipped(reason, count)
        yield from self._stray
        yield Fetched(NOTES, version)


def head_of(raw: bytes | Raw) -> Head:
    """Return what tells an object apart; nothing of what is none."""
    try:
        return read(raw, Head)
    except WireError:
        return Head()


def unchanged(known: Mapping[str, str], version: str = "") -> Iterator[Item]:
    """Yield that everything is as we hold it, with other notes if they are given."""
    for key in known:
        if key != NOTES:
            yield Unchanged(key)
    yield Unchanged(NOTES, version)


def left_out(surroundings: Surroundings, observables: Mapping[str, int]) -> dict[str, int]:
    """Return what is no indicator, by reason."""
    found = {f"seen, not called bad: {kind}": n for kind, n in observables.items()}
    return found | {f"{kind} that cannot be read": n for kind, n in surroundings.unreadable.items()}


def _is_key(text: str) -> bool:
    return 0 < len(text) <= ID_MAX and text.isprintable()


def _merged(items: list[Indicator | Rejected | Skipped]) -> Iterator[Item]:
    """Yield each value once; what is skipped is counted by reason."""
    seen: set[object] = set()
    skipped: Counter[str] = Counter()
    for item in items:
        if isinstance(item, Skipped):
            skipped[item.reason] += item.count
        elif not isinstance(item, Indicator):
            yield item
        elif item.key not in seen:
            seen.add(item.key)
            yield item
    for reason, count in sorted(skipped.items()):
        yield Skipped(reason, count)
