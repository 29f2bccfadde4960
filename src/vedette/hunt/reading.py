"""A list of anything as indicators to look for: one a line, tables, MISP's JSON, prose, defanged.

Streams: a million lines take no memory. What looks like a value and is none is counted by reason.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from msgspec import Struct

from vedette.errors import UnusableValueError
from vedette.fields import NOT_REMEMBERED
from vedette.hunt.documents import misp_items
from vedette.hunt.words import host_of, meanings, widened
from vedette.model import Indicator, IndicatorType, Key, Rejected, Skipped
from vedette.normalize import normalize
from vedette.normalize.names import is_clean_name
from vedette.prose.endings import BOTH, FILE_ONLY
from vedette.prose.lines import Text
from vedette.prose.splitting import words
from vedette.prose.words import Why
from vedette.sources.formats import FORMATS, Options, Refused, detect
from vedette.sources.formats.lines import WHOLE_LINE

_TYPED_FORMATS = frozenset({"zeek", "sslbl", "adblock", "dnsmasq", "rpz", "hosts"})
"""Formats that say themselves what their values are; anything else is looked at word by word."""
_COMMENT = ("#", ";", "//", "!")
_SAMPLES = 5
_SHOWN = 200
_NAME_MAX = 253
_REMEMBERED_MAX = 200_000
"""Distinct values up to which repetitions are left out; of names alone in their line none are."""

_LETTER = re.compile(r"[^\W_]").search

_T = IndicatorType
_ENDINGS = FILE_ONLY | BOTH


class Asked(Struct, frozen=True, kw_only=True):
    """How a list is meant."""

    type: IndicatorType | None = None
    """What every value is; None: whatever it looks like."""
    exact: bool = False
    """Names without those below them."""
    hosts: bool = False
    """Of URLs and of addresses with a port, look for the host too."""


@dataclass(slots=True)
class Tally:
    """What became of a list. Complete once its keys have been read to the end."""

    form: str = "text"
    lines: int = 0
    comments: int = 0
    without_value: int = 0
    """Lines of words among which nothing looks like a value."""
    values: int = 0
    """Keys given, in every meaning: an address counts twice, for either end."""
    types: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    samples: list[Rejected] = field(default_factory=list)
    """The first that were rejected for each reason, with their line."""

    def reject(self, text: str, where: str, reason: str) -> None:
        """Count a value that cannot be looked for."""
        reason = str(reason)  # of an enumeration, its plain text
        self.rejected[reason] += 1
        if self.rejected[reason] <= _SAMPLES:
            self.samples.append(Rejected(text[:_SHOWN], where, reason))


class Listing:
    """A list being read; its :attr:`tally` grows with it."""

    def __init__(self, stream: BinaryIO, asked: Asked | None = None, *, where: str = "") -> None:
        """Take a stream at its start, unpacked.

        Raises:
            UsageError: It is no text.
            OSError: It cannot be read.
        """
        self.tally = Tally()
        self._asked = asked or Asked()
        self._text = Text(stream, where)
        self._seen: set[Key] = set()
        self._name = _T.HOSTNAME if self._asked.exact else _T.DOMAIN

    def read(self) -> Iterator[Key]:
        """Yield what to look for; can be called once.

        Raises:
            OSError: The stream cannot be read to its end.
        """
        document = self._text.whole() if self._text.is_json else None
        items = misp_items(document) if document else None
        if items is None:
            yield from self._of_lines(self._text.sample())
        else:
            self.tally.form = "MISP"
            yield from self._of_misp(items)

    def _of_lines(self, sample: Sequence[str]) -> Iterator[Key]:
        kind = self._asked.type
        options = Options(type=kind or _T.DOMAIN)
        form = "lines" if kind in WHOLE_LINE or self._text.is_json else detect(options, sample)
        if form in _TYPED_FORMATS:
            self.tally.form = form
            yield from self._of_format(form, options, sample)
        elif kind is None:
            yield from self._of_anything()
        else:
            yield from self._of_type(kind)

    def _lines(self) -> Iterator[tuple[int, str]]:
        number = 0
        for number, line in self._text.lines():
            yield number, line
        self.tally.lines = number

    # -- anything -------------------------------------------------------------------------

    def _of_anything(self) -> Iterator[Key]:
        tally, name, unescape = self.tally, self._name, self._text.is_html
        clean = 0
        for number, line in self._lines():
            # Nearly all lines of a long list are a clean name.
            if (
                is_clean_name(line)
                and line[line.rfind(".") + 1 :] not in _ENDINGS
                and len(line) <= _NAME_MAX
            ):
                clean += 1
                yield Key(name, line)
            else:
                text = html.unescape(line) if unescape and "&" in line else line
                yield from self._of_line(number, text)
        tally.values += clean
        if clean:
            tally.types[name.value] += clean

    def _of_line(self, number: int, line: str) -> Iterator[Key]:
        text = line.strip()
        if not text or text.startswith(_COMMENT):
            self.tally.comments += bool(text)
            return
        useful = False
        for word in words(text):
            try:
                keys = meanings(word.text, alone=word.alone, sure=word.sure)
            except UnusableValueError as error:
                useful = True
                self.tally.reject(word.text, f"line {number}", str(error))
            else:
                useful = useful or bool(keys)
                yield from self._given(keys, number)
        if not useful and len(text.split()) == 1 and _LETTER(text) and not self._text.is_json:
            self.tally.reject(text, f"line {number}", Why.UNKNOWN)
        elif not useful:
            self.tally.without_value += 1

    # -- one type, and formats that say the type ------------------------------------------

    def _of_type(self, kind: IndicatorType) -> Iterator[Key]:
        is_whole = kind in WHOLE_LINE
        for number, line in self._lines():
            text = line.strip()
            if not text or (not is_whole and text.startswith(_COMMENT)):
                self.tally.comments += bool(text)
                continue
            try:
                keys = [normalize(kind, text)]
            except UnusableValueError as error:
                keys = [] if is_whole else _among(kind, text)
                if not keys:
                    self.tally.reject(text, f"line {number}", str(error))
            yield from self._given(keys, number)

    def _of_format(self, form: str, options: Options, sample: Sequence[str]) -> Iterator[Key]:
        parser = FORMATS[form].parser(options, sample)
        for number, line in self._lines():
            for row in parser.feed(line):
                if isinstance(row, Skipped):
                    self.tally.skipped[row.reason] += row.count
                elif isinstance(row, Refused):
                    self.tally.reject(row.text, f"line {number}", row.reason)
                else:
                    kind, text, _comment = row
                    try:
                        key = normalize(kind, text)
                    except UnusableValueError as error:
                        self.tally.reject(text, f"line {number}", str(error))
                    else:
                        keys = (key,) if self._asked.type else widened(key)
                        yield from self._given(keys, number)

    def _of_misp(self, items: Iterator[Indicator | Rejected | Skipped]) -> Iterator[Key]:
        for number, item in enumerate(items, start=1):
            if isinstance(item, Indicator):
                yield from self._given(widened(item.key), number)
            elif isinstance(item, Rejected):
                self.tally.reject(item.value, item.ref, item.reason)
            else:
                self.tally.skipped[item.reason] += item.count

    # -- out ------------------------------------------------------------------------------

    def _given(self, keys: Sequence[Key], number: int) -> Iterator[Key]:
        for key in keys:
            also = host_of(key) if self._asked.hosts else ()
            for one in (key, *also):
                given = self._as_asked(one)
                if given.type in NOT_REMEMBERED:
                    self.tally.reject(given.value, f"line {number}", NOT_REMEMBERED[given.type])
                elif given not in self._seen:
                    # Networks are never forgotten: twice the same would be found twice.
                    if len(self._seen) < _REMEMBERED_MAX or "/" in given.value:
                        self._seen.add(given)
                    self.tally.values += 1
                    self.tally.types[given.type.value] += 1
                    yield given

    def _as_asked(self, key: Key) -> Key:
        if self._asked.exact and key.type is _T.DOMAIN:
            return Key(_T.HOSTNAME, key.value)
        return key


def _among(kind: IndicatorType, line: str) -> list[Key]:
    """Return the words of a line that are values of a type, of a table for instance."""
    found = []
    for word in words(line):
        try:
            found.append(normalize(kind, word.text))
        except UnusableValueError:
            continue
    return found
