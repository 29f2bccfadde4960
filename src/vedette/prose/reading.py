"""What a report wants to be looked for, told from what it only mentions.

A report names its sources, its author's site and the programs of its victims beside its
indicators. Who writes indicators defangs them, or lists them: what is neither is shown, not taken.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple

from vedette.errors import UnusableValueError
from vedette.model import IndicatorType as T
from vedette.model import Key
from vedette.prose.splitting import Word, words
from vedette.prose.words import meanings


class Evidence(StrEnum):
    """Why a value is believed to be meant."""

    DEFANGED = "defanged"
    ALONE = "alone"
    """It fills its line, or its cell of a table."""
    LINK = "link"
    """It does, and whoever reads it can click on it."""
    MENTIONED = "mentioned"
    """It stands in a sentence as it is."""


class Found(NamedTuple):
    """A value, where it stands, and how."""

    key: Key
    line: int
    evidence: Evidence


class Doubted(NamedTuple):
    """What looks like a value and is not taken."""

    text: str
    line: int
    reason: str


class Doubt(StrEnum):
    """Why something that could be a value is not taken without being asked for."""

    MENTIONED = "mentioned, neither defanged nor alone in its line"
    LINK = "link that can be clicked on, beside other indicators"
    FILENAME = "file name"
    PATH = "path without a host"


_PLAIN = frozenset({T.MD5, T.SHA1, T.SHA256, T.CERT_MD5, T.CERT_SHA1, T.CERT_SHA256, T.JA4})
"""What nobody defangs, and nobody writes but to name it."""
_LINKS = ("http://", "https://", "ftp://")
_CELLS = re.compile(r"[\t,;|]").split
_AROUND = " \r\"'`<>*+-\u2022"
_HOSTS_OF_A_LIST = 3
_RATHER_FILES = frozenset({"cab", "mov", "py", "sh", "so", "zip"})
"""Endings that are top-level domains too, and hardly ever meant as such."""


def read_prose(lines: Iterable[tuple[int, str]]) -> Iterator[Found | Doubted]:
    """Yield everything that looks like a value, in order, with repetitions."""
    for number, line in lines:
        if len(line) < _SHORTEST and not _SIGN(line):
            continue
        for word in words(line):
            yield from _of_word(word, line, number)


_SHORTEST = 32  # characters of the shortest value without such a sign, an MD5
_SIGN = re.compile(r"[.:/\\\[({]").search


def chosen(
    found: Iterable[Found | Doubted], *, everything: bool = False
) -> Iterator[Found | Doubted]:
    """Yield each value once, as found or, if it is only mentioned, as doubted.

    Args:
        found: What :func:`read_prose` gave; it is held until its end is known.
        everything: Take what is only mentioned too.
    """
    whole = list(found)
    best: dict[Key, Found] = {}
    for one in whole:
        if isinstance(one, Doubted):
            yield one
        elif one.key not in best or _RANK[one.evidence] < _RANK[best[one.key].evidence]:
            best[one.key] = one
    links = _means_its_links(best.values())
    for key, one in best.items():
        doubt = None if everything else _doubt(one, links=links)
        yield one if doubt is None else Doubted(key.value, one.line, doubt.value)


_RANK = {evidence: rank for rank, evidence in enumerate(Evidence)}


def _means_its_links(found: Collection[Found]) -> bool:
    """Whether links that stand alone are indicators: in a list of them, and not under a report."""
    if any(one.evidence is Evidence.DEFANGED for one in found):
        return False
    links = [one.key.value for one in found if one.evidence is Evidence.LINK]
    hosts = {value.partition("/")[0] for value in links}
    return len(hosts) >= _HOSTS_OF_A_LIST or 2 * len(links) >= len(found)


def _doubt(found: Found, *, links: bool) -> Doubt | None:
    kind, evidence = found.key.type, found.evidence
    if kind is T.FILENAME:
        return Doubt.FILENAME
    if kind is T.URI:
        return Doubt.PATH
    if kind in _PLAIN or evidence is Evidence.DEFANGED:
        return None
    if evidence is Evidence.LINK and not links:
        return Doubt.LINK
    return Doubt.MENTIONED if evidence is Evidence.MENTIONED else None


def _of_word(word: Word, line: str, number: int) -> Iterator[Found | Doubted]:
    text = word.text
    is_defanged = text not in line
    try:
        keys = meanings(text, alone=word.alone, sure=word.sure)
    except UnusableValueError as error:
        yield Doubted(text, number, str(error))
        return
    is_link = text.lower().startswith(_LINKS)
    if is_defanged:
        evidence = Evidence.DEFANGED
    elif word.alone and (not is_link or _fills_a_cell(text, line)):
        evidence = Evidence.LINK if is_link else Evidence.ALONE
    else:
        evidence = Evidence.MENTIONED
    for key in _meant(keys, is_defanged=is_defanged):
        yield Found(key, number, evidence)


def _fills_a_cell(text: str, line: str) -> bool:
    """Whether a link stands alone: every link is cut out of its line before words are."""
    return any(cell.strip(_AROUND) == text for cell in _CELLS(line))


def _meant(keys: tuple[Key, ...], *, is_defanged: bool) -> tuple[Key, ...]:
    """Of a name that may be a file's, choose one."""
    if len(keys) == 1 or {key.type for key in keys} != {T.DOMAIN, T.FILENAME}:
        return keys
    name = keys[0].value.rpartition(".")[2]
    wanted = T.FILENAME if name in _RATHER_FILES and not is_defanged else T.DOMAIN
    return tuple(key for key in keys if key.type is wanted)
