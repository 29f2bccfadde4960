"""Severity: what the sources say of the threat."""

from __future__ import annotations

import pytest

from vedette.hits.severity import severity_of


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        (["low", "high", "medium"], "high"),
        (["", "low"], "low"),
        (["medium"], "medium"),
        (["undefined", ""], ""),
        ([], ""),
    ],
)
def test_the_worst_that_a_source_says_counts(levels: list[str], expected: str) -> None:
    assert severity_of({"threat_level": level} for level in levels) == expected


def test_a_hit_from_before_levels_were_kept_has_none() -> None:
    assert severity_of([{"source": "misp"}]) == ""
