"""Where words are in a line, and what was done to them so that nobody clicks them."""

from __future__ import annotations

import pytest

from vedette.prose.splitting import words


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("evil[.]com", ["evil.com"]),
        ("evil (dot) com", ["evil.com"]),
        ("- `evil[.com`", ["evil.com"]),
        ("user [at] evil [.] com", ["user@evil.com"]),
        ("hxxps[:]//evil[.]com/a", ["https://evil.com/a"]),
        ("hXXp://evil(.)com/a).", ["http://evil.com/a"]),
        ("http://evil.com/a[article]", ["http://evil.com/a"]),
        ("||evil.com^", ["evil.com"]),
        ("a.com;b.com|c.com\td.com", ["a.com", "b.com", "c.com", "d.com"]),
        ('"a.com","b.com"', ["a.com", "b.com"]),
        ("C2=evil.com:8080", ["evil.com:8080"]),
        ("MD5: 0123", ["MD5", "0123"]),
        ("AA:BB:CC", ["AA:BB:CC"]),
        ("[2001:db8::1]:443", ["[2001:db8::1]:443"]),
        ("1. evil.com", ["evil.com"]),
        ("http://a.com/x,http://b.com/y", ["http://a.com/x", "http://b.com/y"]),
        ("http://1.2.3.4:80,#c2", ["http://1.2.3.4:80", "c2"]),
        ("hhxxp.com", ["hhxxp.com"]),
    ],
)
def test_values_are_cut_out_and_refanged(line: str, expected: list[str]) -> None:
    assert [word.text for word in words(line) if word.text] == expected


def test_a_comma_may_belong_to_a_url_or_end_it() -> None:
    found = [word.text for word in words("http://a.com/b,c.html")]
    assert found[:2] == ["http://a.com/b", "http://a.com/b,c.html"]


def test_a_path_that_was_asked_for_is_found() -> None:
    (found,) = [
        w for w in words("- GET /gate/x.php?l=1.cab") if w.text.startswith("/gate") and w.sure
    ]
    assert found.text == "/gate/x.php?l=1.cab"


def test_alone_is_what_fills_its_cell_and_sure_is_what_was_defanged() -> None:
    alone = {word.text: word.alone for word in words("evil.com,seen with other.com")}
    assert (alone["evil.com"], alone["other.com"]) == (True, False)
    sure = {word.text: word.sure for word in words("evil[.]com")}
    assert sure == {"evil.com": True}
    assert not any(word.sure for word in words("evil.com"))
