"""A sensor may send so much, another's does not count."""

from __future__ import annotations

import pytest

from vedette.web.allowance import _KEPT_MAX, Allowance
from vedette.web.refusing import Refusal


def test_a_burst_is_taken_and_more_comes_back_with_time() -> None:
    allowed = Allowance("reports", burst=3, per_s=0.5)
    for _ in range(3):
        allowed.take("gate", 1, now=100.0)
    with pytest.raises(Refusal, match="too many reports from sensor 'gate'") as raised:
        allowed.take("gate", 1, now=101.0)
    assert raised.value.status == 429
    assert raised.value.headers["retry-after"] == "2"
    allowed.take("gate", 1, now=102.0)
    with pytest.raises(Refusal):
        allowed.take("gate", 1, now=102.0)


def test_the_bucket_never_holds_more_than_the_burst() -> None:
    allowed = Allowance("reports", burst=2, per_s=1)
    for _ in range(2):
        allowed.take("gate", 1, now=1_000_000.0)
    with pytest.raises(Refusal):
        allowed.take("gate", 1, now=1_000_000.0)


def test_a_large_amount_waits_for_a_full_bucket_and_not_for_ever() -> None:
    allowed = Allowance("bytes", burst=10, per_s=1)
    allowed.take("gate", 1_000, now=0.0)
    with pytest.raises(Refusal):
        allowed.take("gate", 1_000, now=9.0)
    allowed.take("gate", 1_000, now=10.0)


def test_sensors_do_not_share() -> None:
    allowed = Allowance("reports", burst=1, per_s=1)
    allowed.take("gate", 1, now=0.0)
    allowed.take("edge", 1, now=0.0)
    with pytest.raises(Refusal):
        allowed.take("gate", 1, now=0.0)


def test_many_names_do_not_fill_the_memory() -> None:
    allowed = Allowance("reports", burst=1, per_s=1)
    for number in range(_KEPT_MAX + 50):
        allowed.take(str(number), 1, now=0.0)
    assert len(allowed._buckets) == _KEPT_MAX
