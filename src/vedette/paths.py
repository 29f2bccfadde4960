"""Paths of the buffers table (``dns.queries[].rrname``) in a decoded EVE event."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple


class Step(NamedTuple):
    """One part of a path."""

    name: str
    each: bool = False
    """``[]``: every item of the list."""
    header: str = ""
    """``[cookie]``: the value of the header of that name, in a list of names and values."""


@lru_cache(maxsize=1024)
def steps(path: str) -> tuple[Step, ...]:
    """Compile a path."""
    found: list[Step] = []
    for part in path.split("."):
        name, bracket, inside = part.partition("[")
        header = inside.removesuffix("]")
        found.append(Step(name, each=bool(bracket) and not header, header=header))
    return tuple(found)


def texts(value: object, path: Sequence[Step]) -> Iterator[str]:
    """Yield the texts at the end of a path; ``value`` is what the first step's name holds."""
    step, *rest = path
    if step.header:
        yield from _headers(value, step.header)
    elif step.each:
        for item in value if isinstance(value, list) else ():
            yield from _continue(item, rest)
    else:
        yield from _continue(value, rest)


def _continue(value: object, path: Sequence[Step]) -> Iterator[str]:
    if not path:
        if isinstance(value, str) and value:
            yield value
    elif isinstance(value, dict):
        yield from texts(value.get(path[0].name), path)


def _headers(value: object, name: str) -> Iterator[str]:
    for item in value if isinstance(value, list) else ():
        if isinstance(item, dict) and str(item.get("name", "")).lower() == name:
            yield from _continue(item.get("value"), [])
