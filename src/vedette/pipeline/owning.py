"""The memory in the process that has the store open: the pool, and what stands around it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Self

from vedette.config import Settings
from vedette.observe import native
from vedette.pipeline.memory import Status
from vedette.pool.store import Pool
from vedette.store.intake import reading


class LocalMemory(Pool):
    """A pool that knows whose it is: the daemon's or a command's.

    A :class:`vedette.pipeline.memory.Memory`, safe to share between threads.
    """

    everything: Settings
    """All of vedette.toml; the pool itself only knows its own part."""
    owner = "this command"
    """Who has it open, for people."""

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Open the pool that vedette.toml names; the caller holds its lock.

        Raises:
            BusyError: Another process has the embedded store open.
            ConfigError: The address of the store is none.
            PoolError: It cannot be opened or reached, or the extra is missing.
        """
        opened = super().open(settings)
        opened.everything = settings
        return opened

    def status(self) -> Status:
        """Sizes, backlog, and where reading stands.

        Raises:
            PoolError: The engine failed.
            StoreError: The control database cannot be read.
        """
        spool = self.everything.pool_dir / "spool"
        waiting = [_size(path) for path in spool.glob("*.batch")]
        with reading(self.everything.database) as intake:
            inputs = tuple(intake.totals())
        return Status(
            engine=self._engine(),
            owner=f"{self.owner} (process {os.getpid()})",
            known=self.known,
            tables=self.sizes(),
            inputs=inputs,
            spool_files=len(waiting),
            spool_bytes=sum(waiting),
            damaged_files=sum(1 for _ in (spool / "damaged").glob("*")),
            native=native.why_not() or "yes",
            coverage=self.coverage(),
        )

    def _engine(self) -> str:
        version = self.backend.query("SELECT version() AS version")["version"][0].as_py()
        pool = self.everything.pool
        if not pool.store:
            return f"embedded (chDB, ClickHouse {version}) in {self.everything.pool_dir}"
        kind = f"cluster {pool.cluster}" if pool.cluster else "server"
        return f"ClickHouse {version}, {kind} at {pool.store}"


def _size(path: Path) -> int:
    """Bytes of a file; 0 if it was committed and taken away meanwhile."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
