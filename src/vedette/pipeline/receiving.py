"""Lines of EVE become hits in the inbox, whether they were read here or came from an agent.

Hard rule: the place behind the lines is stored in the transaction that stores their hits, and lines
that do not begin at the stored place are not taken. So each line counts once, whoever is killed.
"""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec
import structlog

from vedette.buffers import Profile
from vedette.errors import UsageError
from vedette.eve.extract import decode
from vedette.eve.segment import Bookmark
from vedette.hits import HitReader, Joined
from vedette.pipeline.hub import Hub
from vedette.ruleset.engine import Target

log = structlog.get_logger(__name__)

LINE_MAX = 1 << 20
"""Longer lines of an agent are skipped and counted."""
NEW_GROUPS = 100_000
"""Most groups of hits that the agent of one sensor may begin at once, and in a day: whoever took it
over can invent as many as it likes, and the disk is everybody's."""
_DAY_S = 86_400
_AHEAD = timedelta(days=1)
"""So far may a sensor's clock be ahead; what it met later than that, it met now."""
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
    most_new: int | None = None,
) -> Reading:
    """Read whole lines and keep their hits, with the place behind them.

    Args:
        hub: The open state directory.
        reader: Of this sensor; it stands where these lines begin.
        data: The lines.
        place: Behind them; what still waits is added here.
        skipped: Lines that are not among them, by reason.
        count_minutes: Whether alerts are counted by minute here. An agent counts them itself.
        most_new: Most groups of hits that may begin; None: no limit.

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
        _not_later(findings.hits, datetime.now(UTC)),
        msgspec.json.encode(msgspec.structs.replace(place, held=findings.held)),
        counters,
        most_new=most_new,
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


def _not_later(hits: Iterable[Joined], now: datetime) -> Iterator[Joined]:
    """Yield hits none of which is of the future: it would stay the newest until then."""
    limit = now + _AHEAD
    for joined in hits:
        hit = joined.hit
        if hit.last_seen <= limit:
            yield joined
            continue
        first, *between = (at if at <= limit else now for at in (hit.first_seen, *hit.between))
        hit = replace(hit, first_seen=first, last_seen=now, between=tuple(between))
        yield Joined(hit, joined.entries)


class _Room(NamedTuple):
    left: float
    at: float
    """By the monotonic clock."""


class Intake:
    """Takes what agents send. Of one thread, like its hub; one for each state directory."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self._readers: OrderedDict[str, tuple[str, HitReader]] = OrderedDict()
        """By sensor: the cursor at which it stands, and the reader with the last blocks."""
        self._rooms: OrderedDict[str, _Room] = OrderedDict()

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
        room = self._rooms[sensor] = self._room(sensor)
        reading = fold(
            self.hub,
            reader,
            data,
            after_them,
            skipped,
            count_minutes=False,
            most_new=int(room.left),
        )
        self._keep(sensor, after, reader)
        self._rooms[sensor] = room._replace(left=room.left - reading.new)
        if reading.new and reading.new == int(room.left):
            log.warning("hits.too_many_new", sensor=sensor, began=reading.new, most=NEW_GROUPS)
        return Receipt(after, taken=True, reading=reading)

    def _reader(self, sensor: str, place: Place) -> HitReader:
        """Return the reader that saw the lines before these, or one that begins here.

        It is not kept until the new lines are stored: after a failure it has seen too much.
        """
        cursor, reader = self._readers.pop(sensor, ("", None))
        if reader is None or cursor != place.cursor:
            return reader_of(self.hub, sensor, place)
        return reader

    def _room(self, sensor: str) -> _Room:
        """Return how many groups may begin now; it grows again by the day's number in a day."""
        now = time.monotonic()
        room = self._rooms.pop(sensor, _Room(NEW_GROUPS, now))
        while len(self._rooms) >= _READERS_MAX:
            self._rooms.popitem(last=False)
        grown = room.left + (now - room.at) * NEW_GROUPS / _DAY_S
        return _Room(min(grown, NEW_GROUPS), now)

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
