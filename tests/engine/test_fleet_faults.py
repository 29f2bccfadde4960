"""The faults of tests/contract/test_fleet_faults.py with real engines, which are asked for every
entry of every generation all the time.

``VEDETTE_FAULTS_REAL=60`` plays that many runs (default 6), ``VEDETTE_FAULTS_SEED`` others.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from vedette.testing.engine import Engine
from vedette.testing.fleet.run import plan_for
from vedette.testing.fleet.workshop import Workshop, workshop

RUNS = int(os.environ.get("VEDETTE_FAULTS_REAL", "6"))
SEED = int(os.environ.get("VEDETTE_FAULTS_SEED", "7"))
SEEDS = [SEED + 9 * n for n in range(RUNS)]
"""Every kind comes, and both engines in turn."""


@pytest.fixture(scope="module")
def place(suricata7: Engine, suricata8: Engine) -> Iterator[Workshop]:
    assert suricata7.version < suricata8.version
    with workshop() as made:
        yield made


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "seed", SEEDS, ids=lambda seed: f"{seed}-{plan_for(seed, real=True)[0].name.lower()}"
)
def test_a_real_engine_holds_one_whole_generation_whatever_failed(
    place: Workshop, seed: int
) -> None:
    outcome = place.play(seed, real=True)
    if outcome.skipped:
        if os.environ.get("CI"):
            pytest.fail(outcome.skipped)
        pytest.skip(outcome.skipped)
    assert outcome.violations == []
    assert outcome.off.longest < outcome.off.own + 1
