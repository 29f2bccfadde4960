"""What each profile gets, letter by letter, as files that people can read and compare.

After a change that is meant: ``VEDETTE_GOLDEN=write pytest tests/golden``, then look at the diff.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vedette.bundle import Builder, latest
from vedette.model import Context, IndicatorType, Key
from vedette.ruleset.engine import Target
from vedette.ruleset.levels import by_level
from vedette.testing.indicators import ListedKeys

CASES = Path(__file__).parent / "cases"
TARGETS = tuple(map(Target.parse, ("7.0", "8.0", "8.0.7", "8.0.7+context")))
CONTEXT = Context(
    key="5f5f0000-0000-4000-8000-000000000000",
    info="A phishing kit",
    tags=("tlp:green", "phishing"),
    tlp="green",
)


def read_indicators(case: Path) -> list[Key]:
    lines = (case / "indicators.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split("\t", 1) for line in lines if line and not line.startswith("#"))
    return [Key(IndicatorType(kind), value) for kind, value in pairs]


def read_levels(case: Path) -> dict[Key, int]:
    """Read who has a threat level, if the case tells indicators apart by it."""
    try:
        lines = (case / "levels.txt").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    items = (line.split("\t", 2) for line in lines)
    return {Key(IndicatorType(kind), value): int(level) for level, kind, value in items}


@pytest.mark.parametrize("target", TARGETS, ids=str)
@pytest.mark.parametrize("case", sorted(CASES.iterdir()), ids=lambda path: path.name)
def test_a_case_compiles_to_its_files(case: Path, target: Target, tmp_path: Path) -> None:
    grades = read_levels(case)
    keys = ListedKeys(read_indicators(case), CONTEXT, grades)
    levels = by_level(keys) if grades else None
    Builder(root=tmp_path / "bundles", targets=[target]).build(keys, levels=levels)
    generation = latest(tmp_path / "bundles")
    assert generation is not None
    found = {
        name: path.read_text(encoding="utf-8")
        for name, path in generation.sources(str(target)).items()
    }
    expected = case / str(target)
    if os.environ.get("VEDETTE_GOLDEN") == "write":
        generation.flatten(str(target), expected)
        for path in expected.iterdir():
            if path.name not in found:
                path.unlink()
    assert found == {path.name: path.read_text(encoding="utf-8") for path in expected.iterdir()}
