"""MISP's ways to say what is wanted: lists, ``!`` and NOT, ``%``, moments, ages and windows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

_UNITS_S = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}


@dataclass(frozen=True)
class Terms:
    """One filter: any of these, none of those, all of the last; nothing at all lets all pass."""

    any_of: Sequence[str] = ()
    none_of: Sequence[str] = ()
    all_of: Sequence[str] = ()

    @cached_property
    def _exact(self) -> frozenset[str] | None:
        """What is wanted, where it is a plain list: a thousand uuids are asked for at once."""
        is_plain = bool(self.any_of) and not (self.none_of or self.all_of)
        return frozenset(self.any_of) if is_plain and "%" not in "".join(self.any_of) else None

    def allow(self, matches: Callable[[str], bool]) -> bool:
        """Whether something passes, given what matches a single term."""
        return (
            (not self.any_of or any(map(matches, self.any_of)))
            and not any(map(matches, self.none_of))
            and all(map(matches, self.all_of))
        )

    def allow_value(self, value: str) -> bool:
        """Whether one whole value passes; case does not count."""
        folded = value.lower()
        if self._exact is not None:
            return folded in self._exact
        return self.allow(lambda term: wild(term, folded))

    def allow_any(self, values: Iterable[str]) -> bool:
        """Whether something that has several values (tags) passes."""
        folded = [value.lower() for value in values]
        if self._exact is not None:
            return not self._exact.isdisjoint(folded)
        return self.allow(lambda term: any(wild(term, value) for value in folded))


def terms(value: object) -> Terms | None:
    """Read a filter: one value, a list, or ``{"OR": …, "NOT": …, "AND": …}``; ``!x`` excludes.

    Returns:
        None if nothing is asked for.
    """
    if isinstance(value, dict):
        named = {str(name).upper(): listed(items) for name, items in value.items()}
        return Terms(*(_folded(named.get(name, [])) for name in ("OR", "NOT", "AND")))
    items = listed(value)
    if not items:
        return None
    texts = _folded(items)
    return Terms(
        [text for text in texts if not text.startswith("!")],
        [text[1:] for text in texts if text.startswith("!")],
    )


def wild(pattern: str, value: str) -> bool:
    """Whether a value in lower case is the pattern, in which ``%`` stands for anything."""
    if "%" not in pattern:
        return pattern == value
    expression = ".*".join(re.escape(part) for part in pattern.split("%"))
    return re.fullmatch(expression, value) is not None


def listed(value: object) -> list[object]:
    """A value as a list; what is not there is an empty one."""
    if value is None or value in ("", []):
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _folded(items: Iterable[object]) -> list[str]:
    return [str(item).lower() for item in items]


def time_test(value: object, now: int) -> Callable[[int], bool]:
    """``>=`` a moment or an age, or between two; what cannot be read finds nothing."""
    bounds = [moment(item, now) for item in listed(value)]
    if any(bound is None for bound in bounds):
        return lambda _: False
    low, *rest = sorted(bound for bound in bounds if bound is not None)
    return lambda stamp: stamp >= low and all(stamp <= bound for bound in rest)


def moment(value: object, now: int) -> int | None:
    """Epoch seconds, a date, or an age (``30m``); ``None`` for anything else."""
    text = str(value)
    if text.isdecimal():
        return int(text)
    if match := re.fullmatch(r"(\d+)([dhms])", text):
        return now - int(match[1]) * _UNITS_S[match[2]]
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    return int(parsed.replace(tzinfo=parsed.tzinfo or UTC).timestamp())
