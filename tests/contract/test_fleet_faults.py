"""Hub, agent and engine as processes that are killed, cut off, filled up and lied to: afterwards
the sensor holds exactly one whole generation, says which, and nothing was called proved that was
not. The engines are fakes here; tests/engine/test_fleet_faults.py takes real ones.

``VEDETTE_FAULTS=500`` plays that many runs (default 22, two of each kind, in CI; else 4),
``VEDETTE_FAULTS_SEED`` others. The seed of a run that fails is part of the test's name, and plays
it again:
``python -m vedette.testing.fleet --runs 1 --real 0 --seed N --keep DIR``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from vedette.testing.fleet.run import plan_for
from vedette.testing.fleet.workshop import Workshop, workshop

RUNS = int(os.environ.get("VEDETTE_FAULTS") or (22 if os.environ.get("CI") else 4))
SABOTAGED = 12
SEED = int(os.environ.get("VEDETTE_FAULTS_SEED", "1"))


@pytest.fixture(scope="module")
def place() -> Iterator[Workshop]:
    with workshop() as made:
        yield made


@pytest.mark.timeout(150)
@pytest.mark.parametrize(
    "seed",
    range(SEED, SEED + RUNS),
    ids=lambda seed: f"{seed}-{plan_for(seed, real=False)[0].name.lower()}",
)
def test_whatever_fails_one_whole_generation_is_held_and_nothing_else_called_proved(
    place: Workshop, seed: int
) -> None:
    outcome = place.play(seed)
    if outcome.skipped:
        if os.environ.get("CI"):
            pytest.fail(outcome.skipped)
        pytest.skip(outcome.skipped)
    assert outcome.violations == []
    assert outcome.off.longest < outcome.off.own + 1


NO_PROOF = """
import vedette.sensor.push
import vedette.sensor.set_proof
vedette.sensor.set_proof.SetProof.checks = lambda *_, **__: iter(())
vedette.sensor.push._apply_change = lambda *_: None
"""
"""Changes are not made, and nobody looks."""
LITTER = """
import vedette.agent.staging
vedette.agent.staging.Staging.clear = lambda _: None
"""
NO_LINK = """
import vedette.sensor.install
vedette.sensor.install.RulesDirectory.switch = lambda *_: None
"""


@pytest.mark.timeout(150)
@pytest.mark.parametrize(
    ("spoils", "found"),
    [
        (NO_PROOF, "was 'proved' while the engine did not hold it"),
        (LITTER, "fetched files stay"),
        (NO_LINK, "did not come into force"),
    ],
    ids=["false-proof", "litter", "not-in-force"],
)
def test_the_campaign_finds_a_product_that_is_broken_on_purpose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoils: str, found: str
) -> None:
    monkeypatch.setattr("vedette.testing.fleet.run._CONVERGE_S", 8.0)
    (tmp_path / "spoils.py").write_text(spoils)
    with workshop(spoils=tmp_path / "spoils.py") as broken:
        violations = broken.play(SABOTAGED).violations
    assert [one for one in violations if found in one], violations
