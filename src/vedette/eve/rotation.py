"""The files of one log, oldest first: the live one, and those that rotation put beside it.

Rotated files are recognised by name (``eve.json.1``, ``eve.json-20261124.gz``) and told apart by
content, because names move while we look and compression changes the inode.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from vedette.eve.segment import Bookmark, Place, Segment

_ROTATED = r"[-._](?P<tag>\d[\d.:T_-]*?|old|bak)(?P<packed>\.gz|\.zst)?"
_NUMBER_MAX = 10_000
"""Tags below are counters (1 is the newest); above they are dates or times."""
_TRIES = 5

Listing = tuple[tuple[str, int], ...]
"""Name and inode of each rotated file."""


class Family:
    """A log under its name and all its rotated files."""

    def __init__(self, path: Path, max_line: int) -> None:
        """Look at nothing yet."""
        self._path = path
        self._max_line = max_line
        self._name = re.compile(re.escape(path.name) + _ROTATED)
        self._seen: Listing = ()

    def changed(self) -> bool:
        """Whether rotated files came, went or were renamed since they were last opened."""
        return self._list() != self._seen

    def all(self) -> list[Segment]:
        """Open all files, oldest first, no two with the same content.

        The last one is the file that the engine writes; the list is empty only without any file.
        """
        tries = _TRIES
        while True:
            tries -= 1
            listing = self._list()
            segments = [s for name, _ in listing if (s := self._open(name))]
            live = self._open(self._path.name)
            opened = [s.inode for s in segments]
            stood_still = self._list() == listing and opened == [inode for _, inode in listing]
            if stood_still or not tries:
                self._seen = listing
                return _without_copies(segments, live)
            close([*segments, *([live] if live else [])])

    def since(self, bookmark: Bookmark) -> tuple[list[Segment], bool]:
        """Open what was not read yet, the first file at its place.

        Returns:
            The files, and whether lines may be missing before them because the place is gone.
        """
        segments = self.all()
        for index in _likeliest_first(segments, bookmark):
            place = segments[index].seek(bookmark)
            if place is Place.HERE:
                close(segments[:index])
                return segments[index:], False
            if place is Place.BEYOND:
                is_live = segments[index].path == self._path
                if is_live:
                    segments[index].seek_end()
                first = index if is_live else index + 1
                close(segments[:first])
                return segments[first:], False
            segments[index] = segments[index].reopened()
        return _keep_newer(segments, bookmark.modified_ns, bookmark.inode), True

    def after(self, finished: Segment) -> list[Segment]:
        """Open the files that are newer than one that is still held open."""
        segments = self.all()
        start = finished.start()
        places = [i for i, s in enumerate(segments) if s.inode == finished.inode] or [
            i for i, s in enumerate(segments) if start and s.start() == start
        ]
        if not places:
            return _keep_newer(segments, finished.modified_ns, finished.inode)
        first = places[-1] + 1
        close(segments[:first])
        return segments[first:]

    def _list(self) -> Listing:
        try:
            with os.scandir(self._path.parent) as entries:
                found = sorted(
                    (_age(match), entry.name, entry.stat().st_ino)
                    for entry in entries
                    if (match := self._name.fullmatch(entry.name))
                )
        except FileNotFoundError:
            return ()  # no directory yet, or a file that moved while we looked: next time
        return tuple((name, inode) for _, name, inode in found)

    def _open(self, name: str) -> Segment | None:
        try:
            return Segment(self._path.with_name(name), max_line=self._max_line)
        except FileNotFoundError:
            return None


def close(segments: list[Segment]) -> None:
    """Let go of files that are not needed."""
    for segment in segments:
        segment.close()


def _age(match: re.Match[str]) -> tuple[bool, int, str, bool]:
    """Sort key: older files first; a packed copy before the plain one of the same tag."""
    tag = match["tag"]
    number = int(tag) if tag.isdigit() and int(tag) < _NUMBER_MAX else None
    plain = match["packed"] is None
    return (False, 0, tag, plain) if number is None else (True, -number, "", plain)


def _without_copies(rotated: list[Segment], live: Segment | None) -> list[Segment]:
    """Drop files that a newer one contains: a copy is being made, or a packed one.

    As long as the live file is empty (made by logrotate, or just truncated), the newest rotated one
    stands in its place: the engine may still write it.
    """
    kept: list[Segment] = []
    if live and (live.start() or not rotated):
        kept.append(live)
    elif live:
        live.close()
    for segment in reversed(rotated):
        start = segment.start()
        if start and any(newer.start().startswith(start) for newer in kept):
            segment.close()
        else:
            kept.insert(0, segment)
    return kept


def _likeliest_first(segments: list[Segment], bookmark: Bookmark) -> list[int]:
    newest_first = range(len(segments) - 1, -1, -1)
    return sorted(newest_first, key=lambda i: not _same_file(segments[i], bookmark))


def _same_file(segment: Segment, bookmark: Bookmark) -> bool:
    return (segment.device, segment.inode) == (bookmark.device, bookmark.inode)


def _keep_newer(segments: list[Segment], modified_ns: int, inode: int) -> list[Segment]:
    """Keep the live file and what was written after a time; at that time only if it may be new."""
    rotated, live = segments[:-1], segments[-1:]
    truncated = bool(live) and live[0].inode == inode
    newer = [
        s
        for s in rotated
        if s.modified_ns > modified_ns or (s.modified_ns == modified_ns and not truncated)
    ]
    close([s for s in rotated if s not in newer])
    return newer + live
