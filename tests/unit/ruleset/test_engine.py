"""A sensor's version names exactly one profile, and a target is spelt one way."""

from __future__ import annotations

import pytest

from vedette.buffers import Profile
from vedette.errors import UsageError
from vedette.ruleset.engine import PLAIN, Target, profile_for


@pytest.mark.parametrize(
    ("version", "profile"),
    [
        ((7, 0, 0), Profile.V7_0),
        ((7, 0, 10), Profile.V7_0),
        ((7, 1), Profile.V7_0),
        ((8, 0, 0), Profile.V8_0),
        ((8, 0, 6), Profile.V8_0),
        ((8, 0, 7), Profile.V8_0_7),
        ((9, 0, 0), Profile.V8_0_7),
    ],
)
def test_a_version_has_the_newest_profile_it_reaches(
    version: tuple[int, ...], profile: Profile
) -> None:
    assert profile_for(version) is profile


def test_an_engine_of_the_sixth_series_is_refused_with_its_version() -> None:
    with pytest.raises(UsageError, match=r"6\.0\.20 is too old: Vedette needs 7\.0"):
        profile_for((6, 0, 20))


@pytest.mark.parametrize("text", ["7.0", "8.0", "8.0.7", "8.0+context", "8.0.7+context"])
def test_a_target_reads_its_own_spelling(text: str) -> None:
    assert str(Target.parse(text)) == text


@pytest.mark.parametrize("text", ["", "6.0", "8.0+", "8.0+ctx", "+context", "8.0.7+context+x"])
def test_an_unknown_target_names_the_known_ones(text: str) -> None:
    with pytest.raises(UsageError, match="no engine profile") as failure:
        Target.parse(text)
    assert "8.0.7" in failure.value.hint


def test_7_0_has_no_context_in_its_alerts() -> None:
    with pytest.raises(UsageError, match="no JSON datasets"):
        Target.parse("7.0+context")


def test_all_plain_profiles_are_built_by_default() -> None:
    assert [str(target) for target in PLAIN] == ["7.0", "8.0", "8.0.7"]
    assert [target.match_subdomain for target in PLAIN] == [False, False, True]
