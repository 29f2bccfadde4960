"""EVE in a Redis list (Suricata's ``mode: list``), each entry taken exactly once.

The whole list is renamed in one step to a name of ours; what is in it then waits there until it is
spooled. Renamed lists are numbered and our place names the number and how much is left, so that
after a crash each of them is found, and what was spooled of it is not read again.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from types import TracebackType
from typing import ClassVar, Self

import msgspec
from msgspec import Struct

from vedette.eve.inputs import Idle, Lines
from vedette.eve.redis_asking import Asking, EndedError
from vedette.eve.redis_place import RedisPlace
from vedette.eve.segment import MAX_LINE

_ENTRIES_FIRST, _ENTRIES_MAX = 64, 4096
_BATCH_BYTES = 1 << 20


class Place(Struct, frozen=True):
    """Where reading stands."""

    consumer: str
    """In the names of our lists: two Vedettes at one key share what comes."""
    list: int = 0
    """Number of the renamed list."""
    left: int = 0
    """Entries of it that are still to be read: the newest ones, which stand first."""


def first_position() -> str:
    """Where a reader begins that has never read."""
    return msgspec.json.encode(Place(secrets.token_hex(8))).decode()


class RedisList:
    """A list that engines push to, at whichever end."""

    kind: ClassVar[str] = "redis"

    def __init__(self, place: RedisPlace, position: str, idle: Idle, poll_s: float) -> None:
        """Take where to read from, and how often to look while there is nothing."""
        self._ask = Asking(place, idle)
        self._key = place.key
        self._at = msgspec.json.decode(position, type=Place)
        self._idle = idle
        self._poll_s = poll_s
        self._finished: list[str] = []
        """Lists that were read to their end and are not acknowledged."""
        self._entries = _ENTRIES_FIRST

    def __enter__(self) -> Self:
        """Connect, and remove what was spooled before a crash came between.

        Raises:
            PoolError: The server cannot be reached.
            UsageError: It does not let us in, or the key is no list.
        """
        self._ask.open("list")
        try:
            number = self._at.list - 1
            while number > 0 and self._ask("DEL", self._name(number)):
                number -= 1
            self._trim(self._at)
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
        """Yield entries, the oldest of each list first if the engine pushes from the left."""
        try:
            while True:
                if self._at.left or self._take():
                    yield self._read()
                elif self._idle():
                    time.sleep(self._poll_s)
                else:
                    return
        except EndedError:
            return

    def ack(self, position: str) -> None:
        """Remove what is durable."""
        try:
            for name in self._finished:
                self._ask("DEL", name)
            self._finished.clear()
            self._trim(msgspec.json.decode(position, type=Place))
        except EndedError:
            pass  # the next start does it

    def _name(self, number: int) -> str:
        # The braces keep it on the same node of a Redis cluster.
        return f"{{{self._key}}}:vedette:{self._at.consumer}:{number}"

    def _take(self) -> bool:
        """Make everything that is there ours; False if nothing is."""
        number = self._at.list + 1
        name = self._name(number)
        if not self._ask("EXISTS", name):
            found = self._ask("TYPE", self._key)
            if found == b"none":
                return False
            self._ask.check(found, "list")
            self._ask("RENAMENX", self._key, name)
        left = self._ask("LLEN", name)
        if not left:
            return False
        if self._at.list:
            self._finished.append(self._name(self._at.list))
        self._at = Place(self._at.consumer, number, left)
        return True

    def _read(self) -> Lines:
        left = max(0, self._at.left - self._entries)
        entries = self._ask("LRANGE", self._name(self._at.list), left, self._at.left - 1)
        lost = self._at.left - left - len(entries)
        skipped = {"gap": 1} if lost else {}
        entries.reverse()
        lines = [entry for entry in entries if len(entry) <= MAX_LINE]
        if len(lines) < len(entries):
            skipped["oversized"] = len(entries) - len(lines)
        data = joined(lines)
        self._entries = adapted(self._entries, len(data), len(entries))
        self._at = Place(self._at.consumer, self._at.list, left)
        position = msgspec.json.encode(self._at).decode()
        return Lines(data=data, position=position, skipped=skipped)

    def _trim(self, place: Place) -> None:
        if not place.list:
            return
        name = self._name(place.list)
        if place.left:
            self._ask("LTRIM", name, 0, place.left - 1)
        else:
            self._ask("DEL", name)


def joined(entries: list[bytes]) -> bytes:
    """Return entries as lines; a line feed in one could only stand between tokens."""
    return b"".join([entry.replace(b"\n", b" ") + b"\n" for entry in entries])


def adapted(entries: int, size: int, got: int) -> int:
    """Return how many entries to ask for next, so that they are about a mebibyte."""
    fitting = _BATCH_BYTES * max(got, 1) // max(size, 1)
    return max(1, min(fitting, entries * 2, _ENTRIES_MAX))
