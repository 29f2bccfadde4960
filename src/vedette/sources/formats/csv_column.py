"""CSV: the values of one column, named, numbered, or the only one whose cells can be used."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vedette.errors import UnusableValueError
from vedette.model import IndicatorType
from vedette.normalize import normalize
from vedette.sources.formats.contract import FormatError, Options, Refused, Row, is_content
from vedette.sources.formats.csv_rows import Rows, find_delimiter
from vedette.sources.formats.lines import WHOLE_LINE

_KNOWN = frozenset(
    {
        "indicator",
        "indicator_value",
        "ioc",
        "ioc_value",
        "value",
        "domain",
        "hostname",
        "host",
        "fqdn",
        "url",
        "ip",
        "ip_address",
        "dst_ip",
        "dstip",
        "md5",
        "md5_hash",
        "sha1",
        "sha1_hash",
        "sha256",
        "sha256_hash",
        "ja3",
        "ja3_md5",
        "email",
    }
)
_MOST = 0.5
_SHOWN = 200


class CsvColumn:
    """One column of a CSV file."""

    def __init__(self, options: Options, sample: Sequence[str] = ()) -> None:
        """Read a list with these settings."""
        self._type = options.type
        content = [line for line in sample if is_content(line)]
        delimiter = options.delimiter or find_delimiter(content) or ","
        self._rows = Rows(delimiter)
        table = [row for line in content for row in Rows(delimiter).split(line)]
        first = table[0] if table else []
        header = _header_in_comments(sample, delimiter) or first
        self._place = _place(options, header, table)
        self._header = first if self._is_header(first) else None

    def feed(self, line: str) -> Iterable[Row]:
        """Return the cell of the column."""
        if not is_content(line):
            return
        for cells in self._rows.split(line):
            if self._header is not None and cells == self._header:
                self._header = None
            elif self._place < len(cells):
                yield self._type, cells[self._place], ""
            else:
                yield Refused(line, "row without the column")

    def _is_header(self, first: Sequence[str]) -> bool:
        """Whether the first row names the columns: not one of its cells is a value."""
        return not any(_usable(self._type, cell) for cell in first)


def _header_in_comments(sample: Sequence[str], delimiter: str) -> list[str]:
    """Return the cells of the last comment line above the first row that has any."""
    header: list[str] = []
    for line in sample:
        if is_content(line):
            break
        text = line.strip().lstrip("#;! ")
        if delimiter in text:
            header = [cell.strip().strip('"') for cell in text.split(delimiter)]
    return header


def _place(options: Options, header: Sequence[str], table: Sequence[Sequence[str]]) -> int:
    column = options.column.strip()
    names = [name.lower() for name in header]
    if column.lower() in names:
        return names.index(column.lower())
    if column.isdecimal() and int(column) > 0:
        return int(column) - 1
    if column:
        columns = ", ".join(header)[:_SHOWN]
        raise FormatError(f"has no column {column!r}", f"Its columns are: {columns}")
    known = [place for place, name in enumerate(names) if name in _KNOWN]
    if len(known) == 1 and not any(_usable(options.type, name) for name in names):
        return known[0]
    return _only_usable(options.type, table)


def _only_usable(kind: IndicatorType, table: Sequence[Sequence[str]]) -> int:
    if not table:
        return 0
    width = max(map(len, table))
    usable = [
        place
        for place in range(width)
        if sum(place < len(row) and _usable(kind, row[place]) for row in table) > len(table) * _MOST
    ]
    if len(usable) == 1 and kind not in WHOLE_LINE:
        return usable[0]
    found = "more than one column" if usable else "no column"
    raise FormatError(
        f"has {found} with values of type {kind.value}",
        "Name the column, by its number from 1 or by its name. The first row is: "
        + ", ".join(table[0])[:_SHOWN],
    )


def _usable(kind: IndicatorType, text: str) -> bool:
    try:
        normalize(kind, text)
    except UnusableValueError:
        return False
    return True
