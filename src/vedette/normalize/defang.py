"""Undo what people do to indicators so that nobody clicks them.

A parser, not a replacement of substrings: ``hxxp`` is a scheme only where a scheme stands, so the
real names ``hhxxp.com`` and ``hxxp.com`` stay themselves.
"""

from __future__ import annotations

import re

_SUSPECT = re.compile(
    r"[\[({`\\]|\.[\])}]|\A\W*(?:h(?!ttps?://)\S{2,3}?p|f[x*]p)s?\W", re.IGNORECASE
)
_DOT = re.compile(r"\s*[\[({]\s*(?:\.|d[o0]t|punkt|point)\s*[\])}]\s*", re.IGNORECASE)
_SLASHES = re.compile(r"[\[({]\s*(:/{0,2}|/{1,2})\s*[\])}]")
_SCHEME = re.compile(
    r"\A(?:h(?:xx|tx|xt|\*\*|__|--|tt)p(?P<secure>s?)|(?P<file>f[x*]p))\s*:[/\\]{2}", re.IGNORECASE
)
_HALF_DOT = re.compile(r"[\[({]\.|\.[\])}]|\\\.")
_AT = re.compile(r"\s*[\[({]\s*(?:@|at)\s*[\])}]\s*", re.IGNORECASE)
_AUTHORITY = re.compile(r"\A(?:[a-z][a-z0-9+.-]*://)?[^/?#]*", re.IGNORECASE)
_WRAPPERS = {"`": "`", '"': '"', "'": "'", "<": ">"}


def refang(text: str) -> str:
    """Return a name, address or URL without defanging and without quotes around it."""
    text = unwrap(text)
    if not _SUSPECT.search(text):
        return text
    text = _until_stable(_DOT, ".", text)
    text = _until_stable(_SLASHES, r"\1", text)
    text = _SCHEME.sub(_scheme, text)
    authority = _AUTHORITY.match(text)
    end = authority.end() if authority else 0
    return _until_stable(_HALF_DOT, ".", text[:end]) + text[end:]


def refang_email(text: str) -> str:
    """Return an e-mail address, perhaps with a display name, without defanging."""
    return _until_stable(_AT, "@", _until_stable(_DOT, ".", text.strip("` \t\r\n")))


def unwrap(text: str) -> str:
    """Strip white space and what is put around a value in prose: quotes, backticks, ``<>``."""
    text = text.strip()
    while len(text) > 1 and _WRAPPERS.get(text[0]) == text[-1]:
        text = text[1:-1].strip()
    return text


def _until_stable(pattern: re.Pattern[str], replacement: str, text: str) -> str:
    while (replaced := pattern.sub(replacement, text)) != text:
        text = replaced
    return text


def _scheme(match: re.Match[str]) -> str:
    return "ftp://" if match["file"] else f"http{match['secure'].lower()}://"
