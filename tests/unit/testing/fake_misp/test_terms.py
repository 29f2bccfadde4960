from __future__ import annotations

import pytest

from vedette.testing.fake_misp.terms import moment, terms, time_test

NOW = 1_700_000_000


@pytest.mark.parametrize(
    ("asked", "passing"),
    [
        ("domain", ["domain"]),
        (["domain", "URL"], ["domain", "url"]),
        ("!domain", ["url", "md5"]),
        (["!domain", "!url"], ["md5"]),
        ({"NOT": ["md5", "url"]}, ["domain"]),
        ({"OR": ["md5", "url"], "NOT": ["url"]}, ["md5"]),
        ("%d%", ["domain", "md5"]),
    ],
)
def test_filters_are_lists_negations_and_wildcards(asked: object, passing: list[str]) -> None:
    found = terms(asked)
    assert found is not None
    assert [one for one in ("domain", "url", "md5") if found.allow_value(one)] == passing


def test_all_of_several_tags_can_be_asked_for() -> None:
    found = terms({"AND": ["a", "b"]})
    assert found is not None
    assert (found.allow_any(["a", "B", "c"]), found.allow_any(["a"])) == (True, False)


@pytest.mark.parametrize("nothing", [None, "", []])
def test_nothing_is_no_filter(nothing: object) -> None:
    assert terms(nothing) is None


def test_moments_are_seconds_ages_and_dates() -> None:
    assert moment("1600000000", NOW) == moment(1_600_000_000, NOW) == 1_600_000_000
    assert moment("2h", NOW) == NOW - 7_200
    assert moment("2023-11-14", NOW) == 1_699_920_000
    assert moment("bogus", NOW) is None


def test_a_window_is_from_the_older_to_the_newer_whichever_comes_first() -> None:
    for window in (["1d", "1h"], ["1h", "1d"]):
        test = time_test(window, NOW)
        assert [test(NOW - s) for s in (100_000, 7_200, 60)] == [False, True, False]
    assert not time_test("bogus", NOW)(NOW)
