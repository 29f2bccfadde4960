"""Parts of values and regular expressions as PHP writes them."""

from __future__ import annotations

from vedette.guard.lists_model import ListKind
from vedette.guard.lists_patterns import Pattern, Patterns, Seen, patterns_of

BOTH = frozenset({0, 1})


def find(kind: ListKind, members: list[str], values: list[str]) -> list[Seen]:
    patterns, _ = patterns_of(0, kind, members)
    return list(Patterns(patterns).find(values, BOTH))


def test_a_part_of_a_value_is_not_the_value_itself() -> None:
    assert find(ListKind.SUBSTRING, ["0-Mail.com"], ["me@0-mail.com", "0-mail.com", "x"]) == [
        Seen(0, 0, "0-mail.com", itself=False),
        Seen(1, 0, "0-mail.com", itself=True),
    ]


def test_a_regular_expression_of_php_is_understood() -> None:
    seen = find(
        ListKind.REGEX,
        [r"/^(security|noc|abuse)\@.*\..*$/i"],
        ["ABUSE@isp.example", "me@abuse.example", "x"],
    )
    assert [(one.position, one.itself) for one in seen] == [(0, True)]
    (part,) = find(ListKind.REGEX, ["#[0-9]{3}#g"], ["a123b"])
    assert not part.itself


def test_what_python_cannot_use_is_counted() -> None:
    members = ["/(/", "no delimiters", "/a/e", "", "/x/", "/(?R)/"]
    patterns, unusable = patterns_of(0, ListKind.REGEX, members)
    assert (patterns, unusable) == ([Pattern(0, "x", 0)], 5)
    assert patterns_of(0, ListKind.SUBSTRING, ["", "a", "b\nc"]) == ([Pattern(0, "a")], 2)


def test_lists_that_are_not_asked_are_not_looked_at() -> None:
    patterns = [Pattern(0, "a"), Pattern(1, "a"), Pattern(0, "a", 0)]
    assert [one.list for one in Patterns(patterns).find(["a"], frozenset({1}))] == [1]
