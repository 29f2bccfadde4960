"""Which lines of two large files differ, in a time that follows the difference.

Made for files in which most lines are the same in the same order (a million lines of which a
thousand changed: some tens of milliseconds). Any two files give a right answer, or none.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from vedette.files import mapped
from vedette.ruleset.patch import Content, walk


class Difference(NamedTuple):
    """Lines without their newline."""

    added: list[bytes]
    removed: list[bytes]


def difference(old: Path, new: Path, limit: int) -> Difference | None:
    """Return the lines that only one of the files has; None if there are more than ``limit``.

    Lines are expected to be unique. A file that was only reordered may count as over the limit.
    """
    with mapped(old) as before, mapped(new) as after:
        return _walk(before, after, limit)


def _walk(old: Content, new: Content, limit: int) -> Difference | None:
    added: list[bytes] = []
    removed: list[bytes] = []
    at = 0
    for same, gone, come in walk(old, new):
        removed += old[at + same : at + same + gone].splitlines()
        added += come.splitlines()
        at += same + gone
        if len(added) + len(removed) > 2 * limit:
            return None
    moved = set(added) & set(removed)
    result = Difference(
        [line for line in added if line not in moved],
        [line for line in removed if line not in moved],
    )
    return result if len(result.added) + len(result.removed) <= limit else None
