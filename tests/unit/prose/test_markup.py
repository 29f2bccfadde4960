"""The parts of a page that nobody reads."""

from __future__ import annotations

import pytest

from vedette.prose.markup import apart


def parted(*lines: str) -> list[tuple[str, str]]:
    found = list(apart(enumerate(lines, start=1)))
    assert [number for number, _, _ in found] == list(range(1, len(lines) + 1))
    return [(shown.strip(), " ".join(hidden.split())) for _, shown, hidden in found]


@pytest.mark.parametrize(
    ("line", "shown", "hidden"),
    [
        ("evil[.]example", "evil[.]example", ""),
        ("a < b", "a < b", ""),
        ("a<script>x</script>b", "a b", ">x"),
        ("a<SCRIPT src='y'>x</Script >b<style>z</style>c", "a b c", "src='y'>x >z"),
        ("<scripture>a</scripture>", "<scripture>a<scripture>", ""),
        ("<style type='text/css'/>b", "b", "type='text/css'"),
        ("<script>'</style>' x</script>b", "b", ">'</style>' x"),
        ("<script>a", "", ">a"),
        ("b</script>c", "b<script>c", ""),
    ],
)
def test_a_line_comes_apart(line: str, shown: str, hidden: str) -> None:
    assert parted(line) == [(shown, hidden)]


def test_a_script_goes_over_lines() -> None:
    assert parted("a<script", "src=x>", "y();", "", "</script>b", "c") == [
        ("a", ""),
        ("", "src=x>"),
        ("", "y();"),
        ("", ""),
        ("b", ""),
        ("c", ""),
    ]
