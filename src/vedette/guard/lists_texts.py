"""Members that are compared as text, in a table that is searched where it lies in the file.

Sorted by CRC-32, which the standard library computes faster than a dictionary is asked; two texts
with one CRC are told apart by the texts themselves, so nothing is found that is not there. A byte
for each slot of the CRC says beforehand whether looking is worth while.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from zlib import crc32

from vedette.errors import UnusableValueError
from vedette.guard.lists_model import ListKind
from vedette.guard.lists_parts import HAS_NUMPY
from vedette.normalize import canonical_name

Sections = Mapping[str, memoryview]
_END = b"\n"
_THERE = 1
_ABOVE = 2
"""Slot of a member that names below it match too."""
_SLOTS_OF_ENTRY = 8
_SLOT_BITS = (10, 24)
_LOW = 0xFFFFFFFF


Found = tuple[int, int, int]
"""Position of a value among those asked for, row of the member, and how many characters of the
value stand before it (0: the value itself)."""


class Sets:
    """Combinations of lists, each kept once."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[int, ...], int] = {}

    def number(self, lists: Iterable[int]) -> int:
        """The number of a combination."""
        found = tuple(lists)
        if len(found) > 1:
            found = tuple(sorted(set(found)))
        return self._numbers.setdefault(found, len(self._numbers))

    def all(self) -> list[tuple[int, ...]]:
        """The combinations in the order of their numbers."""
        return list(self._numbers)


class TextRows:
    """Gathers members, list by list."""

    def __init__(self) -> None:
        self._rows = array("Q")
        self._blob = bytearray()
        self._starts: list[int] = []
        self._lists: list[int] = []
        self._above: set[int] = set()
        self._has_labels = False  # whether a top-level domain is on a list of names

    def add(self, number: int, kind: ListKind, members: Iterable[str]) -> int:
        """Take a list's members; returns how many are unusable."""
        self._starts.append(len(self._blob))
        self._lists.append(number)
        if kind is ListKind.HOSTNAME:
            self._above.add(number)
        unusable = 0
        for member in members:
            text = _spelled(member)
            if not text or _END in text:
                unusable += 1
                continue
            if kind is ListKind.HOSTNAME and b"." not in text:
                self._has_labels = True
            self._rows.append(crc32(text) << 32 | len(self._blob))
            self._blob += text
            self._blob += _END
        return unusable

    def freeze(self, sets: Sets) -> dict[str, bytes]:
        """The sections of the table."""
        crcs, places, numbers = array("I"), array("I"), array("I")
        above = bytearray()
        for crc, place, lists in self._members():
            crcs.append(crc)
            places.append(place)
            numbers.append(sets.number(lists))
            above.append(_THERE | (0 if self._above.isdisjoint(lists) else _ABOVE))
        return {
            "text.slots": _slots(crcs, above),
            "text.crcs": crcs.tobytes(),
            "text.places": places.tobytes(),
            "text.sets": numbers.tobytes(),
            "text.blob": bytes(self._blob),
            "text.labels": bytes([self._has_labels]),
        }

    def _members(self) -> Iterator[tuple[int, int, list[int]]]:
        """Each distinct text, sorted by CRC: its CRC, where it is, and the lists that have it."""
        rows, self._rows = _sorted(self._rows), array("Q")
        first, end = 0, len(rows)
        while first < end:
            crc = rows[first] >> 32
            last = first + 1
            while last < end and rows[last] >> 32 == crc:
                last += 1
            if last == first + 1:
                place = rows[first] & _LOW
                yield crc, place, [self._list_at(place)]
            else:
                for place, lists in self._distinct(rows[n] & _LOW for n in range(first, last)):
                    yield crc, place, lists
            first = last

    def _distinct(self, places: Iterable[int]) -> Iterator[tuple[int, list[int]]]:
        """Texts with one CRC: where each is, and on which lists."""
        texts: dict[bytes, tuple[int, list[int]]] = {}
        for place in places:
            text = bytes(self._blob[place : self._blob.index(_END, place)])
            texts.setdefault(text, (place, []))[1].append(self._list_at(place))
        return iter(texts.values())

    def _list_at(self, place: int) -> int:
        return self._lists[bisect_right(self._starts, place) - 1]


def _sorted(rows: array[int]) -> Sequence[int]:
    if not HAS_NUMPY:
        return sorted(rows)
    import numpy as np  # noqa: PLC0415 - every command would pay

    np.frombuffer(rows, dtype=np.uint64).sort()  # in place: a list of them takes 40 bytes each
    return rows


class Texts:
    """The table, for questions."""

    def __init__(self, sections: Sections) -> None:
        slots = bytes(sections["text.slots"])  # three times faster than the view, 16 MB at most
        self._slots = slots
        self._shift = 32 - (len(slots).bit_length() - 1)
        self._crcs = sections["text.crcs"].cast("I")
        self._places = sections["text.places"].cast("I")
        self._sets = sections["text.sets"].cast("I")
        self._blob = sections["text.blob"]
        self._has_labels = bool(sections["text.labels"][0])

    def set_of(self, row: int) -> int:
        """The number of the combination of lists that have a member."""
        return self._sets[row]

    def member(self, row: int) -> str:
        """A member as it is compared."""
        place = self._places[row]
        end = place + 1
        while self._blob[end] != _END[0]:
            end += 1
        return str(self._blob[place:end], "utf-8", "replace")

    def whole(self, values: Sequence[str]) -> list[Found]:
        """Members that are one of the values."""
        slots, shift = self._slots, self._shift
        found = []
        for position, value in enumerate(values):
            text = value.encode("utf-8", "surrogatepass")
            crc = crc32(text)
            if slots[crc >> shift] and (row := self._row(crc, text)) >= 0:
                found.append((position, row, 0))
        return found

    def names(self, values: Sequence[str]) -> list[Found]:
        """Members that are one of the names, or a name above one; the nearest first.

        Of a name above, only members of lists that match names below, and whatever has the name
        without its ``www.``.
        """
        slots, shift, row_of = self._slots, self._shift, self._row
        labels = self._has_labels
        found = []
        for position, value in enumerate(values):
            text = value.encode()
            crc = crc32(text)
            if slots[crc >> shift] and (row := row_of(crc, text)) >= 0:
                found.append((position, row, 0))
            cut = text.find(b".") + 1
            wanted = _THERE if text.startswith(b"www.") else _ABOVE
            while cut:
                further = text.find(b".", cut) + 1
                if not (further or labels):
                    break
                above = text[cut:]
                crc = crc32(above)
                if slots[crc >> shift] & wanted and (row := row_of(crc, above)) >= 0:
                    found.append((position, row, cut))
                wanted = _ABOVE
                cut = further
        return found

    def _row(self, crc: int, text: bytes) -> int:
        crcs = self._crcs
        row = bisect_left(crcs, crc)
        size = len(text)
        while row < len(crcs) and crcs[row] == crc:
            place = self._places[row]
            if self._blob[place : place + size + 1] == text + _END:
                return row
            row += 1
        return -1


def _spelled(member: str) -> bytes:
    """A member as values are spelt: lower case, no dots around, punycode."""
    text = member.strip().strip(".").lower()
    if text.isascii():
        return text.encode()
    try:
        return canonical_name(text).encode()
    except UnusableValueError:
        return text.encode("utf-8", "surrogatepass")


def _slots(crcs: Sequence[int], flags: bytes | bytearray) -> bytes:
    low, high = _SLOT_BITS
    bits = min(max((len(crcs) * _SLOTS_OF_ENTRY).bit_length(), low), high)
    slots = bytearray(1 << bits)
    shift = 32 - bits
    for crc, flag in zip(crcs, flags, strict=True):
        slots[crc >> shift] |= flag
    return bytes(slots)
