"""Host names as they are on the wire: lower case, punycode, no dot at the end.

A name here has at least two labels and a possible top-level domain; underscores and hyphens are
allowed wherever the DNS allows them, because a sensor sees what malware asks for, not what the
rules for registration permit.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

import idna

from vedette.normalize.reasons import Reason, refuse

NAME_MAX = 253
LABEL_MAX = 63

is_clean_name = re.compile(
    r"(?:[a-z0-9_-]{1,63}+\.)++(?:[a-z]{2,63}|xn--[a-z0-9-]{1,59})"
).fullmatch
"""Match a name that is canonical already (its length apart)."""

_ALLOWED = re.compile(r"[a-z0-9_.-]*").fullmatch
_PATTERN = re.compile(r"[\[\](){}^$\\]").search
_SEPARATOR = re.compile(r"[\s,;|]").search
_MISDECODED_BOM = ("ï»¿", "Ôªø", "ôªø", "þÿ", "∩╗┐")
_JOINERS = "\u200c\u200d"
_SYMBOLS = frozenset({"So", "Sk"})


def canonical_name(text: str) -> str:
    """Return the one spelling of a host name.

    Raises:
        UnusableValueError: It is no name that a sensor can see.
    """
    name = text.lower() if text.isascii() else _to_ascii(text)
    name = name.removesuffix(".")
    if len(name) <= NAME_MAX and is_clean_name(name):
        return name
    return refuse(_why_not(name))


def ancestors(name: str) -> Iterator[str]:
    """Yield the names above ``name`` that have at least two labels, nearest first."""
    position = name.find(".") + 1
    last = name.rfind(".")
    while 0 < position <= last:
        yield name[position:]
        position = name.find(".", position) + 1


def reverse_key(name: str) -> str:
    """Return a key that sorts all names below ``name`` directly behind it.

    ``evil.com`` becomes ``moc!live``: ``!`` sorts before every character of a name.
    """
    return name[::-1].replace(".", "!")


def unreverse_key(key: str) -> str:
    """Return the name that :func:`reverse_key` made the key from."""
    return key.replace("!", ".")[::-1]


def check_decoding(text: str) -> None:
    """Refuse text whose bytes were read in the wrong encoding.

    Raises:
        UnusableValueError: It holds a replacement character, a lone surrogate, a byte order mark
            read as letters, or UTF-8 read as Windows-1252.
    """
    if text.startswith(_MISDECODED_BOM) or "\N{REPLACEMENT CHARACTER}" in text:
        refuse(Reason.MISDECODED)
    try:
        text.encode()
    except UnicodeEncodeError:
        refuse(Reason.MISDECODED)
    try:
        text.encode("cp1252").decode()
    except UnicodeError:
        return
    refuse(Reason.MISDECODED)


def _to_ascii(text: str) -> str:
    check_decoding(text)
    if _SEPARATOR(text):
        refuse(Reason.SEVERAL)
    if len(text) > NAME_MAX:
        refuse(Reason.TOO_LONG)
    try:
        text = idna.uts46_remap(text, std3_rules=False, transitional=False)
    except UnicodeError:
        refuse(Reason.CHARACTER)
    return ".".join(label if label.isascii() else _ace(label) for label in text.split("."))


def _ace(label: str) -> str:
    """Return the punycode form of one label, also of those that IDNA 2008 forbids (emoji)."""
    try:
        return idna.alabel(label).decode("ascii")
    except UnicodeError:
        if not all(map(_is_possible, label)):
            refuse(Reason.CHARACTER)
        ace = "xn--" + label.encode("punycode").decode("ascii")
        return ace if len(ace) <= LABEL_MAX else refuse(Reason.TOO_LONG)


def _is_possible(character: str) -> bool:
    category = unicodedata.category(character)
    return (
        category[0] in "LMN"  # letters, marks, numbers
        or category in _SYMBOLS
        or character in _JOINERS
        or character in "_-"
    )


def _why_not(name: str) -> Reason:
    """Name the reason; what is wrong with the characters comes before what is wrong with labels."""
    if not name:
        return Reason.EMPTY
    if _PATTERN(name):
        return Reason.CHARACTER
    if _SEPARATOR(name):
        return Reason.SEVERAL
    if "*" in name:
        return Reason.WILDCARD
    if not _ALLOWED(name):
        return Reason.CHARACTER
    return _why_not_labels(name.split("."))


def _why_not_labels(labels: list[str]) -> Reason:
    if sum(map(len, labels)) + len(labels) - 1 > NAME_MAX or max(map(len, labels)) > LABEL_MAX:
        return Reason.TOO_LONG
    if not all(labels):
        return Reason.EMPTY_LABEL
    return Reason.SINGLE_LABEL if len(labels) == 1 else Reason.TOP_LEVEL
