"""Lines of a list: numbered, bounded, and never cut by a block."""

from __future__ import annotations

import io

import pytest

from vedette.errors import SourceError
from vedette.files import open_decompressed
from vedette.sources.text import LINE_MAX, Text, Unreadable


def text_of(data: bytes) -> Text:
    return Text(open_decompressed(io.BytesIO(data)), "the list")


def lines_of(data: bytes) -> list[tuple[int, str | Unreadable]]:
    return list(text_of(data).lines())


def test_lines_have_their_numbers_and_their_ends_do_not_matter() -> None:
    assert [
        (number, line.strip()) for number, line in lines_of(b"a\r\nb\n\nc") if isinstance(line, str)
    ] == [
        (1, "a"),
        (2, "b"),
        (3, ""),
        (4, "c"),
    ]
    assert lines_of(b"") == []


def test_a_byte_order_mark_is_no_part_of_the_first_value() -> None:
    assert lines_of(b"\xef\xbb\xbfa.example\n") == [(1, "a.example")]
    assert text_of(b"\xef\xbb\xbfa.example\nb").sample() == ["a.example", "b"]


def test_no_line_is_cut_where_a_block_ends() -> None:
    expected = [f"name-{number}-ü.example" for number in range(100_000)]
    assert [line for _, line in lines_of("\n".join(expected).encode())] == expected


def test_a_line_that_is_not_utf8_costs_only_itself() -> None:
    assert lines_of(b"a\nb\xfcb\nc\n") == [
        (1, "a"),
        (2, Unreadable("b\ufffdb", "not UTF-8")),
        (3, "c"),
    ]


@pytest.mark.parametrize("length", [LINE_MAX + 1, 300_000, 3_000_000])
@pytest.mark.parametrize("before", [b"", b"a\n", b"x" * 60_000 + b"\n"])
def test_a_line_of_megabytes_costs_only_itself(length: int, before: bytes) -> None:
    after = b"".join(b"%d.example\n" % number for number in range(50_000))
    lines = lines_of(before + b"y" * length + b"\n" + after)
    start = before.count(b"\n")
    number, line = lines[start]
    assert number == start + 1
    assert line == Unreadable("y" * 200, "line too long")
    assert lines[start + 1] == (start + 2, "0.example")
    assert len(lines) == start + 1 + 50_000
    assert lines[-1] == (start + 1 + 50_000, "49999.example")


def test_a_line_is_measured_in_bytes() -> None:
    assert isinstance(lines_of("ü".encode() * (LINE_MAX // 2))[0][1], str)
    assert isinstance(lines_of("ü".encode() * (LINE_MAX // 2 + 1))[0][1], Unreadable)


def test_the_sample_has_whole_lines_only() -> None:
    sample = text_of(b"x" * 40_000 + b"\n" + b"y" * 40_000 + b"\n").sample()
    assert sample == ["x" * 40_000]


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"\n <!DOCTYPE html><html>login", "a web page"),
        (b"\xef\xbb\xbf<HTML>", "a web page"),
        (b'{"Event": {}}', "JSON"),
        (b'[{"a": 1}]', "JSON"),
        (b"PK\x03\x04rest", "a zip archive"),
        (b"%PDF-1.7", "a PDF"),
        (b"\xff\xfea\x00", "UTF-16 text"),
        (b"misp/".ljust(257, b"\0") + b"ustar", "a tar archive"),
    ],
)
def test_what_is_no_list_is_named(data: bytes, what: str) -> None:
    with pytest.raises(SourceError, match=f"the list is {what}, not a list") as failed:
        text_of(data)
    assert failed.value.hint


def test_the_header_of_an_ad_blocker_list_is_no_json() -> None:
    assert lines_of(b"[Adblock Plus 2.0]\n")[0] == (1, "[Adblock Plus 2.0]")
    assert lines_of(b"[2001:db8::1]:80\n")[0] == (1, "[2001:db8::1]:80")
