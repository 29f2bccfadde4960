"""What a format is: a parser that is fed one line after the other and says what each one holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from vedette.model import IndicatorType, Skipped

Value = tuple[IndicatorType, str, str]
"""Type, text as found, and what the list says about it (a reason, a family; or ``""``)."""


class Refused(NamedTuple):
    """A line, or a part of one, that holds something which cannot be used."""

    text: str
    reason: str


Row = Value | Refused | Skipped


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The settings of a list that a format may ask for."""

    type: IndicatorType
    """What the values are, where the format itself does not say."""
    column: str = ""
    """CSV: a name, or a number from 1."""
    delimiter: str = ""
    """CSV: one character; empty means find out."""


class Parser(Protocol):
    """Reads one list; a parser may remember what earlier lines said."""

    def feed(self, line: str) -> Iterable[Row]:
        """Return what a line holds; nothing for comments and empty lines."""
        ...


class FormatError(Exception):
    """A list cannot be read in this format at all; the text says why, ``hint`` what to do."""

    def __init__(self, message: str, hint: str) -> None:
        """Say what is wrong, and what to do."""
        super().__init__(message)
        self.hint = hint


def is_content(line: str) -> bool:
    """Whether a line is neither empty nor a comment in any of the formats."""
    text = line.strip()
    return bool(text) and not text.startswith(("#", ";", "!", "//"))


def share(lines: Iterable[str], matches: Callable[[str], object]) -> float:
    """Return which share of the content lines a pattern matches."""
    content = [line.strip() for line in lines if is_content(line)]
    if not content:
        return 0.0
    return sum(matches(line) is not None for line in content) / len(content)
