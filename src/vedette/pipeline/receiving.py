"""Lines of EVE become hits in the inbox, whether they were read here or came from an agent.

Hard rule: the place behind the lines is stored in the transaction that stores their hits, and lines
that do not begin at the stored place are not taken. So each line counts once, whoever is killed.
"""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec

from vedette.buffers import Profile
from vedette.errors import UsageError
from vedette.eve.extract import decode
from vedette.eve.segment import Bookmark
from vedette.hits import HitReader
from vedette.pipeline.hub import Hub
from vedette.ruleset.engine import Target

LINE_MAX = 1 << 20
"""Longer lines of an agent are skipped and counted."""
_READERS_MAX = 1_000


class Place(msgspec.Struct, frozen=True):
    """Where reading stopped, stored in the same transaction as the hits before it."""

    bookmark: Bookmark | None = None
    """In a file that the hub reads itself."""
    held: tuple[str, ...] = ()
    """Alerts that still wait for the event that carries their value."""
    cursor: str = ""
    """What the agent calls the place behind the last lines that were taken."""


class Reading(msgspec.Struct, kw_only=True):
    """What reading lines of EVE brought."""

    sensor: str
    batches: int = 0
    lines: int = 0
    hits: int = 0
    """Alerts and events that are hits, by count."""
    new: int = 0
    """Groups that nobody had seen before."""
    counters: dict[str, int] = {}
    canaries: dict[str, datetime] = {}

    def add(self, other: Reading) -> None:
        """Count another one to it."""
        self.batches += other.batches
        self.lines += other.lines
        self.hits += other.hits
        self.new += other.new
        for key, n in other.counters.items():
            self.counters[key] = self.counters.get(key, 0) + n
        self.canaries.update(other.canaries)


class Receipt(NamedTuple):
    """What became of lines that an agent sent."""

    cursor: str
    """The place up to which all is taken; the agent goes on from there."""
    taken: bool
    """Whether these lines are among that, from this request or from one before."""
    reading: Reading | None = None
    """What they brought; None: nothing, they were taken before or were not taken."""


def place_of(hub: Hub, sensor: str) -> Place:
    """Return where reading of a sensor's EVE stopped."""
    body = hub.store.fleet.bookmark(sensor)
    return msgspec.json.decode(body, type=Place) if body else Place()


def reader_of(hub: Hub, sensor: str, place: Place) -> HitReader:
    """Return a reader that goes on at a place."""
    return HitReader(
        sensor,
        hub.settings.bundle.sid_base,
        hub.store.entries.lookup,
        withheld=hub.store.published.outcomes,
        profile=_profile(hub, sensor),
        held=place.held,
    )


def _profile(hub: Hub, sensor: str) -> Profile | None:
    proof = hub.store.fleet.sensor(sensor).proof
    return Target.parse(proof["target"]).profile if proof else None


def fold(
    hub: Hub,
    reader: HitReader,
    data: bytes,
    place: Place,
    skipped: Mapping[str, int],
    *,
    count_minutes: bool,
) -> Reading:
    """Read whole lines and keep their hits, with the place behind them.

    Args:
        hub: The open state directory.
        reader: Of this sensor; it stands where these lines begin.
        data: The lines.
        place: Behind them; what still waits is added here.
        skipped: Lines that are not among them, by reason.
        count_minutes: Whether alerts are counted by minute here. An agent counts them itself.

    Raises:
        sqlite3.Error: Nothing was kept; the reader cannot be used any more.
    """
    sensor = reader.sensor
    # Contexts may have been changed by a pull of another thread or process.
    hub.store.entries.forget_contexts()
    findings = reader.read(data)
    counters = Counter(findings.counts)
    counters.update({f"skipped.{reason}": n for reason, n in skipped.items()})
    minutes = findings.minutes if count_minutes else {}
    new = hub.store.fleet.add_hits(
        sensor,
        findings.hits,
        msgspec.json.encode(msgspec.structs.replace(place, held=findings.held)),
        counters,
        then=lambda: hub.store.reports.add_alerts(sensor, minutes, int(time.time())),
    )
    return Reading(
        sensor=sensor,
        batches=1,
        lines=data.count(b"\n"),
        hits=sum(joined.hit.count for joined in findings.hits),
        new=new,
        counters=dict(counters),
        canaries=findings.canaries,
    )


class Intake:
    """Takes what agents send. Of one thread, like its hub; one for each state directory."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self._readers: OrderedDict[str, tuple[str, HitReader]] = OrderedDict()
        """By sensor: the cursor at which it stands, and the reader with the last blocks."""

    def take(self, sensor: str, lines: bytes, before: str, after: str) -> Receipt:
        """Take the lines between two places, unless they were taken already.

        Args:
            sensor: Whose they are; nothing in the lines can say otherwise.
            lines: Of EVE, as the agent chose them.
            before: The cursor that the agent was told last.
            after: Its name for the place behind the lines.

        Raises:
            UsageError: There is no such sensor, or the lines have no name for their end.
            sqlite3.Error: Nothing was kept.
        """
        if not after or after == before:
            raise UsageError(
                "these lines have no end that is told from their beginning",
                hint="Send X-Vedette-To: the place behind them, as you call it.",
            )
        place = place_of(self.hub, sensor)
        if place.cursor != before:
            return Receipt(place.cursor, taken=place.cursor == after)
        data, skipped = _usable(lines)
        reader = self._reader(sensor, place)
        after_them = msgspec.structs.replace(place, cursor=after)
        reading = fold(self.hub, reader, data, after_them, skipped, count_minutes=False)
        self._keep(sensor, after, reader)
        return Receipt(after, taken=True, reading=reading)

    def _reader(self, sensor: str, place: Place) -> HitReader:
        """Return the reader that saw the lines before these, or one that begins here.

        It is not kept until the new lines are stored: after a failure it has seen too much.
        """
        cursor, reader = self._readers.pop(sensor, ("", None))
        if reader is None or cursor != place.cursor:
            return reader_of(self.hub, sensor, place)
        return reader

    def _keep(self, sensor: str, cursor: str, reader: HitReader) -> None:
        self._readers[sensor] = cursor, reader
        while len(self._readers) > _READERS_MAX:
            self._readers.popitem(last=False)


def _usable(lines: bytes) -> tuple[bytes, Counter[str]]:
    """Return the lines that are events, and how many are not, by reason."""
    skipped: Counter[str] = Counter()
    kept: list[bytes] = []
    for line in lines.split(b"\n"):
        if not line.strip():
            continue
        if len(line) > LINE_MAX:
            skipped["oversized"] += 1
        elif decode(line, skipped) is not None:
            kept.append(line + b"\n")
    return b"".join(kept), skipped
