"""EVE in a Redis stream (Suricata 8's ``mode: stream``), read as a consumer group.

Entries stay in the stream for others; ours are acknowledged when they are spooled. After a crash
the server gives those again that were not, and our place says which of them had been spooled.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import ClassVar, Self

import msgspec
from msgspec import Struct

from vedette.eve.inputs import Idle, Lines
from vedette.eve.redis_asking import Asking, EndedError
from vedette.eve.redis_list import adapted, joined
from vedette.eve.redis_place import RedisPlace
from vedette.eve.segment import MAX_LINE

_ENTRIES_FIRST = 64
_ACK_MAX = 1000
_FIELD = b"eve"
_NEW = ">"

Entry = tuple[bytes, Mapping[bytes, bytes] | None]
"""Its id, and its fields if the stream still has it."""


class Place(Struct, frozen=True):
    """Where reading stands."""

    consumer: str
    id: str = "0-0"
    """Of the last entry that was read."""


def first_position() -> str:
    """Where a reader begins that has never read."""
    return msgspec.json.encode(Place(f"vedette-{secrets.token_hex(8)}")).decode()


class RedisStream:
    """A stream that engines add to."""

    kind: ClassVar[str] = "redis"

    def __init__(self, place: RedisPlace, position: str, idle: Idle, poll_s: float) -> None:
        """Take where to read from, and how often to call ``idle`` while there is nothing."""
        self._ask = Asking(place, idle)
        self._place = place
        self._at = msgspec.json.decode(position, type=Place)
        self._idle = idle
        self._block_ms = max(1, int(poll_s * 1000))
        self._given: list[bytes] = []
        """Entries that are not acknowledged, in order."""
        self._entries = _ENTRIES_FIRST

    def __enter__(self) -> Self:
        """Connect, make the group if there is none, and acknowledge what was spooled.

        Raises:
            PoolError: The server cannot be reached.
            UsageError: It does not let us in, or the key is no stream.
        """
        self._ask.open("stream")
        try:
            self._ask("XGROUP", "CREATE", self._place.key, self._place.group, "0", "MKSTREAM")
            while self._settle():
                pass
        except EndedError:
            pass
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Hang up."""
        self._ask.close()

    def batches(self) -> Iterator[Lines]:
        """Yield what was given to us before a crash, then what is new."""
        try:
            self._ask.lost = True
            while True:
                while self._ask.lost:
                    # An answer that got lost had given us entries: they come before newer ones.
                    self._ask.lost = False
                    while entries := self._fetch(self._at.id):
                        yield self._lines(entries)
                if entries := self._fetch(_NEW):
                    yield self._lines(entries)
                elif not self._idle():
                    return
        except EndedError:
            return

    def ack(self, position: str) -> None:
        """Tell the group what is durable."""
        last = _order(msgspec.json.decode(position, type=Place).id.encode())
        try:
            while durable := [id_ for id_ in self._given[:_ACK_MAX] if _order(id_) <= last]:
                self._ask("XACK", self._place.key, self._place.group, *map(bytes.decode, durable))
                del self._given[: len(durable)]
        except EndedError:
            pass  # the next start does it

    def _settle(self) -> bool:
        """Acknowledge some of what was spooled; False when that is all done."""
        spooled = _order(self._at.id.encode())
        pending = [id_ for id_, _ in self._fetch("0-0") if _order(id_) <= spooled]
        if pending:
            self._ask("XACK", self._place.key, self._place.group, *map(bytes.decode, pending))
        return bool(pending)

    def _fetch(self, after: str) -> list[Entry]:
        """Return entries: ours that are not acknowledged behind an id, or new ones."""
        found = self._ask(
            "XREADGROUP",
            "GROUP",
            self._place.group,
            self._at.consumer,
            "COUNT",
            self._entries,
            *(("BLOCK", self._block_ms) if after == _NEW else ()),
            "STREAMS",
            self._place.key,
            after,
            again=after != _NEW,
        )
        return [(id_, fields) for _, entries in found or () for id_, fields in entries]

    def _lines(self, entries: list[Entry]) -> Lines:
        lines: list[bytes] = []
        skipped: dict[str, int] = {}
        for _, fields in entries:
            text = _text(fields)
            if text is None:
                skipped["gap"] = skipped.get("gap", 0) + 1
            elif len(text) > MAX_LINE:
                skipped["oversized"] = skipped.get("oversized", 0) + 1
            else:
                lines.append(text)
        self._given += [id_ for id_, _ in entries]
        self._at = Place(self._at.consumer, entries[-1][0].decode())
        data = joined(lines)
        self._entries = adapted(self._entries, len(data), len(entries))
        position = msgspec.json.encode(self._at).decode()
        return Lines(data=data, position=position, skipped=skipped)


def _text(fields: Mapping[bytes, bytes] | None) -> bytes | None:
    """Return the event of an entry; None if the stream was trimmed before we came to it."""
    if not fields:
        return None
    return fields.get(_FIELD, next(iter(fields.values())))


def _order(id_: bytes) -> tuple[int, int]:
    time_ms, _, number = id_.partition(b"-")
    return int(time_ms), int(number or b"0")
