"""The contract of an input: EVE lines from somewhere, each with the place behind it.

Hard rule: an input lets go of what it gave (acknowledges, deletes, moves on for ever) in
:meth:`Input.ack` and nowhere else, because only then what the lines said is on disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import ClassVar, Protocol, Self

from msgspec import Struct

from vedette.eve.segment import Bookmark

Idle = Callable[[], bool]
"""Called whenever there is nothing to read; returns False to end."""


class Lines(Struct, frozen=True, kw_only=True):
    """Whole lines and the place behind them: what they say is stored together with it."""

    data: bytes
    """Each line with its end of line; empty if only the place or the counts are news."""
    position: str = ""
    """The input's own words for the place; the newest is handed back after a restart."""
    reached: Bookmark | None = None
    """How far a file has been read by now, if it is one."""
    skipped: Mapping[str, int] = {}
    """What was not handed out, by reason: ``oversized``, ``torn``, ``unreadable``, ``gap``."""


class Input(Protocol):
    """An open input. Contract test: tests/contract/test_inputs.py, run on every kind."""

    kind: ClassVar[str]
    """As in the table ``pool_input``."""

    def batches(self) -> Iterator[Lines]:
        """Yield lines from the last position on, until the end or until told to end.

        Raises:
            OSError: The input cannot be read.
            VedetteError: The same, with a hint.
        """
        ...

    def ack(self, position: str) -> None:
        """Let go of everything up to a position that was yielded: it is durable."""
        ...

    def __enter__(self) -> Self:
        """Open it."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it; what was not acknowledged is given again next time, where that is possible."""
        ...
