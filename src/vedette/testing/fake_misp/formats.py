"""Search results in the other formats that MISP has and nobody should use for a mirror."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from vedette.testing.fake_misp.memory import truth
from vedette.testing.fake_misp.search import Row

RESTRICTED = frozenset({"text"})
"""Formats that mean ``to_ids`` and ``published`` unless told otherwise; JSON does not."""
_COLUMNS: Mapping[str, Callable[[Row], object]] = {
    "uuid": lambda row: row[1].uuid,
    "event_id": lambda row: row[1].event_id,
    "category": lambda row: row[1].category,
    "type": lambda row: row[1].type,
    "value": lambda row: row[1].value,
    "comment": lambda row: row[1].comment,
    "to_ids": lambda row: int(row[1].to_ids),
    "date": lambda row: row[1].timestamp,
    "object_relation": lambda row: row[1].object_relation or "",
}
"""The header calls the timestamp ``date``."""


class TooMuchError(Exception):
    """MISP fails with an internal error here."""


def _text(rows: Sequence[Row], _: Mapping[str, Any]) -> tuple[str, str]:
    return "text/plain", "".join(f"{item.value}\n" for _event, item in rows)


def _csv(rows: Sequence[Row], query: Mapping[str, Any]) -> tuple[str, str]:
    wanted = [name for name in query.get("requested_attributes") or _COLUMNS if name in _COLUMNS]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    if not truth(query.get("headerless")):
        writer.writerow(wanted)
    writer.writerows([_COLUMNS[name](row) for name in wanted] for row in rows)
    return "text/csv", out.getvalue() + "\n\n"


def _cache(rows: Sequence[Row], query: Mapping[str, Any]) -> tuple[str, str]:
    """MD5 of each value, which fails with a page."""
    if query.get("page"):
        raise TooMuchError
    digests = [hashlib.md5(item.value.encode()).hexdigest() for _event, item in rows]  # noqa: S324
    return "text/plain", "".join(f"{digest}\n" for digest in digests)


def _count(rows: Sequence[Row], _: Mapping[str, Any]) -> tuple[str, str]:
    return "text/plain", str(len(rows))


FORMATS: Mapping[str, Callable[[Sequence[Row], Mapping[str, Any]], tuple[str, str]]] = {
    "text": _text,
    "csv": _csv,
    "cache": _cache,
    "count": _count,
}
"""``returnFormat`` -> content type and body."""
