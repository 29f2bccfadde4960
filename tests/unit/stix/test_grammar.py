"""The fast reading of plain patterns against OASIS' parser, and what that parser finds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.stix.grammar import Comparison, Reason, Unreadable, alternatives, parsed

STEPS = ["value", "hashes.MD5", "hashes.'SHA-256'", "to_refs[*].value", "a_b.'x \\' y'.c[3]"]
LITERALS = ["a.example", "", "it\\'s", "back\\\\slash", "] OR [a:b = ", "x OR y", "ü\u2028", "  "]

comparisons = st.builds(
    "{}:{}{}'{}'".format,
    st.sampled_from(["domain-name", "file", "x-9"]),
    st.sampled_from(STEPS),
    st.sampled_from(["=", " = ", " == ", "\t=\n"]),
    st.sampled_from(LITERALS),
)
brackets = st.lists(comparisons, min_size=1, max_size=3).map(lambda two: f"[{' OR '.join(two)} ]")
patterns = st.lists(brackets, min_size=1, max_size=3).map(" OR ".join)


@given(patterns)
def test_plain_patterns_are_read_as_the_parser_reads_them(pattern: str) -> None:
    assert list(alternatives(pattern)) == list(parsed(pattern))


@given(patterns, st.integers(0, 60), st.sampled_from(["", "]", "'", "\\", "[", " AND ", "\x00"]))
def test_what_is_no_pattern_is_none_for_both(pattern: str, place: int, put: str) -> None:
    damaged = pattern[:place] + put + pattern[place + 1 :]
    try:
        expected = list(parsed(damaged))
    except Unreadable:
        with pytest.raises(Unreadable):
            list(alternatives(damaged))
    else:
        assert list(alternatives(damaged)) == expected


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("[a:b = 'c'] AND [a:b = 'd']", Reason.OBSERVATIONS),
        ("[a:b = 'c'] FOLLOWEDBY [a:b = 'd']", Reason.FOLLOWED),
        ("[a:b = 'c'] REPEATS 5 TIMES WITHIN 60 SECONDS", Reason.REPEATED),
        (
            "[a:b = 'c'] START t'2026-01-01T00:00:00Z' STOP t'2026-02-01T00:00:00Z'",
            Reason.PERIOD,
        ),
    ],
)
def test_what_takes_several_observations_is_named(pattern: str, reason: Reason) -> None:
    assert list(alternatives(pattern)) == [reason]


@pytest.mark.parametrize(
    "pattern", ["[a:b = 'c'] WITHIN 5 SECONDS", "([a:b = 'c'])", "[(a:b = 'c')] REPEATS 1 TIMES"]
)
def test_what_says_nothing_of_one_observation_is_passed_over(pattern: str) -> None:
    assert list(alternatives(pattern)) == [(Comparison("a", ("b",), "c"),)]


def test_or_gives_alternatives_and_and_gives_what_holds_together() -> None:
    found = list(alternatives("[a:b = '1' AND (a:c = '2' OR a:d IN ('3', '4'))] OR [a:e = 5]"))
    values = [tuple(one.value for one in branch) for branch in found if isinstance(branch, tuple)]
    assert values == [("1", "2"), ("1", "3"), ("1", "4"), ("5",)]


@pytest.mark.parametrize(
    ("test", "reason"),
    [
        ("a:b != 'c'", Reason.NEGATED),
        ("a:b NOT = 'c'", Reason.NEGATED),
        ("a:b NOT IN ('c', 'd')", Reason.NEGATED),
        ("a:b > 5", Reason.ORDERED),
        ("a:b LIKE 'c%'", Reason.WILDCARD),
        ("a:b LIKE 'c_d'", Reason.WILDCARD),
        ("a:b LIKE '%.c%.example'", Reason.WILDCARD),
        ("a:b MATCHES '^c.example$'", Reason.EXPRESSION),
        ("a:b MATCHES 'c'", Reason.EXPRESSION),
        ("a:b MATCHES '^c\\\\d$'", Reason.EXPRESSION),
        ("a:b ISSUPERSET '198.51.100.7'", Reason.SUPERSET),
        ("a:b = true", Reason.LITERAL),
        ("a:b = t'2026-01-01T00:00:00Z'", Reason.LITERAL),
        ("EXISTS a:b", Reason.EXISTS),
    ],
)
def test_a_comparison_with_more_than_one_value_is_refused(test: str, reason: Reason) -> None:
    (branch,) = alternatives(f"[{test}]")
    assert isinstance(branch, tuple)
    assert [one.refused for one in branch] == [reason]


@pytest.mark.parametrize(
    ("test", "value"),
    [
        ("a:b LIKE '%.evil.example'", "*.evil.example"),
        ("a:b LIKE 'evil.example'", "evil.example"),
        ("a:b MATCHES '^evil\\\\.example$'", "evil.example"),
        ("a:b ISSUBSET '198.51.100.0/24'", "198.51.100.0/24"),
        ("a:b = 443", "443"),
    ],
)
def test_a_comparison_with_one_value_in_disguise_is_that_value(test: str, value: str) -> None:
    assert list(alternatives(f"[{test}]")) == [(Comparison("a", ("b",), value),)]


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("", Reason.SYNTAX),
        ("evil.example", Reason.SYNTAX),
        ("[a:b = 'c'", Reason.SYNTAX),
        ("[a:b = 'c' AND]", Reason.SYNTAX),
        ("(" * 3_000 + "[a:b = 'c']" + ")" * 3_000, Reason.NESTED),
        ("[a:b > 1]" + " " * 300_000, Reason.TOO_LONG),
    ],
)
def test_what_cannot_be_read_says_why(pattern: str, reason: Reason) -> None:
    with pytest.raises(Unreadable, match=reason):
        list(alternatives(pattern))


def test_thousands_of_alternatives_are_read_by_both() -> None:
    pattern = "[" + " OR ".join(f"a:b = '{n}'" for n in range(2_000)) + "]"
    assert len(list(alternatives(pattern))) == len(list(parsed(pattern))) == 2_000


def test_what_multiplies_without_end_is_refused() -> None:
    either = "(" + " OR ".join(f"a:b = '{n}'" for n in range(20)) + ")"
    assert list(alternatives(f"[{' AND '.join([either] * 4)}]")) == [Reason.COMBINATIONS]
