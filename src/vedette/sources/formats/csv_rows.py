"""Rows of comma separated values, whatever the comma is.

Quoted fields may go over a few lines; a quote that is never closed costs its line, not the rest.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence

_JOINED_MAX = 20
_CANDIDATES = ("\t", ",", ";")
_MOST = 0.8


class Rows:
    """Splits lines into cells, joining those that a quoted field holds together."""

    def __init__(self, delimiter: str) -> None:
        """Split at this character."""
        self._delimiter = delimiter
        self._pending: list[str] = []

    def split(self, line: str) -> Iterator[list[str]]:
        """Yield the rows that a line completes: usually one, none inside a quoted field."""
        if not self._pending and '"' not in line:
            yield [cell.strip() for cell in line.split(self._delimiter)]
            return
        self._pending.append(line)
        if sum(part.count('"') for part in self._pending) % 2 == 0:
            yield self._cells("\n".join(self._pending))
            self._pending = []
        elif len(self._pending) >= _JOINED_MAX:
            first, *others = self._pending
            self._pending = []
            yield self._cells(first + '"')
            for other in others:
                yield from self.split(other)

    def _cells(self, text: str) -> list[str]:
        lines = text.splitlines(keepends=True)
        return [
            cell.strip() for row in csv.reader(lines, delimiter=self._delimiter) for cell in row
        ]


def find_delimiter(content: Sequence[str]) -> str:
    """Return the character that nearly every line has, or ``""``."""
    for candidate in _CANDIDATES:
        holding = sum(candidate in line.strip() for line in content)
        if content and holding >= len(content) * _MOST:
            return candidate
    return ""
