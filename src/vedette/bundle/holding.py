"""Whether a generation holds one indicator: asked of its files, which are what a sensor gets."""

from __future__ import annotations

from pathlib import Path

from vedette.bundle.generation import Generation
from vedette.files import mapped
from vedette.model import IndicatorType, Key
from vedette.ruleset.lines import encode
from vedette.ruleset.sets import SetSpec


def holds(generation: Generation, key: Key) -> bool:
    """Whether one of its sets has the indicator itself, not only a name above it.

    Raises:
        BundleError: The manifest cannot be read.
        OSError: A file cannot be read.
    """
    return any(
        _has_line(generation.file(info), encode(spec, [key.value]).data)
        for spec, info in generation.specs().items()
        if spec.indicator_type == key.type.value and _tells(spec)
    )


def _tells(spec: SetSpec) -> bool:
    """Whether the lines of a set are whole indicators: no hash of one, and no half of a URL."""
    if spec.context or spec.indicator_type == IndicatorType.URL:
        return spec.is_values
    return spec.role in {"", "values"} or bool(spec.labels)


def _has_line(path: Path, line: bytes) -> bool:
    with mapped(path) as data:
        return data[: len(line)] == line or data.find(b"\n" + line) >= 0
