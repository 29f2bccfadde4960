"""How bad a hit is: the highest threat level of what the sources say about its indicator."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

LEVELS = ("high", "medium", "low")


def severity_of(contexts: Iterable[Mapping[str, object]]) -> str:
    """``high``, ``medium`` or ``low``; ``""``: no source says.

    Args:
        contexts: What a hit keeps of each claim (``threat_level`` among it).
    """
    said = {context.get("threat_level") for context in contexts}
    return next((level for level in LEVELS if level in said), "")
