"""What one word is; tests/unit/hunt/test_words.py has every shape, in all its meanings."""

from __future__ import annotations

import pytest

from vedette.errors import UnusableValueError
from vedette.prose.words import Why, meanings


def told(word: str, *, alone: bool = True, sure: bool = False) -> list[str]:
    return [f"{kind}={value}" for kind, value in meanings(word, alone=alone, sure=sure)]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("Evil.COM", ["domain=evil.com"]),
        ("198.51.100.7", ["ip-dst=198.51.100.7"]),
        ("198.51.100.7:443", ["ip-dst-port=198.51.100.7,443"]),
        ("a@evil.com", ["email-src=a@evil.com"]),
        ("A" * 32, [f"md5={'a' * 32}"]),
        ("A" * 40, [f"sha1={'a' * 40}"]),
        ("A" * 64, [f"sha256={'a' * 64}"]),
        (":".join(["AB"] * 20), [f"cert-sha1={'ab' * 20}"]),
        ("hhxxp.com", ["domain=hhxxp.com"]),
        ("invoice.exe", ["filename=invoice.exe"]),
        ("readme.md", ["domain=readme.md", "filename=readme.md"]),
        ("word", []),
    ],
)
def test_a_word_is_what_it_most_usually_means(word: str, expected: list[str]) -> None:
    assert told(word) == expected


def test_a_dotted_word_of_a_sentence_that_ends_like_no_name_is_doubted() -> None:
    with pytest.raises(UnusableValueError, match=Why.UNCOMMON):
        told("end.Then", alone=False)
