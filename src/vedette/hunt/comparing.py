"""What changed between two runs of the same hunt."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from vedette.pool.records import Found


class Comparison(Struct, frozen=True, kw_only=True):
    """Two runs, the later one against the earlier one."""

    new: tuple[Found, ...] = ()
    """Found now and not before."""
    gone: tuple[Found, ...] = ()
    """Found before and not now: it is no longer on the list."""
    changed: tuple[Found, ...] = ()
    """Found in both, and seen since, or by more hosts; as it is now."""
    same: int = 0


def compare(before: Iterable[Found], after: Iterable[Found]) -> Comparison:
    """Return what a run found that the one before it had not, and the other way round."""
    old = {identity(one): one for one in before}
    new: list[Found] = []
    changed: list[Found] = []
    same = 0
    for one in after:
        earlier = old.pop(identity(one), None)
        if earlier is None:
            new.append(one)
        elif _is_changed(earlier, one):
            changed.append(one)
        else:
            same += 1
    return Comparison(new=tuple(new), gone=tuple(old.values()), changed=tuple(changed), same=same)


def identity(one: Found) -> tuple[str, str, str, str]:
    """What makes two findings the same: indicator, field and observed value."""
    return one.type, one.indicator, one.field, one.observed


def _is_changed(before: Found, after: Found) -> bool:
    return (before.first_seen, before.last_seen, before.count, before.hosts) != (
        after.first_seen,
        after.last_seen,
        after.count,
        after.hosts,
    )
