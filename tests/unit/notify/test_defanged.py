"""Nothing in a message can be clicked, mentions anybody, or is markup."""

from __future__ import annotations

import pytest

from vedette.normalize.defang import refang
from vedette.notify.defanged import TEXT_MAX, defanged


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("www.evil.example", "www[.]evil[.]example"),
        ("192.0.2.1", "192[.]0[.]2[.]1"),
        ("https://evil.example/a?b=c", "https[:]//evil[.]example/a?b=c"),
        ("a@evil.example", "a[@]evil[.]example"),
        ("Phishing at evil.example. Again", "Phishing at evil[.]example. Again"),
        ("@everyone <!channel> [x](y) `z`", "[@]everyone _!channel_ _x_(y) _z_"),
        ("two\nlines\x1b[31m", "two lines?_31m"),
        ("d41d8cd98f00b204e9800998ecf8427e", "d41d8cd98f00b204e9800998ecf8427e"),
    ],
)
def test_what_is_shown(text: str, shown: str) -> None:
    assert defanged(text) == shown


@pytest.mark.parametrize("value", ["www.evil.example", "192.0.2.1", "https://evil.example/a?b=c"])
def test_our_own_parser_reads_it_back(value: str) -> None:
    assert refang(defanged(value)) == value


def test_what_is_long_is_cut() -> None:
    assert len(defanged("x" * 5_000)) == TEXT_MAX
