"""Options of all commands by which a person decides: why, who, until when; and what they print."""

from __future__ import annotations

import functools
import getpass
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shlex import quote
from typing import Any, TypeVar

import click

from vedette.cli.output import Output
from vedette.config import parse_duration
from vedette.errors import ConfigError, UsageError
from vedette.model import IndicatorType, Ruling

R = TypeVar("R")

APPLIED = "The next build applies it: `vedette run` within seconds, else: vedette bundle build"
_AGE = re.compile(r"\s*\d{1,6}\s*[a-zA-Z]?\s*").fullmatch
_DATE = len("2026-12-24")
_SHOWN = 20


def decision_options(function: Callable[..., R]) -> Callable[..., R]:
    """Give a command ``why``, ``who`` and ``until`` (epoch seconds, 0: for good)."""

    @click.option("--why", required=True, metavar="TEXT", help="The reason; others will ask.")
    @click.option("--by", default="", metavar="NAME", help="Who decides (default: your login).")
    @click.option(
        "--until",
        "until_text",
        default="",
        metavar="WHEN",
        help="Ends by itself: an age (30d) or the last day (2026-12-24). Default: never.",
    )
    @functools.wraps(function)
    def command(*args: Any, by: str, until_text: str, **kwargs: Any) -> R:
        return function(*args, who=by or login(), until=until_of(until_text), **kwargs)

    return command


def ending_options(function: Callable[..., R]) -> Callable[..., R]:
    """Give a command that ends a decision ``why`` and ``who``."""

    @click.option("--why", required=True, metavar="TEXT", help="The reason; others will ask.")
    @click.option("--by", default="", metavar="NAME", help="Who decides (default: your login).")
    @functools.wraps(function)
    def command(*args: Any, by: str, **kwargs: Any) -> R:
        return function(*args, who=by or login(), **kwargs)

    return command


def type_option(explained: str) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Give a command ``kind``, the name of an indicator type; ``""``: any."""
    return click.option(
        "--type",
        "kind",
        type=click.Choice([member.value for member in IndicatorType]),
        callback=lambda _context, _parameter, given: given or "",
        help=explained,
    )


def login() -> str:
    """Return who is at the keyboard: whoever became root is still that person."""
    if name := os.environ.get("SUDO_USER", ""):
        return name
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without that user
        return f"uid {os.getuid()}"


def until_of(text: str) -> int:
    """Return the epoch seconds of an age from now, of the end of a day, or of a time; 0: none.

    Raises:
        UsageError: It is nothing of that, or is over.
    """
    if not text:
        return 0
    try:
        if _AGE(text):
            return int(time.time()) + parse_duration(text)
        moment = datetime.fromisoformat(text.strip())
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        if len(text.strip()) <= _DATE:
            moment += timedelta(days=1)
        until = int(moment.timestamp())
    except (ConfigError, ValueError, OverflowError) as error:
        raise UsageError(
            f"'{text}' is neither an age nor a date", hint="Write 30d, 12h or 2026-12-24."
        ) from error
    if until <= time.time():
        raise UsageError(f"'{text}' is over", hint="Give a later date, or an age: 30d.")
    return until


def values_of(values: Iterable[str], file: str = "") -> Iterator[str]:
    """Yield the values of a command line: ``-`` and ``file`` have one a line, ``#`` a comment.

    Raises:
        UsageError: The file cannot be read.
    """
    for value in values:
        if value == "-":
            yield from _lines(sys.stdin)
        else:
            yield value
    if file:
        try:
            with Path(file).open(encoding="utf-8", errors="replace") as lines:
                yield from _lines(lines)
        except OSError as error:
            raise UsageError(
                f"cannot read {file}: {error.strerror}", hint="Check the path."
            ) from error


def _lines(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        if (text := line.strip()) and not text.startswith("#"):
            yield text


def day(at: int) -> str:
    """Epoch seconds for people; 0 is for good."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%MZ") if at else "for good"


def indicators(n: int) -> str:
    """How many, for people."""
    return f"{n:,} listed indicator{'' if n == 1 else 's'}"


def reach(ruling: Ruling) -> str:
    """What a ruling is about besides the value itself."""
    return "and all below or within" if ruling.below else "only itself"


def say_alerting(out: Output, alerting: tuple[tuple[str, str], ...]) -> None:
    """Warn of values that were taken off the sensors, and of what alerts on them all the same."""
    for value, by in alerting[:_SHOWN]:
        out.warn(f"{value} goes on alerting: {by} is published, and matches it as well")
    if len(alerting) > _SHOWN:
        out.warn(f"and so do {len(alerting) - _SHOWN:,} more")
    if alerting:
        by = quote(alerting[0][1])
        out.say("     A sensor knows no exceptions; take that off, too, if it may be met here:")
        out.say(f"       vedette allow add {by} --why TEXT")


def say_ruling(out: Output, ruling: Ruling) -> None:
    """Print who decided what, and why."""
    kind = f" ({ruling.type})" if ruling.type else ""
    out.good(
        f"{ruling.kind.value} {ruling.value}{kind} {reach(ruling)}, {day(ruling.until)}:"
        f" {ruling.why} ({ruling.who})"
    )
