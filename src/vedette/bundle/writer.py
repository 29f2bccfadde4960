"""Write the files of a generation: as a stream, or from (or as a link to) the last one's."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import msgspec

from vedette.ruleset.context import line
from vedette.ruleset.delta import Edit, splice
from vedette.ruleset.lines import Chunk, canary_line
from vedette.ruleset.manifest import Manifest, SetInfo
from vedette.ruleset.sets import SetSpec, canary
from vedette.ruleset.sizing import Size, size

_SHA256_EMPTY = hashlib.sha256().hexdigest()


@dataclass
class _Open:
    """A file that is being written."""

    spec: SetSpec
    path: Path
    file: BinaryIO
    entries: int = 0
    value_bytes: int = 0
    content: hashlib._Hash = field(default_factory=hashlib.sha256)

    def write(self, data: bytes) -> None:
        self.content.update(data)
        self.file.write(data)


class SetWriter:
    """Writes the sets of one generation into a new directory.

    Args:
        directory: Where to; exists and is empty.
        prefix: First part of every name.
        previous: The manifest and directory of the last generation.
    """

    def __init__(
        self, directory: Path, prefix: str, previous: tuple[Manifest, Path] | None = None
    ) -> None:
        self._directory = directory
        self._prefix = prefix
        self._before: dict[str, SetInfo] = {}
        self._previous_directory = previous[1] if previous else directory
        if previous:
            self._before = {info.name: info for info in previous[0].sets}
        self._open: dict[SetSpec, _Open] = {}
        self.sets: dict[SetSpec, SetInfo] = {}
        """The finished ones."""

    def before(self, spec: SetSpec) -> SetInfo | None:
        """Return the same set of the last generation."""
        return self._before.get(f"{self._prefix}-{spec.name}")

    def write(self, chunks: Iterable[Chunk]) -> None:
        """Append chunks to their sets; the sets are finished when no chunk is left."""
        try:
            for chunk in chunks:
                current = self._open.get(chunk.spec) or self._begin(chunk.spec)
                current.write(chunk.data)
                current.entries += chunk.entries
                current.value_bytes += chunk.value_bytes
            for current in self._open.values():
                self._finish(current)
        finally:
            for current in self._open.values():
                current.file.close()
            self._open.clear()

    def edit(self, spec: SetSpec, edits: Sequence[Edit]) -> None:
        """Write a set as its last state with edits; an empty one is not written."""
        info = self.before(spec)
        old = self._content(spec, info) if info else b""
        if not old:
            edits = [edit for edit in edits if edit.data]
        spliced = splice(spec, old, edits)
        if spliced is None:
            if info:
                self.keep(spec, info)
            return
        entries = spliced.entries + (info.entries if info else 0)
        if not entries:
            return
        current = self._begin(spec)
        del self._open[spec]
        with current.file:
            for data in spliced.chunks(old):
                current.write(data)
            current.entries = entries
            current.value_bytes = spliced.value_bytes + (info.value_bytes if info else 0)
            self._finish(current)

    def keep(self, spec: SetSpec, info: SetInfo) -> None:
        """Take over a set of the last generation as it is."""
        link(self._previous_directory / info.file, self._directory / info.file)
        self.sets[spec] = info

    def write_entry(self, spec: SetSpec, entry: str) -> None:
        """Write a set whose only entry says which generation this is: no content, one canary."""
        current = self._begin(spec)
        del self._open[spec]
        with current.file:
            self._finish(current, entry)

    def _content(self, spec: SetSpec, info: SetInfo) -> bytes:
        data = (self._previous_directory / info.file).read_bytes()
        last = _last_line(spec, info.canary)
        return data[: len(data) - len(last)]

    def _begin(self, spec: SetSpec) -> _Open:
        path = self._directory / spec.file(self._prefix)
        current = _Open(spec, path, path.open("xb", buffering=1 << 18))
        self._open[spec] = current
        return current

    def _finish(self, current: _Open, entry: str = "") -> None:
        spec, content = current.spec, current.content.hexdigest()
        mark = entry or canary(spec, content)
        last = _last_line(spec, mark)
        current.file.write(last)
        current.file.flush()
        whole = current.content.copy()
        whole.update(last)
        chosen = self._size(spec, current)
        info = SetInfo(
            name=f"{self._prefix}-{spec.name}",
            dataset=spec.dataset,
            role=spec.role,
            level=spec.level or msgspec.UNSET,
            file=current.path.name,
            type=spec.kind.value if spec.kind else "values",
            format=spec.format,
            indicator_type=spec.indicator_type,
            entries=current.entries,
            value_bytes=current.value_bytes,
            sha256=whole.hexdigest(),
            content=content,
            canary=mark,
            memcap_bytes=chosen.memcap_bytes,
            hashsize=chosen.hashsize,
        )
        self._settle(current, info)
        self.sets[spec] = info

    def _settle(self, current: _Open, info: SetInfo) -> None:
        """Make the file last, or replace it by a link to the same one of the last generation."""
        before = self._before.get(info.name)
        if before and (before.file, before.sha256) == (info.file, info.sha256):
            current.path.unlink()
            link(self._previous_directory / info.file, current.path)
        else:
            os.fsync(current.file.fileno())

    def _size(self, spec: SetSpec, current: _Open) -> Size:
        if spec.kind is None or spec.kind.is_file_list:
            return Size(0, 0)
        before = self.before(spec)
        return size(
            spec.kind, current.entries + 1, current.value_bytes, before.size if before else None
        )


def link(source: Path, target: Path) -> None:
    """Make ``target`` the same file, or a copy where the file system has no hard links."""
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)


def _last_line(spec: SetSpec, mark: str) -> bytes:
    if not mark:
        return b""
    return line(mark, ()) + b"\n" if spec.format == "ndjson" else canary_line(spec, mark)


def read_lines(path: Path, spec: SetSpec, info: SetInfo) -> Iterator[bytes]:
    """Yield the lines of a set's file without the canary's."""
    last = _last_line(spec, info.canary)
    with path.open("rb", buffering=1 << 18) as lines:
        for text in lines:
            if text != last:
                yield text
