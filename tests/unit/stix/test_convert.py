"""One indicator object and what it becomes."""

from __future__ import annotations

import pytest

from vedette.model import Indicator, Rejected, Skipped
from vedette.stix.convert import BENIGN, NOT_YET, REVOKED, Defaults, context_of, convert
from vedette.stix.surroundings import Surroundings
from vedette.stix.wire import IndicatorObject, Phase, Reference, WireError

NOW = 1_800_000_000.0
DEFAULTS = Defaults(info="partner", tags=("from:partner",), tlp="green")


def an_indicator(**more: object) -> IndicatorObject:
    given: dict[str, object] = {
        "id": "indicator--1",
        "pattern": "[domain-name:value = 'evil.example']",
        "created": "2026-01-01T00:00:00Z",
        "modified": "2026-02-01T00:00:00Z",
        "valid_from": "2026-01-01T00:00:00Z",
    }
    return IndicatorObject(**(given | more))  # type: ignore[arg-type]


def items(indicator: IndicatorObject) -> list[Indicator | Rejected | Skipped]:
    context = context_of(indicator, Surroundings(), DEFAULTS)
    return list(convert(indicator, context, now=NOW))


def test_its_times_and_confidence_travel() -> None:
    (found,) = items(an_indicator(valid_until="2030-01-01T00:00:00Z", confidence=85))
    assert isinstance(found, Indicator)
    assert (found.changed, found.expires, found.confidence) == (1_769_904_000, 1_893_456_000, 85)
    (plain,) = items(an_indicator())
    assert isinstance(plain, Indicator)
    assert (plain.expires, plain.confidence) == (0, -1)


def test_one_that_has_expired_is_given_with_its_date() -> None:
    """The guard drops it, and says so; here it would only vanish."""
    (found,) = items(an_indicator(valid_until="2026-03-01T00:00:00Z"))
    assert isinstance(found, Indicator)
    assert 0 < found.expires < NOW


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"revoked": True}, REVOKED),
        ({"valid_from": "2030-01-01T00:00:00Z"}, NOT_YET),
        ({"indicator_types": ["benign"]}, BENIGN),
        ({"labels": ["benign"]}, BENIGN),
        ({"pattern_type": "yara", "pattern": "rule a {}"}, "pattern of type yara"),
        ({"pattern_type": "sigma"}, "pattern of type sigma"),
        ({"pattern": "[mutex:name = 'm']"}, "no engine can match mutex:name"),
    ],
)
def test_what_is_left_out_says_why(more: dict[str, object], reason: str) -> None:
    assert items(an_indicator(**more)) == [Skipped(reason)]


def test_a_value_that_is_none_is_rejected_with_its_object() -> None:
    (found,) = items(an_indicator(pattern="[domain-name:value = 'no name at all']"))
    assert isinstance(found, Rejected)
    assert found.ref == "indicator--1"


@pytest.mark.parametrize("more", [{"valid_until": "soon"}, {"valid_from": "?"}, {"pattern": ""}])
def test_an_object_that_cannot_be_understood_is_an_error(more: dict[str, object]) -> None:
    with pytest.raises(WireError):
        items(an_indicator(**more))


def test_everything_said_of_it_is_in_the_context() -> None:
    context = context_of(
        an_indicator(
            name="C2\nof Ivy",
            labels=["phishing", "tlp:amber"],
            indicator_types=["malicious-activity"],
            kill_chain_phases=[Phase("lockheed", "delivery")],
            external_references=[Reference("javascript:x"), Reference("https://a.example/1")],
        ),
        Surroundings(),
        DEFAULTS,
    )
    assert context.info == "C2 of Ivy"
    assert context.tlp == "amber"
    assert context.url == "https://a.example/1"
    assert context.date == "2026-01-01"
    assert context.tags == (
        "from:partner",
        "phishing",
        "tlp:amber",
        "indicator-type:malicious-activity",
        "kill-chain:lockheed:delivery",
    )


def test_what_the_object_does_not_say_the_operator_does() -> None:
    context = context_of(an_indicator(), Surroundings(), DEFAULTS)
    assert (context.info, context.tlp) == ("partner", "green")
