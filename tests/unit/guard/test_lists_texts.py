"""The table of texts, against a dictionary; with texts whose CRC is the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.guard import lists_texts
from vedette.guard.lists_model import ListKind
from vedette.guard.lists_texts import Sets, TextRows, Texts

TWINS = ("plumless", "buckeroo")
"""Two words with one CRC-32."""


def table(
    lists: Mapping[int, tuple[ListKind, Sequence[str]]],
) -> tuple[Texts, list[tuple[int, ...]]]:
    rows, sets = TextRows(), Sets()
    for number, (kind, members) in lists.items():
        rows.add(number, kind, members)
    sections = {name: memoryview(data) for name, data in rows.freeze(sets).items()}
    return Texts(sections), sets.all()


def strings(*members: str) -> dict[int, tuple[ListKind, Sequence[str]]]:
    return {0: (ListKind.STRING, members)}


def test_the_same_crc_is_not_the_same_text() -> None:
    assert crc32(TWINS[0].encode()) == crc32(TWINS[1].encode())
    one, _ = table(strings(TWINS[0]))
    assert [position for position, _, _ in one.whole(TWINS)] == [0]
    both, sets = table({0: (ListKind.STRING, TWINS[:1]), 1: (ListKind.STRING, TWINS[1:])})
    found = both.whole(TWINS)
    assert [both.member(row) for _, row, _ in found] == list(TWINS)
    assert [sets[both.set_of(row)] for _, row, _ in found] == [(0,), (1,)]


def test_a_name_above_counts_only_on_lists_of_names() -> None:
    texts, _ = table(
        {
            0: (ListKind.HOSTNAME, ["evil.example", "b.evil.example"]),
            1: (ListKind.STRING, ["c.evil.example"]),
        }
    )
    found = texts.names(
        ["a.b.c.evil.example", "x.b.evil.example", "evil.example", "c.evil.example"]
    )
    assert [(position, texts.member(row), cut) for position, row, cut in found] == [
        (0, "evil.example", 6),
        (1, "b.evil.example", 2),
        (1, "evil.example", 4),
        (2, "evil.example", 0),
        (3, "c.evil.example", 0),
        (3, "evil.example", 2),
    ]


def test_of_a_name_with_www_the_rest_is_looked_up_on_all_lists() -> None:
    texts, _ = table(strings("shop.example", "a.example"))
    found = texts.names(["www.shop.example", "x.shop.example", "www.x.shop.example"])
    assert [(position, cut) for position, _, cut in found] == [(0, 4)]


def test_a_top_level_domain_on_a_list_of_names_covers_all_names_in_it() -> None:
    texts, _ = table({0: (ListKind.HOSTNAME, ["test"])})
    assert texts.names(["a.b.test", "test.example"]) == [(0, 0, 4)]


def test_dots_case_and_alphabet_of_members_do_not_matter() -> None:
    texts, _ = table(strings(".Evil.Example", "end.example.", " vak\u0131fbank.com", "ABCDEF"))
    asked = ["evil.example", "end.example", "xn--vakfbank-vkb.com", "abcdef", "ABCDEF"]
    assert [position for position, _, _ in texts.whole(asked)] == [0, 1, 2, 3]


def test_what_is_no_text_is_counted() -> None:
    rows = TextRows()
    assert rows.add(0, ListKind.STRING, ["", "  ", "...", "a\nb", "good", "\udcff"]) == 4


def test_without_numpy_the_same_table_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def sections() -> dict[str, bytes]:
        rows = TextRows()
        rows.add(0, ListKind.HOSTNAME, [f"n{n}.example" for n in range(200)])
        rows.add(1, ListKind.STRING, [f"n{n}.example" for n in range(100, 300)])
        return rows.freeze(Sets())

    made = sections()
    monkeypatch.setattr(lists_texts, "HAS_NUMPY", False)
    assert sections() == made


def test_a_member_of_two_lists_is_there_once() -> None:
    texts, sets = table({3: (ListKind.STRING, ["a", "a"]), 1: (ListKind.STRING, ["a"])})
    ((_, row, _),) = texts.whole(["a"])
    assert sets[texts.set_of(row)] == (1, 3)


_LABEL = st.text("ab", min_size=1, max_size=2)
_NAME = st.lists(_LABEL, min_size=2, max_size=4).map(".".join)


@given(st.lists(_NAME, max_size=20), st.lists(_NAME, max_size=20), st.lists(_NAME, max_size=20))
def test_all_that_is_there_is_found_and_nothing_else(
    below: list[str], exact: list[str], asked: list[str]
) -> None:
    texts, sets = table({0: (ListKind.HOSTNAME, below), 1: (ListKind.STRING, exact)})
    found = {
        (position, cut, number)
        for position, row, cut in texts.names(asked)
        for number in sets[texts.set_of(row)]
        if number == 0 or cut == 0
    }
    assert found == {
        (position, cut, number)
        for position, name in enumerate(asked)
        for cut in range(len(name))
        if cut == 0 or name[cut - 1] == "."
        for number, members in enumerate((below, exact))
        if name[cut:] in members and (number == 0 or cut == 0)
    }
