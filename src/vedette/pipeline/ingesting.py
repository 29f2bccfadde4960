"""From inputs to committed batches: workers read and fold, the owner of the store commits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from msgspec import Struct

from vedette.pipeline.hub import Hub
from vedette.pool.store import Pool


class Progress(Struct, frozen=True, kw_only=True):
    """How far an ingest is; everything since it began."""

    bytes: int = 0
    """Read, uncompressed."""
    bytes_done: int = 0
    """Of ``bytes_total``: as they lie on the disk, what was known already included."""
    bytes_total: int = 0
    """Of all files that are to be read; 0 for sockets and queues."""
    files_done: int = 0
    files_total: int = 0
    counts: dict[str, int] = {}
    """``lines``, ``events``, and what was skipped by reason; as read, not as committed."""
    committed: dict[str, int] = {}
    """The same of what is in the pool by now."""
    new: int = 0
    """Values that nobody had seen before; only if this process commits."""
    pending: int = 0
    """Batches that lie in the spool."""
    seconds: float = 0.0

    @property
    def events_per_s(self) -> float:
        """Events read in each second, on average."""
        return self.counts.get("events", 0) / self.seconds if self.seconds else 0.0


class FileOutcome(Struct, frozen=True, kw_only=True):
    """What became of one file that was offered."""

    path: str
    outcome: str
    """``read``, ``known`` (nothing new in it), ``left`` (another process reads it), ``failed``."""
    note: str = ""
    """For people: known as what, left to whom, failed why."""
    skipped: dict[str, int] = {}
    """``torn``, ``unreadable``, ``oversized``."""


class Ingested(Struct, frozen=True, kw_only=True):
    """What an ingest brought, when it ended."""

    progress: Progress
    files: tuple[FileOutcome, ...] = ()
    """Those that were not simply read to their end."""
    error: str = ""
    hint: str = ""


def ingest(
    hub: Hub,
    pool: Pool | None,
    places: Sequence[str],
    *,
    sensor: str,
    stop: threading.Event | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Ingested:
    """Read places into the memory, and return when they are read to the end and committed.

    Sockets and queues have no end: they are read until ``stop`` is set.

    Args:
        hub: The open state directory.
        pool: The open store; None: a daemon has it, which commits what we lay into its spool.
        places: ``FILE``, ``DIR``, ``unix:PATH``, ``unixgram:PATH``, ``redis://...``.
        sensor: Who wrote them.
        stop: Set it to end early; what was read so far is committed.
        on_progress: Called a few times a second, from this thread.

    Raises:
        UsageError: A place is none, or is offered in a way that cannot be read.
        PoolError: The spool cannot be used.
    """
    raise NotImplementedError
