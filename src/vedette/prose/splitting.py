"""Lines of anything as the words in which values may stand, without defanging.

URLs come first, because they may hold what separates others. Then the cells of a table, then the
words of a cell: what stands alone in its cell is meant as a value, in a sentence it may not be.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from vedette.normalize import refang


class Word(NamedTuple):
    """A word that may be a value."""

    text: str
    alone: bool
    """It is all that its cell has."""
    sure: bool
    """Somebody defanged it, or it has a scheme."""


_BRACKETED = re.compile(r"\s*[\[({]\s*(?:\.|d[o0]t|@|at|:(?://)?|//?)\s*[\])}]\s*", re.IGNORECASE)
_MEANT = {"dot": ".", "d0t": ".", "at": "@"}
_URL = re.compile(
    r"(?<![A-Za-z0-9])(?:h(?:xx|tx|xt|\*\*|__|--)ps?|f[x*]p|[a-z][a-z0-9+.]{1,9})\s?:[/\\]{2}\s?"
    r"(?:(?![,;][a-z]{3,10}:[/\\])[^\s\"'<>`|\u201c\u201d\u2018\u2019])+",
    re.IGNORECASE,
)
_LINK = re.compile(r"(?<=[^\s/])[\[{]|(?<=[^:/]/)[\[{]")
_REQUEST = re.compile(r"\b(?:GET|POST|HEAD|PUT)\s+(/[^\s\"'<>`|]+)")
_CELLS = re.compile(r"[\t;|\",\u201c\u201d\u00ab\u00bb]+")
_WORDS = re.compile(r"[\s<>`'\u2018\u2019\x00-\x1f]+")
_BULLET = re.compile(r"\A(?:[-*+\u2022\u00b7\u25cf\u2013]+|\d{1,3}[.)])\s+")
_BRACKETS = re.compile(r"[\[({](?!\.)|(?<!\.)[\])}]")
_LABEL = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,20}[:=](?=[^\s:/\\=])")
_PAIRS_OF_HEX = re.compile(r"[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2})+", re.ASCII).fullmatch
_IPV6 = re.compile(r"\[[0-9a-fA-F:.]+\](?::\d+)?", re.ASCII).match
_COMMA = re.compile(r"[,;]")
_OPENING = "([{*~=+#^!.:\u2022\u00b7"
_CLOSING = ".:!?*~^+\u2026="
_CLOSING_OF_URL = ".,;:!?*+\u2026"
_PAIRS = {")": "(", "]": "[", "}": "{"}


def words(line: str) -> Iterator[Word]:
    """Yield what may be a value: URLs, paths that were asked for, then the other words."""
    plain = _BRACKETED.sub(_meant, line)
    urls: list[str] = []

    def take(match: re.Match[str]) -> str:
        urls.extend(_url(match[0]))
        return f" {match[0][comma.start() :]}" if (comma := _COMMA.search(match[0])) else " "

    rest = _URL.sub(take, plain) if ":" in plain else plain
    for text in urls:
        yield Word(text, alone=True, sure=True)
    for match in _REQUEST.finditer(rest):
        yield Word(_trimmed(match[1], _CLOSING_OF_URL), alone=True, sure=True)
    for cell in _CELLS.split(rest):
        yield from _of_cell(cell, is_defanged=plain != line)


def _of_cell(cell: str, *, is_defanged: bool) -> Iterator[Word]:
    parts = [
        piece
        for part in _WORDS.split(_BULLET.sub("", cell.strip(), count=1))
        for piece in ([part] if _IPV6(part) else _BRACKETS.split(part))
        if piece
    ]
    alone = len(parts) == 1
    for part in parts:
        text = _trimmed(part if _IPV6(part) else part.lstrip(_OPENING), _CLOSING)
        if (label := _LABEL.match(text)) and not _PAIRS_OF_HEX(text):
            text = text[label.end() :]
        meant = refang(text)
        yield Word(meant, alone, is_defanged or meant != text)


def _meant(match: re.Match[str]) -> str:
    inner = match[0].strip().strip("[](){} \t").lower()
    return _MEANT.get(inner, inner)


def _url(text: str) -> Iterator[str]:
    """Yield a URL without the text of its link: up to its first comma, which may end it, and whole.

    A comma before the path ends it surely.
    """
    start = text.index(":") + 3
    if link := _LINK.search(text, start):
        text = text[: link.start()]
    text = "".join(text.split())
    if comma := _COMMA.search(text):
        yield refang(_trimmed(text[: comma.start()], _CLOSING_OF_URL))
    if comma is None or "/" in text[start : comma.start()]:
        yield refang(_trimmed(text, _CLOSING_OF_URL))


def _trimmed(text: str, closing: str) -> str:
    """Return a word without punctuation behind it; a bracket goes if it was not opened in it."""
    while text:
        last = text[-1]
        opened = _PAIRS.get(last)
        if last not in closing and (opened is None or text.count(opened) >= text.count(last)):
            break
        text = text[:-1]
    return text
