from __future__ import annotations

import pytest

from vedette.guard.facts import Claim, Facts
from vedette.guard.policy import Policy
from vedette.guard.validity import live, void_at, why_void
from vedette.model import IndicatorType, Key

FACTS = Facts(key=Key(IndicatorType.DOMAIN, "evil.example"), claims=(), now=1_000)
POLICY = Policy(age_s={"domain": 100})


@pytest.mark.parametrize(
    ("claim", "at"),
    [
        (Claim("a"), 0),
        (Claim("a", expires=950), 950),
        (Claim("a", changed=500), 600),
        (Claim("a", changed=500, age_s=700), 1_200),
        (Claim("a", changed=500, age_s=700, expires=1_100), 1_100),
        (Claim("a", changed=500, expires=1_100), 600),
        (Claim("a", age_s=700), 0),
    ],
)
def test_a_claim_is_void_from_the_first_of_its_dates_on(claim: Claim, at: int) -> None:
    assert void_at(claim, FACTS, POLICY) == at


def test_what_is_void_at_this_second_does_not_count() -> None:
    claims = (Claim("a", expires=1_000), Claim("b", expires=1_001), Claim("c"))
    known = Facts(key=FACTS.key, claims=claims, now=1_000)
    assert live(known, POLICY) == [claims[1], claims[2]]


def test_an_age_below_a_day_is_told_in_hours() -> None:
    claim = Claim("a", changed=0 + 1, age_s=7_200)
    assert "older than 2 hours (rules of a)" in why_void(claim, FACTS, POLICY)
