"""Members that stand anywhere in a value, and regular expressions. Few, and only few types."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from msgspec import Struct

from vedette.guard.lists_model import ListKind
from vedette.guard.lists_parts import Words

_PHP = re.compile(r"([^\w\s\\])(.*)\1([a-zA-Z]*)", re.DOTALL).fullmatch
_FLAGS = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL, "x": re.VERBOSE}
_IGNORED = frozenset("guU")


class Pattern(Struct, frozen=True, array_like=True):
    """A member of a list that is no plain text to compare with."""

    list: int
    text: str
    """Without the delimiters of a regular expression."""
    flags: int = -1
    """Of the regular expression; -1: a part of the value, as it is."""


class Seen(NamedTuple):
    """A pattern that was found in a value."""

    position: int
    """Of the value among those that were asked for."""
    list: int
    member: str
    itself: bool
    """Whether it is the whole value."""


def patterns_of(number: int, kind: ListKind, members: Iterable[str]) -> tuple[list[Pattern], int]:
    """The patterns of a list, and how many members are unusable."""
    patterns, unusable = [], 0
    for member in members:
        pattern = (
            Pattern(number, member.strip().lower())
            if kind is ListKind.SUBSTRING
            else _expression(number, member.strip())
        )
        if pattern is None or not pattern.text or "\n" in pattern.text:
            unusable += 1
        else:
            patterns.append(pattern)
    return patterns, unusable


def _expression(number: int, member: str) -> Pattern | None:
    """A regular expression as PHP writes it (``/text/i``), as far as it means the same to us."""
    match = _PHP(member)
    if match is None:
        return None
    flags = 0
    for letter in match[3]:
        if letter not in _FLAGS and letter not in _IGNORED:
            return None
        flags |= _FLAGS.get(letter, 0)
    try:
        re.compile(match[2], flags)
    except (re.error, OverflowError, RecursionError):
        return None
    return Pattern(number, match[2], flags)


class Patterns:
    """Patterns, for questions."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._parts = [pattern for pattern in patterns if pattern.flags < 0]
        self._expressions = [
            (pattern, re.compile(pattern.text, pattern.flags))
            for pattern in patterns
            if pattern.flags >= 0
        ]

    def find(self, values: Sequence[str], lists: frozenset[int]) -> Iterator[Seen]:
        """Patterns of some lists that are in the values."""
        parts = [pattern for pattern in self._parts if pattern.list in lists]
        for position, number in Words(pattern.text for pattern in parts).find(values):
            part = parts[number]
            yield Seen(position, part.list, part.text, values[position] == part.text)
        expressions = [pair for pair in self._expressions if pair[0].list in lists]
        for pattern, expression in expressions:
            for position, value in enumerate(values):
                if match := expression.search(value):
                    yield Seen(position, pattern.list, pattern.text, match[0] == value)
