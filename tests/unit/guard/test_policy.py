from __future__ import annotations

from vedette.config import GuardSettings
from vedette.guard.policy import Policy
from vedette.model import IndicatorType


def test_what_vedette_toml_leaves_open_is_filled_in() -> None:
    policy = Policy.of(GuardSettings(confidence={"ja3": 5}, age={"ip-dst": "90d"}))
    assert policy.confidence["ja3"] == 5
    assert policy.confidence["sha256"] == 95
    assert set(policy.confidence) == set(IndicatorType)
    assert policy.age_s == {"ip-dst": 90 * 86_400}


def test_every_setting_of_a_verdict_is_in_the_policy() -> None:
    # Lists have their own version, and are found by directory.
    elsewhere = {"warning_lists", "lists_every", "drop_lists", "keep_lists", "age"}
    settings, policy = GuardSettings(), Policy.of(GuardSettings())
    assert set(settings.__struct_fields__) - elsewhere <= set(policy.__struct_fields__)


def test_another_policy_has_another_digest() -> None:
    plain = Policy.of(GuardSettings())
    assert plain.digest == Policy.of(GuardSettings()).digest
    others = [
        GuardSettings(enabled=False),
        GuardSettings(own=("example.org",)),
        GuardSettings(prevalence_hosts=5),
        GuardSettings(prevalence_days=5),
        GuardSettings(min_confidence=5),
        GuardSettings(confidence={"ja3": 5}),
        GuardSettings(age={"ja3": "5d"}),
    ]
    digests = {Policy.of(other).digest for other in others}
    assert len(digests | {plain.digest}) == len(others) + 1
