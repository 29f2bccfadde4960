"""What two generations detect differently, indicator by indicator, as a stream.

Read from the files alone: nothing else remembers what an old generation held. Names that a listed
name above them covers are not in the files and so are no difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from heapq import merge
from typing import NamedTuple

from vedette.bundle.generation import Generation
from vedette.bundle.writer import read_lines
from vedette.model import IndicatorType, Key
from vedette.ruleset.lines import decode, order
from vedette.ruleset.manifest import SetInfo
from vedette.ruleset.names import DOTTED
from vedette.ruleset.sets import SetSpec

_Sets = dict[SetSpec, SetInfo]


class Difference(NamedTuple):
    """An indicator that one generation detects and the other does not."""

    added: bool
    key: Key


class RuleChange(NamedTuple):
    """A rule whose rev is another one, or that came or went (rev 0)."""

    profile: str
    sid: int
    before: int
    after: int


def diff(before: Generation, after: Generation) -> Iterator[Difference]:
    """Yield the indicators that came or went, type by type.

    Raises:
        BundleError: A manifest cannot be read.
        OSError: A file cannot be read.
    """
    old, new = before.specs(), after.specs()
    for kind in IndicatorType:
        yield from _diff_type(
            kind, (before, _telling(kind, old, new)), (after, _telling(kind, new, old))
        )


def rule_changes(before: Generation, after: Generation) -> Iterator[RuleChange]:
    """Yield the rules that other tools will see as changed."""
    profiles = {info.profile: info for info in before.manifest.rules}
    for info in after.manifest.rules:
        known = profiles.get(info.profile)
        revs = {rule.sid: rule.rev for rule in known.rules} if known else {}
        for rule in info.rules:
            if (rev := revs.pop(rule.sid, 0)) != rule.rev:
                yield RuleChange(info.profile, rule.sid, rev, rule.rev)
        for sid, rev in revs.items():
            yield RuleChange(info.profile, sid, rev, 0)


def _telling(kind: IndicatorType, sets: _Sets, other: _Sets) -> _Sets:
    """Choose the sets that tell all indicators of a type, in the form that the other has too."""
    mine = {s: i for s, i in sets.items() if s.indicator_type == kind.value and not s.context}
    if kind is IndicatorType.DOMAIN:
        dotted = {s: i for s, i in mine.items() if s._replace(level="") == DOTTED}
        labels = {s: i for s, i in mine.items() if s.labels}
        other_has_labels = any(s.labels and not s.context for s in other)
        return labels if not dotted or (labels and other_has_labels) else dotted
    values = {s.level for s in mine if s.is_values}
    if kind.value.startswith(("ip-", "url")):  # where there are values, they tell all alone
        return {s: i for s, i in mine.items() if s.is_values or not (s.role or s.level in values)}
    return {s: i for s, i in mine.items() if s.role in {"", "values"}}


def _diff_type(
    kind: IndicatorType, before: tuple[Generation, _Sets], after: tuple[Generation, _Sets]
) -> Iterator[Difference]:
    old, new = before[1], after[1]
    by_name = kind in {IndicatorType.DOMAIN, IndicatorType.HOSTNAME}
    if _is_like(old, new):
        for spec in {**old, **new}:
            mine, theirs = old.get(spec), new.get(spec)
            if mine and theirs and mine.content == theirs.content:
                continue
            lines = (_lines(before[0], spec, mine), _lines(after[0], spec, theirs))
            for added, line in _walk(*lines, order(spec)):
                yield Difference(added, Key(kind, decode(spec, line)))
    else:
        values = (_values(*before), _values(*after))
        for added, value in _walk(*values, _reversed if by_name else _same):
            yield Difference(added, Key(kind, value.decode()))


def _is_like(old: _Sets, new: _Sets) -> bool:
    """Whether both tell their indicators in the same way, so that lines can be compared."""

    def forms(sets: _Sets) -> set[str]:
        return {"labels" if spec.labels else spec.name for spec in sets}

    if any(spec.level for spec in (*old, *new)):
        return False  # an indicator that only moved neither came nor went
    return not old or not new or forms(old) == forms(new)


def _lines(generation: Generation, spec: SetSpec, info: SetInfo | None) -> Iterator[bytes]:
    return read_lines(generation.file(info), spec, info) if info else iter(())


def _values(generation: Generation, sets: _Sets) -> Iterator[bytes]:
    """Yield the values of some sets of one type in one order."""
    streams = [_decoded(spec, _lines(generation, spec, info)) for spec, info in sets.items()]
    is_name = any(spec.dataset in {"domain", "hostname"} for spec in sets)
    return merge(*streams, key=_reversed if is_name else _same)


def _decoded(spec: SetSpec, lines: Iterable[bytes]) -> Iterator[bytes]:
    return (decode(spec, line).encode() for line in lines)


def _walk(
    before: Iterable[bytes], after: Iterable[bytes], key_of: Callable[[bytes], bytes]
) -> Iterator[tuple[bool, bytes]]:
    """Yield what only one of two sorted streams has."""
    old, new = iter(before), iter(after)
    mine, theirs = next(old, None), next(new, None)
    while mine is not None and theirs is not None:
        if mine == theirs:
            mine, theirs = next(old, None), next(new, None)
        elif key_of(mine) < key_of(theirs):
            yield False, mine
            mine = next(old, None)
        else:
            yield True, theirs
            theirs = next(new, None)
    while mine is not None:
        yield False, mine
        mine = next(old, None)
    while theirs is not None:
        yield True, theirs
        theirs = next(new, None)


def _same(value: bytes) -> bytes:
    return value


def _reversed(name: bytes) -> bytes:
    return name[::-1].replace(b".", b"!")
