"""What of an HTML page nobody reads: its scripts and style sheets name servers of the page.

Line by line, because what stands alone in its line is meant as a value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_OPENING = re.compile(r"<(script|style)(?=[\s/>]|\Z)", re.IGNORECASE)
_SLASH = re.compile(r"</(?=[A-Za-z])")
_ENDING = re.compile(r"/>|</(?:script|style)\s*>?|>", re.IGNORECASE)
_CLOSING = {
    name: re.compile(rf"</{name}(?=[\s/>]|\Z)[^>]*>?", re.IGNORECASE)
    for name in ("script", "style")
}


def apart(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str, str]]:
    """Yield each line's number, what of it is read, and what stands in a script or style sheet.

    What is read has closing tags without their slash, which would make them paths.
    """
    within = ""
    for number, line in lines:
        if not within and "<" not in line:
            yield number, line, ""
            continue
        shown, hidden, within = _parted(line, within)
        yield number, _SLASH.sub("<", " ".join(shown)), " ".join(hidden)


def _parted(line: str, within: str) -> tuple[list[str], list[str], str]:
    """Return the parts of a line that are read, those that are not, and where its end is."""
    shown: list[str] = []
    hidden: list[str] = []
    place = 0
    while place < len(line):
        if within:
            end = _CLOSING[within].search(line, place)
            hidden.append(line[place : end.start() if end else len(line)])
            place = end.end() if end else len(line)
            within = "" if end else within
            continue
        start = _OPENING.search(line, place)
        shown.append(line[place : start.start() if start else len(line)])
        if start is None:
            break
        within, place = start[1].lower(), start.end()
        tag = _ENDING.search(line, place)
        if tag is not None and tag[0] == "/>":  # XHTML: there is nothing in it
            hidden.append(line[place : tag.start()])
            within, place = "", tag.end()
    return shown, hidden, within
