"""What options about the past may say: moments, fields and limits, with errors that help."""

from __future__ import annotations

import difflib
import re
from datetime import UTC, datetime, timedelta

import click

from vedette.config import parse_duration
from vedette.errors import ConfigError, UsageError
from vedette.fields import BY_NAME

LIMIT_MAX = 1_000_000_000
"""More than any answer has; the engine multiplies limits, and its numbers end."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_AGE = re.compile(r"\s*\d+\s*[a-zA-Z]?\s*").fullmatch


def moment_of(text: str) -> datetime | None:
    """Return the moment that an age (``24h``) or a time (``2026-11-24T10:15``) means; UTC.

    Nothing is remembered of before 1970, so that is the earliest.

    Raises:
        UsageError: It is neither.
    """
    if not text:
        return None
    try:
        if _AGE(text) and len(text.strip()) < len("20261124"):
            return datetime.now(UTC) - timedelta(seconds=parse_duration(text))
        parsed = datetime.fromisoformat(text.strip())
        moment = parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    except (ConfigError, ValueError, OverflowError) as error:
        raise UsageError(
            f"'{text}' is neither an age nor a time",
            hint="Write 90s, 15m, 6h or 7d, or a time in UTC: 2026-11-24 or 2026-11-24T10:15.",
        ) from error
    return max(moment, _EPOCH)


def limit_of(_context: click.Context, _parameter: click.Parameter, limit: int) -> int:
    """Check how much is asked for; a callback of options.

    Raises:
        click.BadParameter: It is less than nothing, or more than anything.
    """
    if not 0 <= limit <= LIMIT_MAX:
        raise click.BadParameter(f"{limit} is not between 0 and {LIMIT_MAX:,}.")
    return limit


def fields_of(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return names of fields; ``dns`` or ``dns.*`` means all that begin with it.

    Raises:
        UsageError: There is no such field.
    """
    found: list[str] = []
    for name in names:
        stem = name.removesuffix("*").removesuffix(".")
        several = [known for known in BY_NAME if known.startswith(f"{stem}.")]
        if name in BY_NAME:
            found.append(name)
        elif several:
            found += several
        else:
            raise UsageError(f"there is no field '{name}'", hint=_meant(name))
    return tuple(dict.fromkeys(found))


def _meant(name: str) -> str:
    near = difflib.get_close_matches(name.lower(), BY_NAME, n=3, cutoff=0.6)
    near += [known for known in BY_NAME if name.lower() in known and known not in near][:3]
    if near:
        return f"Did you mean {' or '.join(near)}?"
    return f"Fields are: {', '.join(BY_NAME)}."
