"""What every test may use: the shared data, where it is there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real feeds, lists and captures; absent on a user's checkout."""
    place = Path(os.environ.get("VEDETTE_SHARED", ROOT.parent / "shared")) / "data"
    if place.is_dir():
        return place
    reason = f"no shared data at {place} (set VEDETTE_SHARED to the folder that holds data/)"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
