"""A log that an engine writes, as an input: followed through every rotation, for ever."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

import msgspec

from vedette.errors import SensorError
from vedette.eve.contents import Contents
from vedette.eve.inputs import Idle, Lines
from vedette.eve.reader import follow
from vedette.eve.segment import Bookmark


class Followed:
    """``eve.json``, from where it was left, else from its start."""

    kind: ClassVar[str] = "follow"

    def __init__(
        self, path: Path, position: str, contents: Contents, idle: Idle, sleep: Callable[[], None]
    ) -> None:
        """Take where reading stopped, empty for nowhere yet, and how to wait for new lines."""
        self._path = path
        self._bookmark = msgspec.json.decode(position, type=Bookmark) if position else None
        self._contents = contents
        self._idle = idle
        self._sleep = sleep

    def __enter__(self) -> Self:
        """Open nothing: the file may not be there yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close nothing: :meth:`batches` does."""

    def batches(self) -> Iterator[Lines]:
        """Yield lines until told to end.

        Raises:
            SensorError: The file is there and may not be read.
        """
        try:
            for batch in follow(
                self._path, self._bookmark, wait=self._wait, contents=self._contents
            ):
                if batch.bookmark is None:
                    yield Lines(data=batch.data, skipped=batch.skipped)
                    continue
                self._contents.note(batch.bookmark)
                yield Lines(
                    data=batch.data,
                    position=msgspec.json.encode(batch.bookmark).decode(),
                    reached=batch.bookmark,
                    skipped=batch.skipped,
                )
        except OSError as error:
            raise SensorError(
                f"cannot read {self._path}: {error.strerror}",
                hint="Vedette must be able to read it: add its user to the group that owns it.",
            ) from error

    def ack(self, position: str) -> None:
        """Let others read the files that are behind us."""
        del position
        self._contents.settle()

    def _wait(self) -> bool:
        if not self._idle():
            return False
        self._sleep()
        return True
