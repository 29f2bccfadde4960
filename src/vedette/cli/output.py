"""What a command prints: tables and progress for people, one JSON document for programs.

People's progress goes to standard error and only to a terminal; a pipe sees results alone.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

import click
import msgspec
from rich.console import Console, JustifyMethod
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from structlog.typing import EventDict

from vedette.errors import VedetteError

R = TypeVar("R")

_WIDE = 200
_NARROW = 80


class Output:
    """Where one command writes."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._terminal = sys.stdout.isatty()
        self._console = Console(
            file=sys.stdout, soft_wrap=not self._terminal, width=None if self._terminal else _WIDE
        )
        self._errors = Console(stderr=True)

    @property
    def width(self) -> int:
        """Columns that a line has room for; many where it is no terminal."""
        return self._console.width

    def result(self, document: Any) -> None:
        """Print the JSON document; nothing for people."""
        if self.as_json:
            text = msgspec.json.format(msgspec.json.encode(document, enc_hook=str), indent=2)
            click.echo(text.decode())

    def say(self, text: str, *, style: str = "") -> None:
        """Print one line for people; nothing with ``--json``."""
        if not self.as_json:
            self._console.print(escape(printable(text)), style=style, highlight=False)

    def good(self, text: str) -> None:
        """Print a line that reports success."""
        self._mark("ok", "green", text)

    def bad(self, text: str) -> None:
        """Print a line that reports failure."""
        self._mark("FAIL", "red bold", text)

    def warn(self, text: str) -> None:
        """Print a line that a person should look at."""
        self._mark("!", "yellow", text)

    def _mark(self, mark: str, style: str, text: str) -> None:
        if not self.as_json:
            self._console.print(f"[{style}]{mark:>4}[/] {escape(printable(text))}", highlight=False)

    def table(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[object]],
        *,
        last_gives_way: bool = False,
    ) -> None:
        """Print rows for people; columns whose values are all numbers are right-aligned.

        Args:
            columns: Their names.
            rows: Their values.
            last_gives_way: Whether only the last column is folded where the terminal is narrow.
        """
        if self.as_json:
            return
        whole = len(columns) - 1 if last_gives_way and self.width >= _NARROW else 0
        table = Table(box=None, pad_edge=False, header_style="bold")
        for index, name in enumerate(columns):
            numeric = bool(rows) and all(isinstance(row[index], int) for row in rows)
            justify: JustifyMethod = "right" if numeric else "left"
            table.add_column(name, justify=justify, overflow="fold", no_wrap=index < whole)
        for row in rows:
            table.add_row(*(escape(_cell(value)) for value in row))
        self._console.print(table, highlight=False)

    @contextmanager
    def progress(self, text: str, total: int | None = None) -> Iterator[Ticker]:
        """Show a moving count on a terminal while something long runs."""
        quiet = self.as_json or not sys.stderr.isatty()
        count = MofNCompleteColumn() if total else TextColumn("{task.completed:,}")
        columns = [SpinnerColumn(), TextColumn("{task.description}"), count]
        if total:
            columns.insert(2, BarColumn(bar_width=30))
        with Progress(
            *columns,
            TimeElapsedColumn(),
            console=self._errors,
            transient=True,
            disable=quiet,
        ) as bars:
            yield Ticker(bars, bars.add_task(text, total=total))


class Ticker:
    """Counts work done; cheap enough to be called for each of a million items."""

    _STEP = 1_000

    def __init__(self, bars: Progress, task: TaskID) -> None:
        self._bars = bars
        self._task = task
        self._pending = 0

    def tick(self, n: int = 1) -> None:
        """Count ``n`` more."""
        self._pending += n
        if self._pending >= self._STEP:
            self._bars.advance(self._task, self._pending)
            self._pending = 0

    def stage(self, text: str) -> None:
        """Say what is being done now."""
        self._bars.update(self._task, description=text)


def with_output(function: Callable[..., R]) -> Callable[..., R]:
    """Give a command ``--json`` and pass it an :class:`Output` as its first argument."""

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
    @functools.wraps(function)
    def command(*args: Any, as_json: bool, **kwargs: Any) -> R:
        return function(Output(as_json=as_json), *args, **kwargs)

    return command


def error_document(error: VedetteError) -> dict[str, Any]:
    """An error as programs get it."""
    return {"error": str(error), "hint": error.hint, "exit_code": error.exit_code}


def printable(text: str) -> str:
    """Text from a feed or the network on one line, without what could steer a terminal."""
    return text if text.isprintable() else "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"  # noqa: PLR2004


def printable_event(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Make what a person reads in a log printable; a processor of structlog."""
    return {
        key: "\n".join(map(printable, value.split("\n") if key == "exception" else [value]))
        if isinstance(value, str)
        else value
        for key, value in event.items()
    }


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, datetime):
        return moment(value)
    return printable(str(value))


def moment(value: datetime | None) -> str:
    """A time for people, in UTC."""
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ") if value else "never"


def size(n: float) -> str:
    """Bytes for people."""
    for unit in ("B", "kB", "MB"):
        if n < 1_000:  # noqa: PLR2004 - decimal units
            return f"{n:.0f} {unit}" if unit == "B" else f"{n:.1f} {unit}"
        n /= 1_000
    return f"{n:.1f} GB"
