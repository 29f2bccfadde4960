"""Tables, on the terminal and in README.md."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

README = Path(__file__).with_name("README.md")


class Table(NamedTuple):
    """What one comparison found."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    notes: Sequence[str] = ()

    def markdown(self) -> str:
        """The table with its title above and its notes below."""
        lines = [f"**{self.title}**", "", _row(self.columns), _row(["---"] * len(self.columns))]
        lines += [_row(row) for row in self.rows]
        lines += ["", *(f"- {note}" for note in self.notes)] if self.notes else []
        return "\n".join(lines) + "\n"


def _row(cells: Sequence[object]) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def write(name: str, text: str, path: Path = README) -> None:
    """Replace the section of a benchmark in README.md.

    Raises:
        ValueError: There is no such section.
    """
    document = path.read_text()
    section = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    if not section.search(document):
        raise ValueError(f"{path} has no section {name}")
    path.write_text(section.sub(lambda found: f"{found[1]}{text}{found[2]}", document))
