"""MISP feeds in tar and zip archives, read member by member and never unpacked to disk."""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from vedette.errors import SourceError
from vedette.files import open_decompressed
from vedette.misp.feed_document import MISSING, Document, Unreadable, read_bounded
from vedette.misp.validators import Validators

_HINT = "Fetch or pack the archive again: tar (plain, gz, zst) and zip are understood."


@dataclass
class _Archive(ABC):
    """What both formats share: the manifest decides which directory of the archive is the feed."""

    path: Path
    folder: str = ""
    """Where in the archive the manifest is; known once it was read."""
    validators = Validators()

    def __enter__(self) -> Self:
        """Open nothing yet: each reading opens the archive again."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing open."""
        return

    def manifest(self) -> bytes | None:
        """The manifest nearest to the top, or ``None``.

        Raises:
            SourceError: The archive cannot be read.
        """
        name: str = ""
        document: Document | None = None

        def is_nearer(other: str) -> bool:
            # Only what is better than the best so far is read: an archive may hold thousands.
            return other.rpartition("/")[2] == "manifest.json" and (
                not name or _depth(other) < _depth(name)
            )

        for name, document in self._members(is_nearer):  # noqa: B007 - the last one counts
            pass
        if document is None:
            return None
        if isinstance(document, Unreadable):
            raise SourceError(f"{self.path}: {name} is {document.reason}", hint=_HINT)
        self.folder = name.removesuffix("manifest.json")
        return document

    def read(self, keys: Collection[str]) -> Iterator[tuple[str, Document]]:
        """Yield events in the order of the archive, then those that it lacks."""
        names = {f"{self.folder}{key}.json": key for key in keys}
        for name, document in self._members(names.__contains__) if names else ():
            if key := names.pop(name, ""):
                yield key, document
        for key in names.values():
            yield key, Unreadable(MISSING)

    def read_all(self) -> Iterator[tuple[str, Document]]:
        """Yield all JSON files in the order of the archive."""
        yield from self._members(lambda name: name.endswith(".json"))

    @abstractmethod
    def _members(self, wanted: Callable[[str], bool]) -> Iterator[tuple[str, Document]]:
        """Yield the regular files whose names are wanted."""

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, zlib.error) as error:
            raise SourceError(f"cannot read archive {self.path}: {error}", hint=_HINT) from error
        except (NotImplementedError, RuntimeError) as error:  # zip: compression, password
            raise SourceError(f"cannot read archive {self.path}: {error}", hint=_HINT) from error


def _depth(name: str) -> tuple[int, str]:
    return name.count("/"), name


class TarFeed(_Archive):
    """A tar archive, plain or compressed, read as a stream."""

    def _members(self, wanted: Callable[[str], bool]) -> Iterator[tuple[str, Document]]:
        with (
            self._explained(),
            open_decompressed(self.path) as stream,
            tarfile.open(fileobj=stream, mode="r|") as archive,
        ):
            for member in archive:
                if not (member.isreg() and wanted(member.name)):
                    continue
                if (file := archive.extractfile(member)) is not None:
                    yield member.name, read_bounded(file)
                archive.members = []  # type: ignore[attr-defined] # it remembers all it passed


class ZipFeed(_Archive):
    """A zip archive."""

    def _members(self, wanted: Callable[[str], bool]) -> Iterator[tuple[str, Document]]:
        with self._explained(), zipfile.ZipFile(self.path) as archive:
            for info in archive.infolist():
                if info.is_dir() or not wanted(info.filename):
                    continue
                with archive.open(info) as file:
                    yield info.filename, read_bounded(file)
