"""Alerts of the rules that collect (``[collect]``): a value that the engine had not seen.

The only alerts that are observations: the operator asked for them where EVE has no protocol events.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from vedette.buffers import ROWS
from vedette.fields import BY_NAME
from vedette.observe.spelling import SPELL
from vedette.observe.values import Values
from vedette.paths import steps, texts

MARK = b'"vedette_collect"'
"""The key in the rule's metadata; both folds look for these bytes."""


def _paths() -> dict[str, tuple[str, ...]]:
    """Where the values of a buffer are; ``ja3.hash`` is in tls and in quic."""
    paths: dict[str, dict[str, None]] = {}
    for row in ROWS.values():
        for dataset in row.datasets:
            for buffer in dataset.buffers:
                paths.setdefault(buffer.name, {}).update(dict.fromkeys(buffer.eve))
    return {name: tuple(found) for name, found in paths.items()}


_PATHS = _paths()


class Collected(NamedTuple):
    """What such an alert says."""

    values: Values
    turned: bool
    """Whether the packet that alerted came from the server."""


def collected(line: bytes) -> Collected:
    """Return the values of an alert whose line has the ``MARK``; none if it is another's."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return Collected([], turned=False)
    return Collected(
        list(dict.fromkeys(_values(event))), turned=event.get("direction") == "to_client"
    )


def _values(event: dict[str, Any]) -> Iterator[tuple[int, str]]:
    alert = event.get("alert")
    metadata = alert.get("metadata") if isinstance(alert, dict) else None
    names = metadata.get("vedette_collect") if isinstance(metadata, dict) else None
    for name in names if isinstance(names, list) else ():
        field = BY_NAME.get(name) if isinstance(name, str) else None
        for path in _PATHS.get(name, ()) if field else ():
            way = steps(path)
            for text in texts(event.get(way[0].name), way):
                if field and (value := SPELL[field.spelling](text)):
                    yield field.number, value
