"""Bytes of any origin as lines."""

from __future__ import annotations

import io

import pytest

from vedette.errors import UsageError
from vedette.prose import lines
from vedette.prose.lines import Text


def read(data: bytes) -> list[str]:
    return [line for _number, line in Text(io.BytesIO(data), "x").lines()]


@pytest.mark.parametrize(
    "data",
    [
        b"a.example\nb.example\n",
        b"a.example\r\nb.example\r\n",
        b"a.example\rb.example\r",
        b"\xef\xbb\xbfa.example\nb.example",
        "a.example\r\nb.example".encode("utf-16"),
        "\ufeffa.example\nb.example".encode("utf-16-be"),
    ],
)
def test_every_line_end_and_encoding_is_read(data: bytes) -> None:
    assert [line for line in read(data) if line] == ["a.example", "b.example"]


def test_lines_are_whole_wherever_the_blocks_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "_BLOCK", 7)
    text = "".join(f"näme-{n}.example\n" for n in range(50))
    assert read(text.encode()) == text.split("\n")[:-1]


def test_a_line_without_end_is_cut_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "_BLOCK", 64)
    monkeypatch.setattr(lines, "LINE_MAX", 256)
    names = [f"n{n}.example" for n in range(500)]
    cut = read(",".join(names).encode())
    assert len(cut) > 10
    assert [name for line in cut for name in line.split(",") if name] == names


def test_a_word_without_end_does_not_stop_the_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "_BLOCK", 64)
    monkeypatch.setattr(lines, "LINE_MAX", 256)
    cut = read(b"x" * 2_000 + b"\nevil.example\n")
    assert "".join(cut[:-1]) == "x" * 2_000
    assert cut[-1] == "evil.example"


@pytest.mark.parametrize("data", [b"%PDF-1.7 text", b"PK\x03\x04" + bytes(range(32)) * 40])
def test_what_is_no_text_is_refused(data: bytes) -> None:
    with pytest.raises(UsageError, match="no text"):
        Text(io.BytesIO(data), "it")


def test_one_odd_byte_costs_its_word_only() -> None:
    assert read(b"b\xe9n.example and\x00 evil.example\n" * 3)[0].endswith("evil.example")


def test_a_document_that_is_too_large_is_still_read_as_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lines, "_BLOCK", 16)
    monkeypatch.setattr(lines, "DOCUMENT_MAX", 64)
    data = b'{"a": [' + b'"evil.example",\n' * 20 + b"]}"
    text = Text(io.BytesIO(data), "x")
    assert text.is_json
    assert text.whole() is None
    assert "\n".join(line for _, line in text.lines()).encode() == data


def test_a_colour_of_the_terminal_is_no_part_of_a_word() -> None:
    assert read(b"\x1b[31mevil.example\x1b[0m\n\x1b[1;38;5;9mb.example\x1b[m\n") == [
        "evil.example",
        "b.example",
    ]
