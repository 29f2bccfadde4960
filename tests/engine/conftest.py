"""The real engines, as ``tools/engines.sh`` unpacks them, for every test below this directory.

A missing engine skips the test, and fails it where the variable ``CI`` is set.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vedette.testing.engine import Engine, engines_home, find_engine

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.engine)


def _find(series: str) -> Engine:
    if engine := find_engine(series):
        return engine
    reason = f"no Suricata {series} in {engines_home()} (run: tools/engines.sh {series})"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def suricata7() -> Engine:
    return _find("7")


@pytest.fixture(scope="session")
def suricata8() -> Engine:
    return _find("8")


@pytest.fixture(scope="session", params=["7", "8"], ids=["suricata7", "suricata8"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Return each engine in turn."""
    return _find(request.param)
