"""What a report holds: prose, a table, an e-mail, a list, MISP's JSON or a STIX bundle.

What looks like a value and is not taken is counted by reason, with examples.
"""

from __future__ import annotations

import html
import io
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from vedette.errors import UnusableValueError
from vedette.hunt.documents import misp_items
from vedette.model import Broken, Indicator, IndicatorType, Item, Key, Rejected, Skipped
from vedette.normalize import normalize
from vedette.prose.lines import Text
from vedette.prose.mail import HEAD as MAIL_HEAD
from vedette.prose.mail import is_mail, read_mail
from vedette.prose.markup import apart
from vedette.prose.reading import Doubted, chosen, read_prose
from vedette.prose.splitting import words
from vedette.sources.formats import FORMATS, Options, Refused, detect
from vedette.sources.formats.lines import WHOLE_LINE
from vedette.sources.imported import Row
from vedette.sources.stix_document import bundle_items

_TYPED_FORMATS = frozenset({"zeek", "sslbl", "adblock", "dnsmasq", "rpz", "hosts"})
"""Formats that say themselves what their values are."""
_SAMPLES = 5
_SHOWN = 200
_TLPS = ("", "clear", "green", "amber", "amber+strict", "red")
_MAIL_MAX = 1 << 26
UNREAD = "in a script or style sheet of the page"
"""Why a value of a page is not taken though it would be elsewhere."""


@dataclass(slots=True)
class Reading:
    """What a report holds."""

    form: str = "text"
    """What it was recognised as."""
    rows: dict[Key, Row] = field(default_factory=dict)
    tlp: str = ""
    """The most restrictive that the document itself says."""
    rejected: Counter[str] = field(default_factory=Counter)
    """What looks like a value and is not taken, by reason."""
    skipped: Counter[str] = field(default_factory=Counter)
    samples: dict[str, list[str]] = field(default_factory=dict)
    """The first few that were rejected, by reason."""

    def types(self) -> dict[str, int]:
        """Distinct values by type, in the order of the types."""
        counts = Counter(key.type for key in self.rows)
        return {kind.value: counts[kind] for kind in IndicatorType if counts[kind]}

    def examples(self, kind: str) -> list[str]:
        """The first few values of a type."""
        return [key.value for key in self.rows if key.type.value == kind][:_SAMPLES]

    def reject(self, text: str, reason: str) -> None:
        """Count what is not taken."""
        self.rejected[reason] += 1
        if len(samples := self.samples.setdefault(reason, [])) < _SAMPLES:
            samples.append(text[:_SHOWN])

    def take(self, row: Row) -> None:
        """Take a value; the first mention of it counts."""
        self.rows.setdefault(Key(row.type, row.value), row)


def read_report(
    stream: io.BufferedReader,
    *,
    where: str,
    kind: IndicatorType | None = None,
    everything: bool = False,
) -> Reading:
    """Read a report, a list, an e-mail, MISP's JSON or a STIX bundle.

    Args:
        stream: At its start, unpacked.
        where: What an error calls it.
        kind: What every value is; None: whatever it looks like.
        everything: Take also what is only mentioned.

    Raises:
        UsageError: It is no text.
        OSError: It cannot be read.
    """
    reading = Reading()
    is_message = is_mail(stream.peek(MAIL_HEAD))
    text = Text(_of_mail(stream, reading) if is_message else stream, where)
    document = text.whole() if text.is_json and kind is None else None
    items = _of_document(document, reading) if document else None
    if items is not None:
        _take_items(items, reading)
    elif kind is not None:
        _take_typed(text, kind, reading)
    else:
        _take_lines(text, reading, everything=everything)
    return reading


def _of_mail(stream: io.BufferedReader, reading: Reading) -> io.BytesIO:
    """Return the text of a message, and count what of it is not read."""
    reading.form = "e-mail"
    mail = read_mail(stream.read(_MAIL_MAX))
    for name in mail.attachments:
        reading.reject(name, "attachment: save it, and import it by itself")
    if stream.read(1):
        reading.reject("its end", f"e-mail longer than {_MAIL_MAX:,} bytes")
    return io.BytesIO(mail.text.encode("utf-8", "replace"))


def _of_document(document: bytes, reading: Reading) -> Iterator[Item] | None:
    if (events := misp_items(document)) is not None:
        reading.form = "MISP event"
        return events
    if (objects := bundle_items(document)) is not None:
        reading.form = "STIX bundle"
        return objects
    return None


def _take_items(items: Iterable[Item], reading: Reading) -> None:
    for item in items:
        if isinstance(item, Indicator):
            context = item.context
            reading.tlp = max(reading.tlp, context.tlp, key=_TLPS.index)
            reading.take(
                Row(
                    type=item.type,
                    value=item.value,
                    comment=item.comment or context.info,
                    tags=tuple(dict.fromkeys((*context.tags, *item.tags))),
                    expires=item.expires,
                    confidence=item.confidence,
                )
            )
        elif isinstance(item, Rejected):
            reading.reject(item.value, item.reason)
        elif isinstance(item, Broken):
            reading.reject(item.key, item.reason)
        elif isinstance(item, Skipped):
            reading.skipped[item.reason] += item.count


def _take_typed(text: Text, kind: IndicatorType, reading: Reading) -> None:
    is_whole = kind in WHOLE_LINE
    for _number, line in text.lines():
        stripped = line.strip()
        if not stripped or (not is_whole and stripped.startswith("#")):
            continue
        try:
            keys = [normalize(kind, stripped)]
        except UnusableValueError as error:
            keys = [] if is_whole else _among(kind, stripped)
            if not keys:
                reading.reject(stripped, str(error))
        for key in keys:
            reading.take(Row(type=key.type, value=key.value))


def _among(kind: IndicatorType, line: str) -> list[Key]:
    """Return the words of a line that are values of a type."""
    found = []
    for word in words(line):
        try:
            found.append(normalize(kind, word.text))
        except UnusableValueError:
            continue
    return found


def _take_lines(text: Text, reading: Reading, *, everything: bool) -> None:
    options = Options(type=IndicatorType.DOMAIN)
    form = "lines" if text.is_json else detect(options, text.sample())
    if form in _TYPED_FORMATS:
        reading.form = f"list ({form})"
        _take_format(text, form, options, reading)
        return
    lines: Iterable[tuple[int, str]] = text.lines()
    unread: list[tuple[int, str]] = []
    if text.is_html:
        reading.form = "HTML page"
        lines = _read_lines(lines, unread)
    for found in chosen(read_prose(lines), everything=everything):
        if isinstance(found, Doubted):
            reading.reject(found.text, found.reason)
        else:
            reading.take(Row(type=found.key.type, value=found.key.value))
    for found in chosen(read_prose(unread), everything=True):
        if not isinstance(found, Doubted) and found.key not in reading.rows:
            reading.reject(found.key.value, UNREAD)


def _read_lines(
    lines: Iterable[tuple[int, str]], unread: list[tuple[int, str]]
) -> Iterator[tuple[int, str]]:
    """Yield the lines of a page as they are read; what nobody reads goes into ``unread``."""
    for number, shown, hidden in apart(lines):
        if hidden:
            unread.append((number, hidden))
        yield number, html.unescape(shown)


def _take_format(text: Text, form: str, options: Options, reading: Reading) -> None:
    parser = FORMATS[form].parser(options, text.sample())
    for _number, line in text.lines():
        for row in parser.feed(line):
            if isinstance(row, Skipped):
                reading.skipped[row.reason] += row.count
            elif isinstance(row, Refused):
                reading.reject(row.text, row.reason)
            else:
                kind, value, comment = row
                try:
                    key = normalize(kind, value)
                except UnusableValueError as error:
                    reading.reject(value, str(error))
                else:
                    reading.take(Row(type=key.type, value=key.value, comment=comment))
