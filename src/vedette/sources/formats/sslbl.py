"""abuse.ch SSLBL: certificates by SHA-1, clients by JA3, botnet servers by address and port."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from vedette.model import IndicatorType as T
from vedette.sources.formats.contract import Options, Refused, Row
from vedette.sources.formats.csv_rows import Rows

_COLUMNS = {"sha1": T.CERT_SHA1, "ja3_md5": T.JA3, "dstip": T.IP_DST_PORT}
_REASON = "listingreason"
_SHA1 = re.compile(r"[0-9a-fA-F]{40}").fullmatch
_MD5 = re.compile(r"[0-9a-fA-F]{32}").fullmatch


class Sslbl:
    """One of SSLBL's CSV files; the header tells which, or the shape of the cells."""

    def __init__(self, _options: Options, _sample: Iterable[str] = ()) -> None:
        """Read a list with these settings."""
        self._rows = Rows(",")
        self._header: list[str] = []

    def feed(self, line: str) -> Iterable[Row]:
        """Return the indicator of a row, with the reason why it is listed."""
        text = line.strip()
        if text.startswith("#"):
            self._take_header([cell.strip() for cell in text.strip("# ").split(",")])
            return
        if not text:
            return
        for cells in self._rows.split(text):
            if not self._take_header(cells):
                yield self._value(cells)

    def _take_header(self, cells: Sequence[str]) -> bool:
        names = [cell.lower() for cell in cells]
        if _COLUMNS.keys().isdisjoint(names):
            return False
        self._header = names
        return True

    def _value(self, cells: Sequence[str]) -> Row:
        row = dict(zip(self._header, cells, strict=False)) if self._header else _by_shape(cells)
        for name, kind in _COLUMNS.items():
            if value := row.get(name):
                if kind is T.IP_DST_PORT:
                    value = f"{value},{row.get('dstport', '')}"
                return kind, value, row.get(_REASON, "")
        return Refused(",".join(cells), "row without its fields")


def _by_shape(cells: Sequence[str]) -> dict[str, str]:
    for cell in cells:
        if _SHA1(cell):
            return {"sha1": cell}
        if _MD5(cell):
            return {"ja3_md5": cell}
    return {}


def looks_like_sslbl(sample: Sequence[str]) -> bool:
    """Whether a header names one of SSLBL's columns and the reason for the listing."""
    for line in sample:
        names = {cell.strip().lower() for cell in line.strip("# \r\n").split(",")}
        if "ja3_md5" in names or (_REASON in names and not _COLUMNS.keys().isdisjoint(names)):
            return True
    return False
