"""What one word is, if it is a value: by its shape alone, and in its most usual meaning.

A name that may be a file's too is given as both: only its reader knows what was meant.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum

from vedette.errors import UnusableValueError
from vedette.model import IndicatorType as T
from vedette.model import Key
from vedette.normalize import normalize
from vedette.prose.endings import BOTH, FILE_ONLY, is_common

Keys = tuple[Key, ...]

_BY_LENGTH = {32: T.MD5, 40: T.SHA1, 64: T.SHA256}
_CERTIFICATES = {16: T.CERT_MD5, 20: T.CERT_SHA1, 32: T.CERT_SHA256}
_MAC = 6
_OTHER_HASHES = frozenset({56, 96, 128})

_HEX = re.compile(r"[0-9a-fA-F]{32,128}", re.ASCII).fullmatch
_PAIRS = re.compile(r"[0-9a-fA-F]{2}(?:[:-][0-9a-fA-F]{2}){5,31}", re.ASCII).fullmatch
_JA4 = re.compile(r"[tqd]\w{9}_[0-9a-f]{12}_[0-9a-f]{12}", re.ASCII | re.IGNORECASE).fullmatch
_URL = re.compile(r"[a-z][a-z0-9+.-]*:[/\\]{2}", re.ASCII | re.IGNORECASE).match
_V4 = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}(?:[:,]\d{1,5}|/\d{1,2})?", re.ASCII).fullmatch
_V6 = re.compile(
    r"(?=.*::|(?:\[?[0-9a-f]*:){6})\[?[0-9a-f:.]+(?:/\d{1,3}|\](?::\d{1,5})?)?",
    re.ASCII | re.IGNORECASE,
).fullmatch
_MAIL = re.compile(r"(?:mailto:)?[^\s@/:]+@[^\s@/]+\.[^\s@/]+", re.IGNORECASE).fullmatch
_HOST_AND_PATH = re.compile(r"[^\s/\\:@]+\.[^\s/\\:@]+(?::\d{1,5}:?)?/.*").fullmatch
_NAME = re.compile(r"(?:\*?\.)?[^\s/\\:@.]+(?:\.[^\s/\\:@.]+)+\.?(?::\d{1,5})?").fullmatch
_WINDOWS = re.compile(r"(?:[a-zA-Z]:|%\w+%|\.{1,2}|\w[\w.-]*)?\\.*[^\\]\.\w{1,5}").fullmatch
_STRAY_COLON = re.compile(r"(:\d{1,5}):(?=/)")
_PATH = re.compile(r"/[^\s/].*").fullmatch
_LETTER = re.compile(r"[^\W\d_]").search
_DOTS_OF_AN_ADDRESS = 3


class Why(StrEnum):
    """Why a word that looks like a value is none, beside the reasons of ``normalize``."""

    UNCOMMON = "dotted word in prose, neither defanged nor with a common ending"
    MAC = "MAC address"
    HASH = "hash of a kind that no sensor computes"
    UNKNOWN = "nothing that a network shows"


def meanings(word: str, *, alone: bool, sure: bool) -> Keys:
    """Return what a word without defanging may be; nothing if it is just a word.

    Args:
        word: Without white space, quotes and punctuation around it.
        alone: It is all that its line or its cell has.
        sure: Somebody defanged it: a value is meant.

    Raises:
        UnusableValueError: It looks like a value and cannot be used; the text says why.
    """
    for looks_like, mean in _SHAPES:
        if looks_like(word):
            return mean(word)
    if _NAME(word):
        return _name(word, trusted=alone or sure)
    if alone and _PATH(word):
        return (normalize(T.URI, word),)
    return ()


def _hash(word: str) -> Keys:
    kind = _BY_LENGTH.get(len(word))
    if kind is None:
        raise UnusableValueError(Why.HASH if len(word) in _OTHER_HASHES else "wrong hash length")
    return (Key(kind, word.lower()),)


def _pairs(word: str) -> Keys:
    digits = word.replace("-", "").replace(":", "").lower()
    kind = _CERTIFICATES.get(len(digits) // 2)
    if kind is None:
        wrong = Why.MAC if len(digits) // 2 == _MAC else "wrong hash length"
        raise UnusableValueError(wrong)
    return (Key(kind, digits),)


def _url(word: str) -> Keys:
    word = _STRAY_COLON.sub(r"\1", word)
    try:
        return (normalize(T.URL, word),)
    except UnusableValueError:
        scheme, _, rest = word.replace("\\", "/").partition("://")
        if scheme.lower() in {"http", "https"}:
            raise
        # Of ftp, tcp, ldap... the network shows the host.
        return (normalize(T.URL, f"http://{rest.partition('/')[0]}"),)


def _address(word: str) -> Keys:
    return (normalize(T.IP_DST, word),)


def _mail(word: str) -> Keys:
    return (normalize(T.EMAIL_SRC, word),)


def _host_and_path(word: str) -> Keys:
    return (normalize(T.URL, _STRAY_COLON.sub(r"\1", word)),)


def _windows(word: str) -> Keys:
    return (normalize(T.FILENAME, word),)


def _name(word: str, *, trusted: bool) -> Keys:
    name = word.lower().rstrip(".").partition(":")[0]
    ending = name.rpartition(".")[2]
    if not _LETTER(ending) and (not trusted or name.count(".") != _DOTS_OF_AN_ADDRESS):
        return ()  # a version, a number, a date
    if len(ending) == 1:
        return ()  # e.g., i.e.
    if ending in FILE_ONLY:
        stem = name.rpartition(".")[0]  # samples are often named after their hash
        return (normalize(T.FILENAME, word), *(_hash(stem) if _HEX(stem) else ()))
    if not trusted and not is_common(name):
        raise UnusableValueError(Why.UNCOMMON)
    keys: Keys = (normalize(T.DOMAIN, word),)
    if ending in BOTH:
        keys = (*keys, normalize(T.FILENAME, word))
    return keys


_SHAPES: tuple[tuple[Callable[[str], object], Callable[[str], Keys]], ...] = (
    (_HEX, _hash),
    (_URL, _url),
    (_PAIRS, _pairs),
    (_V4, _address),
    (_V6, _address),
    (_JA4, lambda word: (normalize(T.JA4, word),)),
    (_MAIL, _mail),
    (_WINDOWS, _windows),
    (_HOST_AND_PATH, _host_and_path),
)
