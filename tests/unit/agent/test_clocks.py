"""A wrong clock, here or at the hub, decides nothing: those who decide do not look at one."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import vedette.agent

PLACE = Path(vedette.agent.__file__).parent
DECIDE = ("applying", "backoff", "fetching", "holding", "listening", "sending", "spool", "staging")
FOR_PEOPLE = {"applying": {"datetime"}}
"""Times that are shown, and read by nobody."""


@pytest.mark.parametrize("name", DECIDE)
def test_what_decides_asks_no_clock_that_somebody_sets(name: str) -> None:
    tree = ast.parse((PLACE / f"{name}.py").read_text())
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert not ({"datetime", "date"} & imported) - FOR_PEOPLE.get(name, set())
    asked = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "time"
    }
    assert asked <= {"monotonic"}


def test_the_keeper_measures_its_rhythms_with_a_clock_that_nobody_sets() -> None:
    text = (PLACE / "keeping.py").read_text()
    assert "time.time()" not in text
    assert text.count("datetime.now") == 1, "when it was repaired, for people"
