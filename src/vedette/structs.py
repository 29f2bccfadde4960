"""Struct types that threads may share from their first use on.

msgspec (0.22) works out the fields of a type when it is first decoded, and keeps what it has
before it is complete: a second thread that decodes the type in that moment ends the process.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import msgspec


def prepare() -> int:
    """Work out all types of Vedette that are imported; called before threads are started.

    Returns:
        How many there are.
    """
    count = 0
    for kind in _below(msgspec.Struct):
        if kind.__module__.partition(".")[0] == "vedette":
            with suppress(TypeError, NameError):  # of those that are never decoded
                msgspec.json.Decoder(kind)
            count += 1
    return count


def _below(kind: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    children: list[type[msgspec.Struct]] = kind.__subclasses__()
    for child in children:
        yield child
        yield from _below(child)
