"""The page on the guard lists its tests in their order, and the figures that are built in."""

from __future__ import annotations

import re
from pathlib import Path

from vedette.guard.chain import TESTS
from vedette.guard.confidence import BUILT_IN

PAGE = (Path(__file__).resolve().parents[2] / "docs/explanation/the-guard.md").read_text()


def test_every_test_is_told_in_its_order() -> None:
    assert re.findall(r"^\| `([a-z]+)` \| [^|]+ \| [^|]+ \|$", PAGE, re.MULTILINE) == list(TESTS)


def test_every_confidence_that_is_built_in_is_told() -> None:
    rows = dict(re.findall(r"^\| `([a-z0-9-]+)` \| (\d+) \|$", PAGE, re.MULTILINE))
    assert rows == {kind.value: str(n) for kind, n in BUILT_IN.items()}
