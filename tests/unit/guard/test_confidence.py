from __future__ import annotations

from vedette.guard.confidence import BUILT_IN, UNSURE_BELOW, confidence
from vedette.guard.facts import Claim
from vedette.model import IndicatorType


def test_every_type_is_worth_something() -> None:
    assert set(BUILT_IN) == set(IndicatorType)
    assert all(0 < value <= 100 for value in BUILT_IN.values())


def test_what_alarmed_falsely_in_real_captures_is_unsure_and_digests_are_not() -> None:
    assert BUILT_IN[IndicatorType.JA3] < UNSURE_BELOW
    assert BUILT_IN[IndicatorType.SHA256] > 90


def test_the_highest_claim_counts_and_names_who_says_so() -> None:
    claims = [Claim("b", confidence=80), Claim("a", confidence=20), Claim("c")]
    assert confidence(claims, 70) == (80, "b")
    assert confidence(claims, 90) == (90, "")
    assert confidence([Claim("a", confidence=20)], 70) == (20, "a")
    assert confidence([], 70) == (70, "")
