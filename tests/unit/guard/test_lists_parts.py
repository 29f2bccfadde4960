"""Words in values, both ways, against ``in``."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.guard import lists_parts
from vedette.guard.lists_parts import Words

_WORD = st.text("ab.", min_size=1, max_size=10)
_VALUE = st.text("ab.é", max_size=30)


@given(st.lists(_WORD, max_size=15, unique=True), st.lists(_VALUE, max_size=15))
def test_each_way_finds_what_python_finds(words: list[str], values: list[str]) -> None:
    expected = [
        (position, number)
        for position, value in enumerate(values)
        for number, word in enumerate(words)
        if word in value
    ]
    for vectorized in (False, True):
        assert sorted(Words(words, vectorized=vectorized).find(values)) == expected


@pytest.mark.parametrize("vectorized", [False, True])
def test_positions_go_on_through_the_parts_of_a_long_list(
    monkeypatch: pytest.MonkeyPatch, vectorized: bool
) -> None:
    monkeypatch.setattr(lists_parts, "_TEXT_MAX", 50)
    values = [f"name-{number:03}.example" for number in range(40)]
    found = Words(["name-007.exa", "39.e", "mple"], vectorized=vectorized).find(values)
    by_word: dict[int, list[int]] = {}
    for position, number in found:
        by_word.setdefault(number, []).append(position)
    assert by_word == {0: [7], 1: [39], 2: list(range(40))}
