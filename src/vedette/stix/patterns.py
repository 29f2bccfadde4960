"""A STIX pattern as the values that are worth alerting on, each on its own.

A value stands alone, or its neighbours say nothing that it does not say already: the port beside
an address, the other hashes of the same file. Whatever needs two things at once is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from vedette.errors import UnusableValueError
from vedette.model import IndicatorType as T
from vedette.normalize import normalize
from vedette.stix.grammar import Comparison, Reason, Together, Unreadable, alternatives
from vedette.stix.paths import IDENTIFYING, Part, Role, role_of

_PATH_MAX = 80


class Value(NamedTuple):
    """A value of a type, not yet normalized."""

    type: T
    text: str


class Refused(NamedTuple):
    """A branch of a pattern that is not one value."""

    text: str
    reason: str


class Unmatched(NamedTuple):
    """A branch of a pattern about something that no sensor sees."""

    path: str
    """``windows-registry-key:key``."""


Meaning = Value | Refused | Unmatched


def meanings(pattern: str) -> Iterator[Meaning]:
    """Yield what each branch of a pattern means, without repetitions."""
    try:
        branches = list(alternatives(pattern))
    except Unreadable as error:
        yield Refused(pattern, str(error))
        return
    seen: set[Meaning] = set()
    for branch in branches:
        found = (Refused(pattern, branch.value),) if isinstance(branch, Reason) else _mean(branch)
        for one in found:
            if one not in seen:
                seen.add(one)
                yield one


class _Term(NamedTuple):
    """A comparison and what its path names."""

    role: Role
    comparison: Comparison


def _mean(branch: Together) -> Iterator[Meaning]:
    """Yield what comparisons that hold together mean."""
    terms = list(dict.fromkeys(_Term(role_of(one.kind, one.steps), one) for one in branch))
    if not any(isinstance(term.role, T) for term in terms):
        yield Unmatched(_path(terms[0].comparison))
        return
    if hashes := _hashes(terms):
        yield from map(_value, hashes)
        return
    for term in terms:
        if term.comparison.refused:
            yield Refused(_shown(term.comparison), term.comparison.refused)
            return
    telling = [term for term in terms if term.role is not Part.ASIDE]
    yield _value(telling[0]) if len(telling) == 1 else _with_port(telling)


def _hashes(terms: list[_Term]) -> list[_Term]:
    """Return the hashes among properties of one object: each of them names it for good."""
    if len({term.comparison.kind for term in terms}) > 1:
        return []
    return [term for term in terms if term.role in IDENTIFYING and not term.comparison.refused]


def _with_port(terms: list[_Term]) -> Meaning:
    """An address and its port are one value; of a name with a port, the name is."""
    ports = [term for term in terms if isinstance(term.role, Part)]
    values = [term for term in terms if not isinstance(term.role, Part)]
    shown = " AND ".join(_shown(term.comparison) for term in terms)
    if len(ports) != 1 or len(values) != 1 or not isinstance(values[0].role, T):
        return Refused(shown, Reason.TOGETHER)
    kind, host = values[0].role, values[0].comparison.value
    port = ports[0].comparison.value
    if ports[0].role is Part.SRC_PORT:
        if kind is T.IP_SRC:
            return Value(T.IP_SRC_PORT, f"{host},{port}")
    elif kind in {T.DOMAIN, T.HOSTNAME, T.IP_DST}:
        return Value(T.IP_DST_PORT, f"{host},{port}") if _is_address(host) else Value(kind, host)
    return Refused(shown, Reason.TOGETHER)


def _is_address(text: str) -> bool:
    try:
        normalize(T.IP_DST, text)
    except UnusableValueError:
        return False
    return True


def _value(term: _Term) -> Meaning:
    if isinstance(term.role, T):
        return Value(term.role, term.comparison.value)
    return Unmatched(_path(term.comparison))


def _path(comparison: Comparison) -> str:
    return f"{comparison.kind}:{'.'.join(comparison.steps)}"[:_PATH_MAX]


def _shown(comparison: Comparison) -> str:
    return f"{_path(comparison)} {comparison.value}"
